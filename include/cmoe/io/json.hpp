// JSON: parsed strictly, with errors that name the file. The only header that includes nlohmann/json.hpp.
#pragma once

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "cmoe/core/shape.hpp"
#include "cmoe/io/file.hpp"
#include "cmoe/io/utf8.hpp"

namespace cmoe {

using Json = nlohmann::json;                 // members sorted: a look-up in a large object stays cheap
using OrderedJson = nlohmann::ordered_json;  // for documents that we write: members in the order of writing

namespace detail {

// The parser's words passed on to a handler of any type, so that the parser is compiled for one type only: it is most of what
// this header costs to compile.
template <class Handler>
struct SaxHandler final : nlohmann::json_sax<Json> {
  explicit SaxHandler(Handler& to) : handler(to) {}
  bool null() override { return handler.null(); }
  bool boolean(bool value) override { return handler.boolean(value); }
  bool number_integer(Json::number_integer_t value) override { return handler.number_integer(value); }
  bool number_unsigned(Json::number_unsigned_t value) override { return handler.number_unsigned(value); }
  bool number_float(Json::number_float_t value, const std::string& text) override { return handler.number_float(value, text); }
  bool string(std::string& value) override { return handler.string(value); }
  bool binary(Json::binary_t& value) override { return handler.binary(value); }
  bool start_object(std::size_t size) override { return handler.start_object(size); }
  bool start_array(std::size_t size) override { return handler.start_array(size); }
  bool end_object() override { return handler.end_object(); }
  bool end_array() override { return handler.end_array(); }
  bool key(std::string& text) override { return handler.key(text); }
  bool parse_error(std::size_t position, const std::string& token, const nlohmann::detail::exception& error) override {
    return handler.parse_error(position, token, error);
  }
  Handler& handler;
};

inline void parse_words(std::string_view text, const std::string& name, nlohmann::json_sax<Json>& handler) {
  // The parser takes a NUL byte for the end of the text.
  check(text.find('\0') == std::string_view::npos, ErrorKind::format, name, ": not valid JSON: it holds a NUL byte");
  Json::sax_parse(text.begin(), text.end(), &handler);
}

}  // namespace detail

// Feeds the text to a SAX handler. `name` is how messages call the text. Nothing recurses, whatever the depth.
template <class Handler>
void scan_json(std::string_view text, const std::string& name, Handler& handler) {
  detail::SaxHandler<Handler> words(handler);
  detail::parse_words(text, name, words);
}

namespace detail {

// What nlohmann says of a syntax error, without its prefix, on one line.
[[noreturn]] inline void fail_json(const std::string& name, std::string_view reason) {
  if (const auto at = reason.find("] "); at != std::string_view::npos) reason.remove_prefix(at + 2);
  fail(ErrorKind::format, name, ": not valid JSON: ", printable(reason, 200));
}

// Builds a Json value; a stack of open containers, no recursion.
class JsonBuilder {
 public:
  JsonBuilder(const std::string& name, int max_depth) : name_(name), max_depth_(static_cast<std::size_t>(max_depth)) {}

  bool null() { return put(nullptr); }
  bool boolean(bool value) { return put(value); }
  bool number_integer(Json::number_integer_t value) { return put(value); }
  bool number_unsigned(Json::number_unsigned_t value) { return put(value); }
  bool number_float(Json::number_float_t value, const std::string&) { return put(value); }
  bool string(std::string& value) { return put(std::move(value)); }
  bool binary(Json::binary_t&) { return false; }
  bool start_object(std::size_t) { return open(Json::value_t::object); }
  bool start_array(std::size_t) { return open(Json::value_t::array); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }
  bool key(std::string& text) {
    const auto [place, added] = stack_.back()->get_ref<Json::object_t&>().try_emplace(std::move(text));
    check(added, ErrorKind::format, name_, ": the key '", printable(place->first), "' stands twice in one JSON object");
    member_ = &place->second;
    return true;
  }
  template <class Exception>
  bool parse_error(std::size_t, const std::string&, const Exception& exception) {
    fail_json(name_, exception.what());
  }

