// The filters, tests and methods that chat templates may use, each as Python or Jinja has it.
#pragma once

#include <algorithm>
#include <array>
#include <cstring>

#include "cmoe/io/template_tokens.hpp"
#include "cmoe/io/template_value.hpp"

namespace cmoe {

namespace detail {

using TemplateArguments = std::vector<TemplateValue>;

// Where the needle begins at or behind `from`; npos if nowhere. memmem takes linear time whatever the texts.
inline std::size_t find_text(const std::string& text, const std::string& needle, std::size_t from = 0) {
  if (from > text.size()) return std::string::npos;
  const void* found = ::memmem(text.data() + from, text.size() - from, needle.data(), needle.size());
  return found ? static_cast<std::size_t>(static_cast<const char*>(found) - text.data()) : std::string::npos;
}

// Python's strip: white space, or the characters in `chars`.
inline std::string stripped(const std::string& text, const std::string* chars, bool front, bool back) {
  const auto goes = [&](std::size_t at, std::size_t length) {
    return chars ? find_text(*chars, text.substr(at, length)) != std::string::npos : is_python_space(code_point(text, at).code);
  };
  std::size_t begin = 0, end = text.size();
  while (front && begin < end && goes(begin, code_point(text, begin).length)) begin += code_point(text, begin).length;
  while (back && end > begin) {
    const std::size_t before = utf8_boundary(text, end - 1);
    if (!goes(before, end - before)) break;
    end = before;
  }
  return text.substr(begin, end - begin);
}

// Python's split at a separator, or at white space without one.
inline TemplateValue::List split_text(TemplateWork& work, const std::string& text, const std::string* separator, std::int64_t most) {
  TemplateValue::List parts;
  work.charge(text.size());
  const auto add = [&](std::size_t from, std::size_t to) {
    work.charge(8);
    parts.emplace_back(text.substr(from, to - from));
  };
  std::size_t at = separator ? 0 : python_space_front(text);
  if (separator) {
    work.refuse_unless(!separator->empty(), "split at an empty text");
    for (std::size_t found; most != 0 && (found = find_text(text, *separator, at)) != std::string::npos; at = found + separator->size(), --most)
      add(at, found);
    add(at, text.size());
    return parts;
  }
  const std::size_t last = python_space_back(text);
  while (at < last) {
    std::size_t end = at;
    while (end < last && !is_python_space(code_point(text, end).code)) end += code_point(text, end).length;
    if (most-- == 0) end = text.size();
    add(at, end);
    at = python_space_front(text, end);
  }
  return parts;
}

// The letters of ASCII; others are refused, because their cases are not known here.
inline std::string cased(TemplateWork& work, std::string text, bool upper_first, bool upper_rest, bool words) {
  bool first = true;
  for (char& c : text) {
    work.refuse_unless(static_cast<unsigned char>(c) < 0x80, "upper and lower case of letters outside of ASCII");
    const bool small = c >= 'a' && c <= 'z', large = c >= 'A' && c <= 'Z', up = first ? upper_first : upper_rest;
    if (small && up) c = static_cast<char>(c - 32);
    if (large && !up) c = static_cast<char>(c + 32);
    first = words && !small && !large;
  }
  return text;
}

inline std::string replaced(TemplateWork& work, const std::string& text, const std::string& old, const std::string& fresh) {
  work.refuse_unless(!old.empty(), "replace of an empty text");
  work.charge(text.size());
  std::string out;
  std::size_t at = 0;
  for (std::size_t found; (found = find_text(text, old, at)) != std::string::npos; at = found + old.size()) {
    work.charge(fresh.size() + 1);
    (out.append(text, at, found - at)) += fresh;
  }
  return out.append(text, at, text.size() - at);
}

// As transformers' tojson writes it: ", " and ": ", characters outside of ASCII as they are.
inline void append_json(TemplateWork& work, const TemplateValue& value, std::string& out) {
  work.charge(1);
  const auto quote = [&](const std::string& text) {
    static constexpr std::string_view plain = "\"\\\b\f\n\r\t", letters = "\"\\bfnrt", hex = "0123456789abcdef";
    work.charge(text.size());
    out += '"';
    for (const char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      if (const std::size_t found = plain.find(c); found != std::string_view::npos) (out += '\\') += letters[found];
      else if (byte < 0x20) ((out += "\\u00") += hex[byte >> 4]) += hex[byte & 15];
      else out += c;
    }
    out += '"';
  };
  if (value.text()) return quote(*value.text());
  if (value.is_bool()) return static_cast<void>(out += value.truth() ? "true" : "false");
  if (value.whole()) return static_cast<void>(out += std::to_string(*value.whole()));
  if (value.is_none()) return static_cast<void>(out += "null");
  work.refuse_unless(value.list() || value.object(), value.kind_name(), " as JSON");
  std::size_t count = 0;
  out += value.list() ? '[' : '{';
  if (value.list())
    for (const TemplateValue& one : *value.list()) {
      if (count++ > 0) out += ", ";
      append_json(work, one, out);
    }
  else
    for (const auto& [key, one] : *value.object()) {
      if (count++ > 0) out += ", ";
      quote(key);
      out += ": ";
      append_json(work, one, out);
    }
  out += value.list() ? ']' : '}';
}

inline std::size_t characters(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0u) != 0x80u; }));
}

