// Writes a chat template for given variables: a walk over its tree that does a bounded amount of work and nothing but that.
#pragma once

#include <limits>
#include <map>

#include "cmoe/io/template_syntax.hpp"
#include "cmoe/io/template_words.hpp"

namespace cmoe {

// What a template can name.
using TemplateVariables = std::map<std::string, TemplateValue>;

namespace detail {

// Variables live as long as the loop they were set in; a branch has no scope of its own.
class TemplateRun {
 public:
  TemplateRun(const std::string& name, const TemplateVariables& variables, std::int64_t allowance) : work_{name, allowance} {
    scopes_.push_back(variables);
  }

  std::string write(const std::vector<TemplateStatement>& statements) {
    run(statements);
    return std::move(out_);
  }

 private:
  static constexpr int deepest = 32;
  using Kind = TemplateExpression::Kind;
  using Value = TemplateValue;
  using List = TemplateValue::List;

  void run(const std::vector<TemplateStatement>& statements) {
    for (const TemplateStatement& one : statements) {
      work_.line = one.line;
      work_.charge(1);
      switch (one.kind) {
        case TemplateStatement::Kind::text: put(one.text); break;
        case TemplateStatement::Kind::print: put(written(work_, value(one.expressions[0]))); break;
        case TemplateStatement::Kind::branch: branch(one); break;
        case TemplateStatement::Kind::loop: loop(one); break;
        case TemplateStatement::Kind::set: set(one); break;
      }
    }
  }

  void put(const std::string& text) {
    work_.charge(text.size());
    out_ += text;
  }

  void branch(const TemplateStatement& one) {
    std::size_t i = 0;
    while (i < one.expressions.size() && !value(one.expressions[i]).truth()) ++i;
    if (i < one.bodies.size()) run(one.bodies[i]);
  }

  void set(const TemplateStatement& one) {
    Value made = value(one.expressions[0]);
    if (one.names.size() == 1) {
      scopes_.back().insert_or_assign(one.names[0], std::move(made));
      return;
    }
    Value::Object* fields = find(one.names[0]).space();
    work_.line = one.line;
    work_.refuse_unless(fields != nullptr, "'", one.names[0], "' is no namespace, its '", one.names[1], "' cannot be set");
    part_of_value(made);
    for (auto& [name, old] : *fields) {
      work_.charge(1);
      if (name == one.names[1]) return static_cast<void>(old = std::move(made));
    }
    fields->emplace_back(one.names[1], std::move(made));
  }

  void loop(const TemplateStatement& one) {
    List items = elements(work_, value(one.expressions[0]));
    if (one.expressions.size() > 1) {
      List kept;
      for (Value& item : items) {
        scopes_.emplace_back();
        bind(one, item);
        if (value(one.expressions[1]).truth()) kept.push_back(std::move(item));
        scopes_.pop_back();
      }
      items = std::move(kept);
    }
    const auto count = static_cast<std::int64_t>(items.size());
    for (std::int64_t i = 0; i < count; ++i) {
      work_.charge(8);
      const auto beside = [&](std::int64_t at) {
        return at >= 0 && at < count ? items[static_cast<std::size_t>(at)] : Value::undefined("there is no item beside the loop's");
      };
      scopes_.emplace_back();
      bind(one, items[static_cast<std::size_t>(i)]);
      scopes_.back().insert_or_assign("loop", Value::Object{{"index0", i}, {"index", i + 1}, {"revindex0", count - i - 1}, {"revindex", count - i},
                                                            {"first", i == 0}, {"last", i + 1 == count}, {"length", count},
                                                            {"previtem", beside(i - 1)}, {"nextitem", beside(i + 1)}});
      run(one.bodies[0]);
      scopes_.pop_back();
    }
    if (count == 0 && one.bodies.size() > 1) run(one.bodies[1]);
  }