  Json take() { return std::move(root_); }

 private:
  template <class Value>
  bool put(Value&& value) {
    place() = std::forward<Value>(value);
    return true;
  }
  bool open(Json::value_t type) {
    check(stack_.size() < max_depth_, ErrorKind::format, name_, ": JSON nested deeper than ", max_depth_);
    Json& here = place();
    here = type;
    stack_.push_back(&here);
    return true;
  }
  bool close() {
    stack_.pop_back();
    return true;
  }
  // Where the next value belongs. References stay valid: only the innermost open array grows.
  Json& place() {
    if (stack_.empty()) return root_;
    if (stack_.back()->is_object()) return *member_;
    auto& array = stack_.back()->get_ref<Json::array_t&>();
    return array.emplace_back();
  }

  const std::string& name_;
  std::size_t max_depth_;
  Json root_;
  Json* member_ = nullptr;
  std::vector<Json*> stack_;
};

template <class T>
std::optional<T> json_value(const Json& value) {
  if constexpr (std::is_same_v<T, bool>) {
    if (value.is_boolean()) return value.get<bool>();
  } else if constexpr (std::is_same_v<T, std::string>) {
    if (value.is_string()) return value.get<std::string>();
  } else if constexpr (std::is_integral_v<T>) {
    if (value.is_number_unsigned() && std::in_range<T>(value.get<std::uint64_t>()))
      return static_cast<T>(value.get<std::uint64_t>());
    if (value.is_number_integer() && !value.is_number_unsigned() && std::in_range<T>(value.get<std::int64_t>()))
      return static_cast<T>(value.get<std::int64_t>());
  } else if constexpr (std::is_floating_point_v<T>) {
    if (value.is_number()) return static_cast<T>(value.get<double>());
  } else {  // a list of such values
    if (!value.is_array()) return std::nullopt;
    T list;
    for (const Json& entry : value) {
      auto one = json_value<typename T::value_type>(entry);
      if (!one) return std::nullopt;
      list.push_back(std::move(*one));
    }
    return list;
  }
  return std::nullopt;
}

template <class T>
constexpr const char* json_type_name() {
  if constexpr (std::is_same_v<T, bool>)
    return "true or false";
  else if constexpr (std::is_same_v<T, std::string>)
    return "a text";
  else if constexpr (std::is_integral_v<T>)
    return "a whole number in range";
  else if constexpr (std::is_floating_point_v<T>)
    return "a number";
  else
    return "a list of one kind of value";
}

}  // namespace detail

// The text as a value. Invalid UTF-8, a key that stands twice, more than max_depth levels, or anything after the value: Error
// format.
inline Json parse_json(std::string_view text, const std::string& name, int max_depth = 64) {
  detail::JsonBuilder builder(name, max_depth);
  scan_json(text, name, builder);
  return builder.take();
}

// A file as JSON. throws Error (file) if it cannot be read, (format) if it is no JSON or nests too deep
inline Json read_json(const Path& path, int max_depth = 64) { return parse_json(read_file(path), path.string(), max_depth); }

// The member `key`, or nothing when it is absent or null. A member of another type is an Error.
// T: bool, std::string, an integer, a floating-point number, or a std::vector of these.
template <class T>
std::optional<T> optional(const Json& object, const std::string& key, const std::string& name) {
  check(object.is_object(), ErrorKind::format, name, ": a JSON object is needed around '", key, "'");
  const auto member = object.find(key);
  if (member == object.end() || member->is_null()) return std::nullopt;
  auto value = detail::json_value<T>(*member);
  check(value.has_value(), ErrorKind::format, name, ": '", key, "' must be ", detail::json_type_name<T>());
  return value;
}

// The same for a member that must be there.
template <class T>
T required(const Json& object, const std::string& key, const std::string& name) {
  auto value = optional<T>(object, key, name);
  check(value.has_value(), ErrorKind::format, name, ": '", key, "' is missing");
  return std::move(*value);
}

}  // namespace cmoe