// Its elements: those of a list, the keys of an object, the characters of a text; of an undefined value none.
inline TemplateValue::List elements(TemplateWork& work, const TemplateValue& value) {
  TemplateValue::List all;
  if (value.list()) {
    work.charge(value.list()->size());
    return *value.list();
  }
  if (value.object())
    for (const auto& member : *value.object()) work.charge(member.first.size() + 1), all.emplace_back(member.first);
  else if (value.text())
    for (std::size_t at = 0, length = 0; at < value.text()->size(); at += length) {
      work.charge(8);
      length = code_point(*value.text(), at).length;
      all.emplace_back(value.text()->substr(at, length));
    }
  else work.refuse_unless(value.is_undefined(), value.kind_name(), " has no elements");
  return all;
}

// [key, value] of every member.
inline TemplateValue::List pairs(TemplateWork& work, const TemplateValue& value) {
  work.refuse_unless(value.object() || value.is_undefined(), value.kind_name(), " has no items");
  TemplateValue::List all;
  if (value.object())
    for (const auto& [key, one] : *value.object()) work.charge(key.size() + 2), all.emplace_back(TemplateValue::List{key, one});
  return all;
}

inline const std::string& need_text(TemplateWork& work, const TemplateValue& value, const std::string& what) {
  work.refuse_unless(value.text() != nullptr, value.kind_name(), " where ", what, " needs a text");
  return *value.text();
}

inline void need_arguments(TemplateWork& work, const std::string& what, const TemplateArguments& given, std::size_t least, std::size_t most) {
  work.refuse_unless(given.size() >= least && given.size() <= most, what, " with ", given.size(), " arguments");
}

inline TemplateValue text_method(TemplateWork& work, const std::string& text, const std::string& name, const TemplateArguments& given) {
  work.charge(text.size());
  const auto argument = [&](std::size_t i) { return given.size() > i && !given[i].is_none() ? &need_text(work, given[i], name) : nullptr; };
  const bool left = name == "lstrip", right = name == "rstrip";
  if (left || right || name == "strip") {
    need_arguments(work, name, given, 0, 1);
    if (argument(0)) work.charge(argument(0)->size() * 4);
    work.refuse_unless(!argument(0) || argument(0)->size() <= 256, name, " of more than 256 bytes of characters");
    return stripped(text, argument(0), !right, !left);
  }
  if (name == "startswith" || name == "endswith") {
    need_arguments(work, name, given, 1, 1);
    const std::string& part = need_text(work, given[0], name);
    return name == "endswith" ? text.ends_with(part) : text.starts_with(part);
  }
  if (name == "split") {
    need_arguments(work, name, given, 0, 2);
    work.refuse_unless(given.size() < 2 || given[1].whole().has_value(), "split takes a number as its second argument");
    return split_text(work, text, argument(0), given.size() > 1 ? std::max<std::int64_t>(*given[1].whole(), -1) : -1);
  }
  if (name == "replace") {
    need_arguments(work, name, given, 2, 2);
    return replaced(work, text, need_text(work, given[0], name), need_text(work, given[1], name));
  }
  const bool upper = name == "upper", title = name == "title";
  if (upper || title || name == "lower" || name == "capitalize") {
    need_arguments(work, name, given, 0, 0);
    return cased(work, text, name != "lower", upper, title);
  }
  work.refuse("the method .", printable(name), "() of a text is not read");
}

inline TemplateValue object_method(TemplateWork& work, const TemplateValue& object, const std::string& name, const TemplateArguments& given) {
  if (name == "get") {
    need_arguments(work, name, given, 1, 2);
    const TemplateValue* found = object.find(need_text(work, given[0], name));
    return found ? *found : given.size() > 1 ? given[1] : TemplateValue::none();
  }
  work.refuse_unless(name == "items" || name == "keys" || name == "values", "the method .", printable(name), "() of an object is not read");
  need_arguments(work, name, given, 0, 0);
  if (name == "items") return pairs(work, object);
  if (name == "keys") return elements(work, object);
  TemplateValue::List values;
  for (const auto& member : *object.object()) work.charge(1), values.push_back(member.second);
  return values;
}

