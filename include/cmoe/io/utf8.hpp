// UTF-8: where a text stops being valid, and where its characters begin.
#pragma once

#include <string>
#include <string_view>

#include "cmoe/core/error.hpp"

namespace cmoe {

// Bytes of the valid character that begins at `at`, or 0: overlong forms, surrogates and values above U+10FFFF are invalid.
inline std::size_t utf8_length(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0u; };
  const auto follows = [&](std::size_t i) { return (byte(i) & 0xC0u) == 0x80u; };
  const unsigned first = byte(0), second = byte(1);
  if (at >= text.size()) return 0;
  if (first < 0x80) return 1;
  if (first < 0xC2 || first > 0xF4 || !follows(1)) return 0;
  if (first < 0xE0) return 2;
  if (!follows(2)) return 0;
  if (first < 0xF0) return (first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) ? 0 : 3;
  if (!follows(3)) return 0;
  return (first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F) ? 0 : 4;
}

// Position of the first byte that is not valid UTF-8; npos when all of the text is.
inline std::size_t find_invalid_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = utf8_length(text, at);
    if (length == 0) return at;
    at += length;
  }
  return std::string_view::npos;
}

// throws Error (format) that says where, if the text is not UTF-8
inline void check_utf8(std::string_view text, const std::string& name) {
  const std::size_t at = find_invalid_utf8(text);
  if (at == std::string_view::npos) return;
  std::size_t line = 1;
  for (char c : text.substr(0, at)) line += c == '\n' ? 1 : 0;
  fail(ErrorKind::format, name, ": byte ", at, " (line ", line, ") is not UTF-8; convert the file to UTF-8");
}

// The largest beginning of a character at or before `at`, in valid UTF-8.
inline std::size_t utf8_boundary(std::string_view text, std::size_t at) {
  if (at >= text.size()) return text.size();
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0u) == 0x80u) --at;
  return at;
}

// How much of a text that grows at its end is whole characters: all but an unfinished last one.
inline std::size_t complete_utf8(std::string_view text) {
  for (std::size_t back = 1; back <= 3 && back <= text.size(); ++back) {
    const auto byte = static_cast<unsigned char>(text[text.size() - back]);
    if ((byte & 0xC0u) == 0x80u) continue;
    const std::size_t length = byte >= 0xF0u ? 4 : byte >= 0xE0u ? 3 : byte >= 0xC0u ? 2 : 1;
    return length > back ? text.size() - back : text.size();
  }
  return text.size();
}

// The text behind a byte-order mark, if it begins with one.
inline std::string_view without_byte_order_mark(std::string_view text) {
  return text.starts_with("\xEF\xBB\xBF") ? text.substr(3) : text;
}

// For messages: one line of printable ASCII, shortened.
inline std::string printable(std::string_view text, std::size_t most = 80) {
  std::string out;
  for (char c : text.substr(0, most)) out += c >= ' ' && c <= '~' ? c : '?';
  return text.size() > most ? out + "..." : out;
}

}  // namespace cmoe
