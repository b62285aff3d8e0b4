// Base64, as JSON files carry bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "cmoe/core/error.hpp"

namespace cmoe {

// The bytes; `name` is how messages call the text.
// throws Error format on other characters and on a length that is no multiple of 4
inline std::string decode_base64(std::string_view text, const std::string& name) {
  check(text.size() % 4 == 0, ErrorKind::format, name, ": ", text.size(), " characters of base64 are no multiple of 4");
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3);
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < text.size() - padding; ++i) {
    const char c = text[i];
    const int value = c >= 'A' && c <= 'Z'   ? c - 'A'
                      : c >= 'a' && c <= 'z' ? c - 'a' + 26
                      : c >= '0' && c <= '9' ? c - '0' + 52
                      : c == '+'             ? 62
                      : c == '/'             ? 63
                                             : -1;
    check(value >= 0, ErrorKind::format, name, ": character ", i, " is not base64");
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    if (i % 4 > 0) bytes += static_cast<char>(static_cast<unsigned char>(bits >> (6 - 2 * (i % 4))));
  }
  return bytes;
}

}  // namespace cmoe
