// Splits: which items are held out, decided by what the items say and never by chance or by the order of a file.
#pragma once

#include <algorithm>

#include "cmoe/continual/task.hpp"

namespace cmoe::detail {

// FNV-1a, mixed so that every bit depends on every byte. Splits of existing streams rest on it: it must not change.
inline std::uint64_t text_hash(std::string_view text, std::uint64_t hash = 0xCBF29CE484222325u) {
  for (char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  hash ^= hash >> 32;
  hash *= 0xD6E8FEB86659FD93u;
  return hash ^ (hash >> 32);
}

// Moves a tenth of the training items, at most 100, to the empty dev split; a single item stays where it is.
inline void cut_dev(Task& task) {
  if (!task.dev.empty() || task.train.size() < 2) return;
  const std::size_t count = std::clamp<std::size_t>(task.train.size() / 10, 1, 100);
  std::vector<std::pair<std::uint64_t, std::size_t>> order;
  for (std::size_t i = 0; i < task.train.size(); ++i)
    order.emplace_back(text_hash(task.train[i].answer, text_hash(task.train[i].prompt)), i);
  std::nth_element(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end());
  std::vector<bool> chosen(task.train.size(), false);
  for (std::size_t k = 0; k < count; ++k) chosen[order[k].second] = true;
  std::vector<Item> kept;
  for (std::size_t i = 0; i < task.train.size(); ++i) (chosen[i] ? task.dev : kept).push_back(std::move(task.train[i]));
  task.train = std::move(kept);
}

}  // namespace cmoe::detail