inline bool tested(TemplateWork& work, const TemplateValue& x, const std::string& name) {
  const bool whole = x.whole().has_value();
  if (name == "defined") return !x.is_undefined();
  if (name == "undefined") return x.is_undefined();
  if (name == "none") return x.is_none();
  if (name == "string") return x.text() != nullptr;
  if (name == "number") return whole;
  if (name == "integer") return whole && !x.is_bool();
  if (name == "boolean") return x.is_bool();
  if (name == "true" || name == "false") return x.is_bool() && x.truth() == (name == "true");
  if (name == "mapping") return x.object() != nullptr;
  if (name == "sequence" || name == "iterable") return x.text() || x.list() || x.object() || x.is_undefined();
  if (name == "odd" || name == "even") {
    work.refuse_unless(whole, x.kind_name(), " is neither odd nor even");
    return (*x.whole() % 2 != 0) == (name == "odd");
  }
  work.refuse("the test '", printable(name), "' is not read");
}

// selectattr and rejectattr: the elements whose attribute passes a test, or is true; of the tests with an argument only equality.
inline TemplateValue selected(TemplateWork& work, const TemplateValue& x, bool passing, const std::string& name, const TemplateArguments& given) {
  need_arguments(work, "the filter " + name, given, 1, 3);
  const std::string& attribute = need_text(work, given[0], name);
  work.refuse_unless(attribute.find('.') == std::string::npos, "an attribute of an attribute in ", name);
  const std::string test = given.size() > 1 ? need_text(work, given[1], name) : "";
  const bool equality = test == "equalto" || test == "eq" || test == "==";
  work.refuse_unless(given.size() < 3 || equality, "the test '", printable(test), "' with an argument in ", name);
  TemplateValue::List kept;
  for (const TemplateValue& one : elements(work, x)) {
    work.charge(1);
    const TemplateValue* found = one.find(attribute);
    const TemplateValue value = found ? *found : TemplateValue::undefined("'" + printable(attribute) + "'");
    const bool passes = given.size() == 3 ? equal(work, value, given[2]) : given.size() == 2 ? tested(work, value, test) : value.truth();
    if (passes == passing) kept.push_back(one);
  }
  return kept;
}

inline TemplateValue filtered_value(TemplateWork& work, const TemplateValue& x, const std::string& name, const TemplateArguments& given) {
  const auto none_given = [&] { need_arguments(work, "the filter " + name, given, 0, 0); };
  if (name == "default" || name == "d") {
    need_arguments(work, "the filter default", given, 0, 2);
    const bool falls = x.is_undefined() || (given.size() > 1 && given[1].truth() && !x.truth());
    return !falls ? x : given.empty() ? TemplateValue("") : given[0];
  }
  if (name == "length" || name == "count") {
    none_given();
    work.refuse_unless(x.text() || x.list() || x.object() || x.is_undefined(), x.kind_name(), " has no length");
    if (x.text()) work.charge(x.text()->size());
    const std::size_t size = x.text() ? characters(*x.text()) : x.list() ? x.list()->size() : x.object() ? x.object()->size() : 0;
    return static_cast<std::int64_t>(size);
  }
  if (name == "tojson") {
    work.refuse_unless(given.empty(), "tojson with arguments is not read");
    std::string out;
    append_json(work, x, out);
    return out;
  }
  if (name == "string" || name == "safe") return none_given(), written(work, x);
  if (name == "trim" || name == "upper" || name == "lower" || name == "title" || name == "capitalize" || name == "replace") {
    const TemplateValue text = written(work, x);
    return text_method(work, *text.text(), name == "trim" ? "strip" : name, given);
  }
  if (name == "items") return none_given(), pairs(work, x);
  if (name == "selectattr" || name == "rejectattr") return selected(work, x, name == "selectattr", name, given);
  if (name == "list") return none_given(), elements(work, x);
  if (name == "first" || name == "last") {
    none_given();
    const TemplateValue::List all = elements(work, x);
    return all.empty() ? TemplateValue::undefined("the " + name + " of nothing") : name == "first" ? all.front() : all.back();
  }
  if (name == "join") {
    need_arguments(work, "the filter join", given, 0, 1);
    std::string out, between = given.empty() ? "" : written(work, given[0]);
    bool first = true;
    for (const TemplateValue& one : elements(work, x)) {
      work.charge(between.size());
      if (!std::exchange(first, false)) out += between;
      out += written(work, one);
    }
    return out;
  }
  work.refuse("the filter '", printable(name), "' is not read");
}

}  // namespace detail

}  // namespace cmoe