  void bind(const TemplateStatement& one, const Value& item) {
    if (one.names.size() == 1) return static_cast<void>(scopes_.back().insert_or_assign(one.names[0], item));
    work_.line = one.line;
    work_.refuse_unless(item.list() && item.list()->size() == one.names.size(), item.kind_name(), " for ", one.names.size(), " names of a loop");
    for (std::size_t i = 0; i < one.names.size(); ++i) scopes_.back().insert_or_assign(one.names[i], (*item.list())[i]);
  }

  Value find(const std::string& name) {
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
      work_.charge(1);
      if (const auto found = scope->find(name); found != scope->end()) return found->second;
    }
    for (const char* function : {"raise_exception", "namespace", "range", "dict", "cycler", "joiner", "lipsum", "self"})
      work_.refuse_unless(name != function, "the function ", name, " is not called");
    return Value::undefined("'" + name + "'");
  }

  void part_of_value(const Value& value) const { work_.refuse_unless(!value.space(), "a namespace is no part of another value"); }

  Value value(const TemplateExpression& e) {
    work_.charge(1);
    Value made = value_of(e);
    work_.line = e.line;
    work_.refuse_unless(made.depth() <= deepest, "lists are nested deeper than ", deepest);  // they are compared and freed by recursion
    return made;
  }

  Value value_of(const TemplateExpression& e) {
    switch (e.kind) {
      case Kind::literal: return e.value;
      case Kind::name: return find(e.text);
      case Kind::access: return member(e, value(e.children[0]));
      case Kind::item: return item(value(e.children[0]), value(e.children[1]));
      case Kind::slice: return slice(e);
      case Kind::call: return call(e);
      case Kind::method: return method(e);
      case Kind::filter: {
        const Value x = value(e.children[0]);
        std::vector<std::string> names = e.words;
        if (e.text == "default" && names == std::vector<std::string>{"boolean"} && e.children.size() == 3) names.clear();
        work_.line = e.line;
        work_.refuse_unless(names.empty(), "arguments with names in the filter ", e.text);
        const TemplateArguments given = arguments(e, 1);
        return filtered_value(work_, x, e.text, given);
      }
      case Kind::test: {
        const Value x = value(e.children[0]);
        return tested(work_, x, e.text);
      }
      case Kind::negation: return !value(e.children[0]).truth();
      case Kind::minus: return operated("-", Value(std::int64_t{0}), value(e.children[0]));
      case Kind::operation: {
        const Value left = value(e.children[0]), right = value(e.children[1]);
        work_.line = e.line;
        return operated(e.text, left, right);
      }
      case Kind::comparison: return comparison(e);
      case Kind::both: {
        const Value left = value(e.children[0]);
        return left.truth() ? value(e.children[1]) : left;
      }
      case Kind::either: {
        const Value left = value(e.children[0]);
        return left.truth() ? left : value(e.children[1]);
      }
      case Kind::choice: return value(e.children[value(e.children[1]).truth() ? 0 : 2]);
      case Kind::list: break;
    }
    List all = arguments(e, 0);
    for (const Value& one : all) part_of_value(one);
    return all;
  }

  TemplateArguments arguments(const TemplateExpression& e, std::size_t from) {
    TemplateArguments all;
    for (std::size_t i = from; i < e.children.size(); ++i) all.push_back(value(e.children[i]));
    work_.line = e.line;
    return all;
  }

  void need_defined(const Value& of, const std::string& what) const {
    work_.refuse_unless(!of.is_undefined(), of.is_undefined() ? of.undefined_name() : "", " is undefined, it has no ", what);
  }

  Value member(const TemplateExpression& e, const Value& of) {
    static constexpr std::string_view of_objects = " items keys values get pop update copy clear setdefault popitem fromkeys ";
    static constexpr std::string_view of_texts =
        " strip lstrip rstrip split startswith endswith replace upper lower title capitalize format join count find index encode ";
    const auto method = [&](std::string_view names) { return names.find(" " + e.text + " ") != std::string_view::npos; };
    work_.line = e.line;
    need_defined(of, printable(e.text));
    work_.refuse_unless(!(of.object() && method(of_objects)) && !(of.text() && method(of_texts)), "the method ", e.text, " is not called");
    work_.charge(of.space() ? of.space()->size() : 0);
    const Value* found = of.find(e.text);
    return found ? *found : Value::undefined("'" + e.text + "'");
  }

