// NFC: characters with their marks as one code point where Unicode has one.
#pragma once

#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "cmoe/io/unicode.hpp"
#include "cmoe/io/unicode_composition.hpp"

namespace cmoe {

namespace detail {

inline constexpr std::uint32_t hangul_base = 0xAC00, hangul_lead = 0x1100, hangul_vowel = 0x1161, hangul_tail = 0x11A7;
inline constexpr std::uint32_t hangul_vowels = 21, hangul_tails = 28, hangul_syllables = 11172;

struct CompositionTables {
  std::unordered_map<std::uint32_t, std::pair<std::uint32_t, std::uint32_t>> parts;  // second 0: one for one
  std::unordered_map<std::uint64_t, std::uint32_t> whole;
  std::unordered_map<std::uint32_t, std::uint32_t> combining;
  std::unordered_set<std::uint32_t> seconds;  // that compose with what stands before them

  CompositionTables() {
    for (std::size_t i = 0; i < std::size(canonical_pairs); i += 3) {
      const std::uint32_t code = canonical_pairs[i] & 0x7FFFFFFFu, first = canonical_pairs[i + 1],
                          second = canonical_pairs[i + 2];
      parts.emplace(code, std::pair(first, second));
      if (code != canonical_pairs[i]) continue;
      whole.emplace(std::uint64_t{first} << 32 | second, code);
      seconds.insert(second);
    }
    for (std::size_t i = 0; i < std::size(canonical_singles); i += 2)
      parts.emplace(canonical_singles[i], std::pair(canonical_singles[i + 1], 0u));
    for (std::size_t i = 0; i < std::size(combining_ranges); i += 3)
      for (std::uint32_t code = combining_ranges[i]; code <= combining_ranges[i + 1]; ++code)
        combining.emplace(code, combining_ranges[i + 2]);
  }

  std::uint32_t combining_class(std::uint32_t code) const {
    const auto found = combining.find(code);
    return found == combining.end() ? 0 : found->second;
  }

  void decompose(std::uint32_t code, std::vector<std::uint32_t>& out) const {
    if (code >= hangul_base && code < hangul_base + hangul_syllables) {
      const std::uint32_t index = code - hangul_base, tail = index % hangul_tails;
      out.push_back(hangul_lead + index / (hangul_vowels * hangul_tails));
      out.push_back(hangul_vowel + index / hangul_tails % hangul_vowels);
      if (tail > 0) out.push_back(hangul_tail + tail);
      return;
    }
    const auto found = parts.find(code);
    if (found == parts.end()) return out.push_back(code);
    decompose(found->second.first, out);  // a few levels deep, by the table
    if (found->second.second != 0) out.push_back(found->second.second);
  }

  // What the two make together, or 0.
  std::uint32_t compose(std::uint32_t first, std::uint32_t second) const {
    if (first >= hangul_lead && first < hangul_lead + 19 && second >= hangul_vowel && second < hangul_vowel + hangul_vowels)
      return hangul_base + ((first - hangul_lead) * hangul_vowels + second - hangul_vowel) * hangul_tails;
    const bool open = first >= hangul_base && first < hangul_base + hangul_syllables && (first - hangul_base) % hangul_tails == 0;
    if (open && second > hangul_tail && second < hangul_tail + hangul_tails) return first + second - hangul_tail;
    const auto found = whole.find(std::uint64_t{first} << 32 | second);
    return found == whole.end() ? 0 : found->second;
  }
};

inline const CompositionTables& composition_tables() {
  static const CompositionTables tables;
  return tables;
}

}  // namespace detail

// False for most texts that are NFC already, all of Latin-1 among them: nothing below U+0300 changes by itself, nothing above
// without a mark, a Hangul letter, a character that has a mapping or one that may complete another.
inline bool needs_composition(std::string_view text) {
  const char* const end = text.data() + text.size();
  if (std::all_of(text.data(), end, [](char c) { return static_cast<unsigned char>(c) < 0xCC; })) return false;  // below U+0300
  const auto& tables = detail::composition_tables();
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint point = code_point(text, at);
    at += point.length;
    if (point.code < 0x300 || point.code == invalid_code) continue;
    const bool letter = point.code >= detail::hangul_vowel && point.code < detail::hangul_tail + detail::hangul_tails;
    if (letter || tables.combining_class(point.code) != 0 || tables.parts.contains(point.code) ||
        tables.seconds.contains(point.code))
      return true;
  }
  return false;
}

// Unicode Standard Annex 15: full canonical decomposition, marks in order of their class, composition. Bytes that are no part of
// valid UTF-8 stay as they are, and nothing combines across them. O(n log n) for n marks after one character.
inline std::string composed(std::string_view text) {
  const auto& tables = detail::composition_tables();
  std::string out;
  out.reserve(text.size());
  std::vector<std::uint32_t> codes;
  const auto write = [&] {
    for (std::size_t begin = 0; begin < codes.size();) {  // runs of marks, sorted by class
      if (tables.combining_class(codes[begin]) == 0) {
        ++begin;
        continue;
      }
      std::size_t end = begin;
      while (end < codes.size() && tables.combining_class(codes[end]) != 0) ++end;
      std::stable_sort(codes.begin() + static_cast<std::ptrdiff_t>(begin), codes.begin() + static_cast<std::ptrdiff_t>(end),
                       [&](std::uint32_t a, std::uint32_t b) { return tables.combining_class(a) < tables.combining_class(b); });
      begin = end;
    }
    constexpr std::size_t none = static_cast<std::size_t>(-1);
    std::size_t starter = none, kept = 0;
    std::uint32_t last_class = 0;
    for (std::uint32_t code : codes) {
      const std::uint32_t own = tables.combining_class(code);
      const bool adjacent = starter != none && kept == starter + 1;
      const bool blocked = starter == none || (!adjacent && last_class >= own);
      const std::uint32_t whole = blocked ? 0 : tables.compose(codes[starter], code);
      if (whole != 0) {
        codes[starter] = whole;
        continue;
      }
      if (own == 0) starter = kept;
      last_class = own;
      codes[kept++] = code;
    }
    codes.resize(kept);
    for (std::uint32_t code : codes) append_utf8(out, code);
    codes.clear();
  };
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint point = code_point(text, at);
    if (point.code == invalid_code) {
      write();
      out += text[at];
    } else {
      tables.decompose(point.code, codes);
    }
    at += point.length;
  }
  write();
  return out;
}

}  // namespace cmoe
