// Errors: one exception type that says which operation failed, with which shapes, and what kind of fault it was.
#pragma once

#include <concepts>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

namespace cmoe {

enum class ErrorKind {
  shape,    // operand shapes do not fit together
  index,    // an id, index or label outside its range
  config,   // a size, rate or option that makes no sense
  misuse,   // the calls are in the wrong order
  numeric,  // NaN or infinity where a number is needed
  format,   // a file or text that is not what it claims to be
  file,     // the operating system refused to read or write
  memory    // an allocation failed
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

}  // namespace detail

// Throws an Error whose text is the parts written one after another; numbers, strings and shapes are parts.
template <class... Parts>
[[noreturn, gnu::cold, gnu::noinline]] void fail(ErrorKind kind, const Parts&... parts) {
  std::string text;
  (detail::append(text, parts), ...);
  throw Error(kind, text);
}

// The precondition of an operation: nothing happens if it holds, else fail(kind, parts...).
template <class... Parts>
void check(bool holds, ErrorKind kind, const Parts&... parts) {
  if (!holds) [[unlikely]]
    fail(kind, parts...);
}

// The same for the most frequent kind, operands that do not fit together.
template <class... Parts>
void check(bool holds, const char* first, const Parts&... parts) {
  if (!holds) [[unlikely]]
    fail(ErrorKind::shape, first, parts...);
}

}  // namespace cmoe