  Value item(const Value& of, const Value& key) {
    need_defined(of, "parts");
    if (of.object() && key.text()) {
      const Value* found = of.find(*key.text());
      return found ? *found : Value::undefined("'" + printable(*key.text()) + "'");
    }
    if ((!of.list() && !of.text()) || !key.whole()) return Value::undefined("a part that is not there");
    if (of.text()) work_.charge(of.text()->size());
    const auto size = static_cast<std::int64_t>(of.list() ? of.list()->size() : characters(*of.text()));
    const std::int64_t at = *key.whole() < 0 ? *key.whole() + size : *key.whole();
    if (at < 0 || at >= size) return Value::undefined("part " + std::to_string(*key.whole()) + " of " + std::to_string(size));
    return of.list() ? (*of.list())[static_cast<std::size_t>(at)] : elements(work_, of)[static_cast<std::size_t>(at)];
  }

  // Python's [from:to:step] of lists and of the characters of texts.
  Value slice(const TemplateExpression& e) {
    const Value of = value(e.children[0]);
    std::optional<std::int64_t> bounds[3];
    for (std::size_t i = 0; i < 3; ++i) {
      const Value bound = value(e.children[i + 1]);
      work_.refuse_unless(bound.is_none() || bound.whole(), bound.kind_name(), " in the bounds [:]");
      bounds[i] = bound.whole();
    }
    work_.line = e.line;
    need_defined(of, "parts");
    work_.refuse_unless(of.list() || of.text(), of.kind_name(), " has no parts [:]");
    const List all = elements(work_, of);
    const auto size = static_cast<std::int64_t>(all.size());
    const std::int64_t step = std::clamp<std::int64_t>(bounds[2].value_or(1), -size - 1, size + 1);
    work_.refuse_unless(step != 0, "[::0] goes nowhere");
    const auto place = [&](std::optional<std::int64_t> bound, std::int64_t otherwise) {
      if (!bound) return otherwise;
      const std::int64_t at = *bound < 0 ? std::max(*bound, -size - 1) + size : *bound;
      return step > 0 ? std::clamp<std::int64_t>(at, 0, size) : std::clamp<std::int64_t>(at, -1, size - 1);
    };
    const std::int64_t from = place(bounds[0], step > 0 ? 0 : size - 1), to = place(bounds[1], step > 0 ? size : -1);
    List some;
    std::string text;
    for (std::int64_t i = from; step > 0 ? i < to : i > to; i += step) {
      if (of.list()) some.push_back(all[static_cast<std::size_t>(i)]);
      else text += *all[static_cast<std::size_t>(i)].text();
    }
    return of.list() ? Value(std::move(some)) : Value(std::move(text));
  }

  Value operated(const std::string& sign, const Value& a, const Value& b) {
    if (sign == "~") return written(work_, a) + written(work_, b);
    if (sign == "+" && a.text() && b.text()) return work_.charge(a.text()->size() + b.text()->size()), *a.text() + *b.text();
    if (sign == "+" && a.list() && b.list()) {
      List all = elements(work_, a), more = elements(work_, b);
      all.insert(all.end(), more.begin(), more.end());
      return all;
    }
    work_.refuse_unless(a.whole() && b.whole(), a.kind_name(), " ", sign, " ", b.kind_name(), " cannot be computed",
                        a.is_undefined() ? ": undefined is " + a.undefined_name() : b.is_undefined() ? ": undefined is " + b.undefined_name() : "");
    const std::int64_t x = *a.whole(), y = *b.whole();
    std::int64_t result = 0;
    bool over = false;
    if (sign == "+") over = __builtin_add_overflow(x, y, &result);
    else if (sign == "-") over = __builtin_sub_overflow(x, y, &result);
    else if (sign == "*") over = __builtin_mul_overflow(x, y, &result);
    else {
      work_.refuse_unless(y != 0 && !(y == -1 && x == std::numeric_limits<std::int64_t>::min()), "a division by ", y);
      const bool below = x % y != 0 && (x < 0) != (y < 0);  // Python rounds down, the rest has the sign of y
      result = sign == "%" ? x % y + (below ? y : 0) : x / y - (below ? 1 : 0);
    }
    work_.refuse_unless(!over, x, " ", sign, " ", y, " is too large");
    return result;
  }

