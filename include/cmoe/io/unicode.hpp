// Code points of UTF-8 and what they are: letter, number, white space or anything else.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>

#include "cmoe/io/unicode_categories.hpp"
#include "cmoe/io/utf8.hpp"

namespace cmoe {

// What the rules for cutting words tell apart.
enum class Category : std::uint8_t { letter, number, space, other };

// A byte that begins no valid character stands alone as the code `invalid_code`, category other.
inline constexpr std::uint32_t invalid_code = 0xFFFFFFFF;

// A character and the bytes that it takes.
struct CodePoint {
  std::uint32_t code = invalid_code;
  std::size_t length = 0;  // bytes; 0 only at the end of the text
};

// The character that begins at a byte.
inline CodePoint code_point(std::string_view text, std::size_t at) {
  if (at >= text.size()) return {};
  const auto byte = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(text[at + i])); };
  if (byte(0) < 0x80) return {byte(0), 1};
  switch (utf8_length(text, at)) {
    case 2:
      return {(byte(0) & 0x1Fu) << 6 | (byte(1) & 0x3Fu), 2};
    case 3:
      return {(byte(0) & 0x0Fu) << 12 | (byte(1) & 0x3Fu) << 6 | (byte(2) & 0x3Fu), 3};
    case 4:
      return {(byte(0) & 0x07u) << 18 | (byte(1) & 0x3Fu) << 12 | (byte(2) & 0x3Fu) << 6 | (byte(3) & 0x3Fu), 4};
    default:
      return {invalid_code, 1};
  }
}

// code below 0x110000
inline void append_utf8(std::string& text, std::uint32_t code) {
  const auto put = [&](std::uint32_t byte) { text += static_cast<char>(static_cast<unsigned char>(byte)); };
  if (code < 0x80) return put(code);
  if (code < 0x800) {
    put(0xC0u | code >> 6);
  } else {
    if (code < 0x10000) {
      put(0xE0u | code >> 12);
    } else {
      put(0xF0u | code >> 18);
      put(0x80u | (code >> 12 & 0x3Fu));
    }
    put(0x80u | (code >> 6 & 0x3Fu));
  }
  put(0x80u | (code & 0x3Fu));
}

namespace detail {

constexpr bool within(const CodeRange* begin, const CodeRange* end, std::uint32_t code) {
  const CodeRange* range = std::upper_bound(begin, end, code, [](std::uint32_t c, const CodeRange& r) { return c < r.first; });
  return range != begin && code <= std::prev(range)->last;
}

constexpr Category search_category(std::uint32_t code) {
  if (within(std::begin(letter_ranges), std::end(letter_ranges), code)) return Category::letter;
  if (within(std::begin(number_ranges), std::end(number_ranges), code)) return Category::number;
  return within(std::begin(space_ranges), std::end(space_ranges), code) ? Category::space : Category::other;
}

inline constexpr auto first_categories = [] {
  std::array<Category, 0x250> table{};
  for (std::uint32_t code = 0; code < table.size(); ++code) table[code] = search_category(code);
  return table;
}();

}  // namespace detail

// A table look-up for Latin, else three binary searches over ranges.
inline Category category_of(std::uint32_t code) {
  return code < detail::first_categories.size() ? detail::first_categories[code] : detail::search_category(code);
}

}  // namespace cmoe
