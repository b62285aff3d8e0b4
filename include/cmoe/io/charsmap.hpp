// SentencePiece's precompiled_charsmap: which stretches of a text its normalisation replaces, and by what.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "cmoe/io/utf8.hpp"

namespace cmoe {

// File: uint32 size of a trie in bytes, the trie, then replacements, each ended by NUL. The trie is a double array of uint32
// units as Darts-clone lays them out: bits 0-7 and 31 a label, bit 8 whether a value follows, bit 9 and 10-30 where the children
// lie; the unit of a value holds in bits 0-30 where its replacement begins. All little-endian.
class Charsmap {
 public:
  Charsmap() = default;  // replaces nothing
  // throws Error format unless the sizes fit. Links are checked when they are followed: one that leads outside ends a match.
  Charsmap(std::string_view bytes, const std::string& name) {
    if (bytes.empty()) return;
    const auto word = [&](std::size_t at) {
      std::uint32_t value = 0;
      for (std::size_t i = 0; i < 4; ++i) value |= std::uint32_t{static_cast<unsigned char>(bytes[at + i])} << (8 * i);
      return value;
    };
    const std::size_t size = bytes.size() >= 4 ? word(0) : 0;
    check(size >= 4 && size % 4 == 0 && size <= bytes.size() - 4, ErrorKind::format, name, ": the charsmap of ", bytes.size(),
          " bytes holds no trie of ", size);
    check(size + 4 == bytes.size() || bytes.back() == '\0', ErrorKind::format, name,
          ": the last replacement of the charsmap has no end");
    for (std::size_t at = 4; at < 4 + size; at += 4) units_.push_back(word(at));
    replacements_ = bytes.substr(4 + size);
  }

  bool empty() const { return units_.empty(); }

  struct Match {
    std::string_view replacement;
    std::size_t length;  // bytes of the text
  };
  // The longest stretch at `at` that is replaced.
  std::optional<Match> longest(std::string_view text, std::size_t at) const {
    if (units_.empty()) return std::nullopt;
    std::optional<Match> found;
    std::size_t node = children(units_[0]);
    for (std::size_t i = at; i < text.size(); ++i) {
      const auto byte = static_cast<unsigned char>(text[i]);
      node ^= byte;
      if (node >= units_.size() || (units_[node] & 0x800000FFu) != byte) break;
      const bool has_value = (units_[node] >> 8 & 1u) != 0;
      node ^= children(units_[node]);
      if (!has_value) continue;
      if (node >= units_.size()) break;
      const std::size_t begin = units_[node] & 0x7FFFFFFFu;
      if (begin >= replacements_.size()) break;
      found = Match{std::string_view(replacements_.c_str() + begin), i + 1 - at};
    }
    return found;
  }

 private:
  static std::size_t children(std::uint32_t unit) { return std::size_t{unit >> 10} << (unit >> 6 & 8u); }

  std::vector<std::uint32_t> units_;
  std::string replacements_;
};

}  // namespace cmoe