  bool holds(const Value& a, const std::string& sign, const Value& b) {
    if (sign == "==") return equal(work_, a, b);
    if (sign == "!=") return !equal(work_, a, b);
    if (sign == "not in") return !holds(a, "in", b);
    if (sign == "in") {
      if (b.text()) {
        const std::string& part = need_text(work_, a, "'in'");
        work_.charge(b.text()->size() + part.size());
        return find_text(*b.text(), part) != std::string::npos;
      }
      if (b.object()) return a.text() && b.find(*a.text());
      for (const Value& one : elements(work_, b))
        if (equal(work_, a, one)) return true;
      return false;
    }
    const bool texts = a.text() && b.text();
    work_.refuse_unless(texts || (a.whole() && b.whole()), a.kind_name(), " ", sign, " ", b.kind_name(), " cannot be compared");
    const auto order = texts ? *a.text() <=> *b.text() : *a.whole() <=> *b.whole();
    return sign == "<" ? order < 0 : sign == "<=" ? order <= 0 : sign == ">" ? order > 0 : order >= 0;
  }

  Value comparison(const TemplateExpression& e) {  // a < b < c: each of them holds
    Value left = value(e.children[0]);
    for (std::size_t i = 0; i < e.words.size(); ++i) {
      Value right = value(e.children[i + 1]);
      work_.line = e.line;
      if (!holds(left, e.words[i], right)) return false;
      left = std::move(right);
    }
    return true;
  }

  Value method(const TemplateExpression& e) {
    const Value of = value(e.children[0]);
    const TemplateArguments given = arguments(e, 1);
    work_.refuse_unless(e.words.empty(), "arguments with names in the method ", e.text);
    need_defined(of, printable(e.text));
    if (of.text()) return text_method(work_, *of.text(), e.text, given);
    work_.refuse_unless(of.object() != nullptr, "the method .", printable(e.text), "() of ", of.kind_name(), " is not read");
    return object_method(work_, of, e.text, given);
  }

  Value call(const TemplateExpression& e) {
    TemplateArguments given = arguments(e, 0);
    if (e.text == "namespace" && e.words.size() == given.size()) {
      Value::Object fields;
      for (std::size_t i = 0; i < given.size(); ++i) {
        part_of_value(given[i]);
        fields.emplace_back(e.words[i], std::move(given[i]));
      }
      return Value::space(std::move(fields));
    }
    work_.refuse_unless(e.words.empty(), "arguments with names in the function ", printable(e.text));
    if (e.text == "raise_exception" && given.size() == 1) {
      const std::string text = written(work_, given[0]);
      fail(ErrorKind::misuse, work_.name, ": line ", e.line, ": the template refuses the messages: ", printable(text, 400));
    }
    if (e.text == "range" && !given.empty() && given.size() <= 2) {
      for (const Value& one : given) work_.refuse_unless(one.whole().has_value(), one.kind_name(), " in range()");
      const std::int64_t from = given.size() > 1 ? *given[0].whole() : 0, to = *given.back().whole();
      List all;
      for (std::int64_t i = from; i < to; ++i) work_.charge(1), all.emplace_back(i);
      return all;
    }
    work_.refuse("the function ", printable(e.text), "() with ", given.size(), " arguments is not read");
  }

  TemplateWork work_;
  std::vector<TemplateVariables> scopes_;
  std::string out_;
};

}  // namespace detail

}  // namespace cmoe
