// Errors: one exception type that says which operation failed, with which shapes, and what kind of fault it was.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

#include "cmoe/core/compiler.hpp"

namespace cmoe {

// What kind of fault an error is.
enum class ErrorKind {
  shape,    // operand shapes do not fit together
  index,    // an id, index or label outside its range
  config,   // a size, rate or option that makes no sense
  misuse,   // the calls are in the wrong order
  numeric,  // NaN or infinity where a number is needed
  format,   // a file or text that is not what it claims to be
  file,     // the operating system refused to read or write
  memory,   // an allocation failed
  device    // a GPU is missing, too old for this build, or reports a fault
};

// Everything cmoe throws. `what()` reads "operation: what is wrong: (3,5) · (16,16)".
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& text) : std::runtime_error(text), kind_(kind) {}
  ErrorKind kind() const noexcept { return kind_; }

 private:
  ErrorKind kind_;
};

namespace detail {

inline void append(std::string& out, std::string_view text) { out += text; }
inline void append(std::string& out, char c) { out += c; }
template <std::same_as<bool> T>  // a template, or text of type char[n] would prefer the conversion to bool
void append(std::string& out, T b) {
  out += b ? "true" : "false";
}
template <class T>
  requires(std::is_arithmetic_v<T> && !std::is_same_v<T, char> && !std::is_same_v<T, bool>)
void append(std::string& out, T value) {
  out += std::to_string(value);
}
template <class T>
  requires requires(const T& t) { { t.text() } -> std::convertible_to<std::string>; }
void append(std::string& out, const T& value) {
  out += value.text();
}

// One part of an error's text: what it is and how it is written, without its type.
struct TextPart {
  const void* value;
  void (*write)(std::string& out, const void* value);

  template <class T>
  static TextPart of(const T& value) {
    return {&value, [](std::string& out, const void* v) { append(out, *static_cast<const T*>(v)); }};
  }
  template <std::size_t N>  // a literal, however long it is
  static TextPart of(const char (&text)[N]) {
    return literal(text);
  }
  static TextPart of(const char* const& text) { return literal(text); }

 private:
  static TextPart literal(const char* text) {
    return {text, [](std::string& out, const void* v) { append(out, std::string_view(static_cast<const char*>(v))); }};
  }
};

[[noreturn, gnu::cold, gnu::noinline]] inline void fail(ErrorKind kind, std::initializer_list<TextPart> parts) {
  std::string text;
  for (const TextPart& part : parts) part.write(text, part.value);
  throw Error(kind, text);
}

}  // namespace detail

// Throws an Error whose text is the parts written one after another; numbers, strings and shapes are parts.
template <class... Parts>
[[noreturn]] inline void fail(ErrorKind kind, const Parts&... parts) {
  detail::fail(kind, {detail::TextPart::of(parts)...});
}

// The precondition of an operation: nothing happens if it holds, else fail(kind, parts...).
template <class... Parts>
inline void check(bool holds, ErrorKind kind, const Parts&... parts) {
  if (!holds) [[unlikely]]
    fail(kind, parts...);
}

// The same for the most frequent kind, operands that do not fit together.
template <class... Parts>
inline void check(bool holds, const char* first, const Parts&... parts) {
  if (!holds) [[unlikely]]
    fail(ErrorKind::shape, first, parts...);
}

}  // namespace cmoe
