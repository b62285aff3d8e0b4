// Words of one text that were encoded before, found again in what was made of them.
#pragma once

#include <algorithm>
#include <bit>
#include <functional>
#include <string_view>
#include <vector>

#include "cmoe/core/shape.hpp"

namespace cmoe {

// Belongs to one call: no locks, nothing to bound. Words are views into the text, their ids lie in the list that is being made.
class WordCache {
 public:
  explicit WordCache(std::size_t text_size) : entries_(std::bit_ceil(std::min<std::size_t>(text_size / 8 + 1, most_entries))) {}

  // Appends the ids of the word: those of its last time, or what encode(word, ids) appends.
  template <class Encode>
  void append(std::string_view word, std::vector<Id>& ids, Encode&& encode) {
    Entry& entry = entries_[std::hash<std::string_view>()(word) & (entries_.size() - 1)];
    if (entry.word == word && !word.empty()) {
      ids.reserve(std::max(ids.capacity(), std::bit_ceil(ids.size() + entry.count)));
      for (std::size_t i = 0; i < entry.count; ++i) ids.push_back(ids[entry.begin + i]);
      return;
    }
    const std::size_t begin = ids.size();
    encode(word, ids);
    entry = {word, begin, ids.size() - begin};
  }

 private:
  static constexpr std::size_t most_entries = std::size_t{1} << 14;
  struct Entry {
    std::string_view word;
    std::size_t begin = 0, count = 0;
  };
  std::vector<Entry> entries_;
};

}  // namespace cmoe
