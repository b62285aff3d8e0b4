// JSON written by hand: numbers that read back as the same double, and strings that any parser accepts.
#pragma once

#include <array>
#include <charconv>
#include <cmath>
#include <string>
#include <string_view>

#include "cmoe/core/error.hpp"
#include "cmoe/core/shape.hpp"

namespace cmoe::json {

// The shortest text that reads back as exactly this number. Throws Error (numeric) for NaN and infinity, which JSON has not.
inline std::string number(double value) {
  check(std::isfinite(value), ErrorKind::numeric, "json: NaN and infinity cannot be written as a number");
  std::array<char, 32> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
  return {buffer.data(), end};
}
inline std::string number(Index value) { return std::to_string(value); }

// The text in double quotes; quotes, backslashes and control characters escaped, bytes above 127 as they are (UTF-8).
inline std::string string(std::string_view text) {
  constexpr std::string_view hex = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      (out += '\\') += c;
    else if (c == '\n')
      out += "\\n";
    else if (c == '\t')
      out += "\\t";
    else if (byte < 0x20 || byte == 0x7f)
      ((out += "\\u00") += hex[byte >> 4]) += hex[byte & 15];
    else
      out += c;
  }
  return out + '"';
}

}  // namespace cmoe::json
