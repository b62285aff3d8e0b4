// What chat templates compute with: texts, whole numbers, truth values, lists and objects, with Python's rules.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "cmoe/core/error.hpp"

namespace cmoe {

// What one rendering may do at most, and where it is: a template must not run longer than its input warrants.
struct TemplateWork {
  const std::string& name;  // how messages call the template
  std::int64_t left = 0;    // evaluations and bytes
  int line = 1;

  // throws Error (format) once more than the allowance is used up
  void charge(std::size_t count) {
    refuse_unless(std::cmp_less_equal(count, left), "the template does more than its messages warrant");
    left -= static_cast<std::int64_t>(count);
  }
  template <class... Parts>
  void refuse_unless(bool holds, const Parts&... parts) const {
    if (!holds) [[unlikely]]
      refuse(parts...);
  }
  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    fail(ErrorKind::format, name, ": line ", line, ": ", parts...);
  }
};

// Texts, lists and objects are shared and never change; only the fields of a namespace do. A namespace is no part of another value,
// so nothing refers to itself.
class TemplateValue {
 public:
  using List = std::vector<TemplateValue>;
  using Object = std::vector<std::pair<std::string, TemplateValue>>;  // in the order of insertion

  TemplateValue() : kind_(Undefined{"the value"}) {}
  TemplateValue(bool value) : kind_(value) {}
  TemplateValue(std::int64_t value) : kind_(value) {}
  TemplateValue(std::string value) : kind_(std::make_shared<const std::string>(std::move(value))) {}
  TemplateValue(const char* value) : TemplateValue(std::string(value)) {}
  TemplateValue(List value) {
    for (const TemplateValue& part : value) depth_ = std::max(depth_, part.depth_);
    ++depth_;
    kind_ = std::make_shared<const List>(std::move(value));
  }
  TemplateValue(Object value) {
    for (const auto& [name, part] : value) depth_ = std::max(depth_, part.depth_);
    ++depth_;
    kind_ = std::make_shared<const Object>(std::move(value));
  }

  static TemplateValue none() {
    TemplateValue made;
    made.kind_.emplace<None>();
    return made;
  }
  static TemplateValue undefined(std::string what) {
    TemplateValue made;
    std::get<Undefined>(made.kind_).what = std::move(what);
    return made;
  }
  static TemplateValue space(Object fields) {
    TemplateValue made;
    made.kind_.emplace<Space>(std::make_shared<Object>(std::move(fields)));
    return made;
  }

  int depth() const { return depth_; }  // of lists and objects within each other; 0 for what has no parts
  bool is_undefined() const { return std::holds_alternative<Undefined>(kind_); }
  bool is_none() const { return std::holds_alternative<None>(kind_); }
  bool is_bool() const { return std::holds_alternative<bool>(kind_); }
  const std::string& undefined_name() const { return std::get<Undefined>(kind_).what; }
  const std::string* text() const { return shared<std::string>(); }
  const List* list() const { return shared<List>(); }
  const Object* object() const { return shared<Object>(); }
  Object* space() const {
    const Space* found = std::get_if<Space>(&kind_);
    return found ? found->fields.get() : nullptr;
  }
  std::optional<std::int64_t> whole() const {  // true is 1, false 0
    if (const bool* truth = std::get_if<bool>(&kind_)) return *truth ? 1 : 0;
    const std::int64_t* number = std::get_if<std::int64_t>(&kind_);
    return number ? std::optional(*number) : std::nullopt;
  }

  bool truth() const {
    if (const auto number = whole()) return *number != 0;
    if (text()) return !text()->empty();
    if (list()) return !list()->empty();
    if (object()) return !object()->empty();
    return space() != nullptr;
  }

  const char* kind_name() const {
    static constexpr const char* names[] = {"an undefined value", "none",   "a truth value", "a number",
                                            "a text",             "a list", "an object",     "a namespace"};
    return names[kind_.index()];
  }

  // The member of an object or a namespace, null if there is none.
  const TemplateValue* find(const std::string& key) const {
    const Object* members = object() ? object() : space();
    if (members != nullptr)
      for (const auto& [name, value] : *members)
        if (name == key) return &value;
    return nullptr;
  }

 private:
  struct Undefined {
    std::string what;
  };
  struct None {};
  struct Space {
    explicit Space(std::shared_ptr<Object> all) : fields(std::move(all)) {}
    std::shared_ptr<Object> fields;
  };
  using Kind = std::variant<Undefined, None, bool, std::int64_t, std::shared_ptr<const std::string>, std::shared_ptr<const List>,
                            std::shared_ptr<const Object>, Space>;

  template <class T>
  const T* shared() const {
    const auto* found = std::get_if<std::shared_ptr<const T>>(&kind_);
    return found ? found->get() : nullptr;
  }

  Kind kind_;
  int depth_ = 0;
};

// Python's ==, which takes true for 1.
inline bool equal(TemplateWork& work, const TemplateValue& a, const TemplateValue& b) {
  work.charge(1);
  if (a.whole() || b.whole()) return a.whole() == b.whole();
  if (a.text() && b.text()) return *a.text() == *b.text();
  if (a.list() && b.list()) {
    if (a.list()->size() != b.list()->size()) return false;
    for (std::size_t i = 0; i < a.list()->size(); ++i)
      if (!equal(work, (*a.list())[i], (*b.list())[i])) return false;
    return true;
  }
  if (a.object() && b.object()) {
    if (a.object()->size() != b.object()->size()) return false;
    for (const auto& [key, value] : *a.object()) {
      const TemplateValue* other = b.find(key);
      work.charge(b.object()->size());
      if (other == nullptr || !equal(work, value, *other)) return false;
    }
    return true;
  }
  return (a.is_none() && b.is_none()) || (a.is_undefined() && b.is_undefined());
}

// What `{{ value }}` and `~` write.
inline std::string written(TemplateWork& work, const TemplateValue& value) {
  if (value.text()) return work.charge(value.text()->size()), *value.text();
  if (value.is_undefined()) return {};
  if (value.is_none()) return "None";
  if (value.is_bool()) return value.truth() ? "True" : "False";
  if (const auto number = value.whole()) return std::to_string(*number);
  work.refuse(value.kind_name(), " is written; only texts, numbers and truth values are");
}

}  // namespace cmoe
