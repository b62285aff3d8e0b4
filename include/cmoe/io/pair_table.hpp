// A hash table from pairs of small numbers, for look-ups in the inner loop of tokenizers.
#pragma once

#include <cstdint>
#include <vector>

#include "cmoe/core/shape.hpp"

namespace cmoe {

// Open addressing, at most half full. first and second are not negative.
template <class Value>
class PairTable {
 public:
  const Value* find(Id first, Id second) const {
    if (slots_.empty()) return nullptr;
    const Slot& slot = slots_[place(slots_, key(first, second))];
    return slot.key == empty ? nullptr : &slot.value;
  }

  // The value of the pair, made when there was none; true if it was made. Valid until the next call.
  std::pair<Value*, bool> insert(Id first, Id second) {
    if (2 * (size_ + 1) > slots_.size()) grow();
    Slot& slot = slots_[place(slots_, key(first, second))];
    const bool made = slot.key == empty;
    if (made) {
      slot.key = key(first, second);
      ++size_;
    }
    return {&slot.value, made};
  }

  std::size_t size() const { return size_; }

 private:
  struct Slot {
    std::uint64_t key = empty;
    Value value{};
  };
  static constexpr std::uint64_t empty = ~std::uint64_t{0};

  static std::uint64_t key(Id first, Id second) {
    return static_cast<std::uint64_t>(static_cast<std::uint32_t>(first)) << 32 | static_cast<std::uint32_t>(second);
  }
  static std::size_t place(const std::vector<Slot>& slots, std::uint64_t wanted) {
    std::uint64_t hash = wanted * 0x9E3779B97F4A7C15u;
    hash ^= hash >> 32;
    std::size_t at = hash & (slots.size() - 1);
    while (slots[at].key != empty && slots[at].key != wanted) at = (at + 1) & (slots.size() - 1);
    return at;
  }
  void grow() {
    std::vector<Slot> larger(slots_.empty() ? 16 : 2 * slots_.size());
    for (const Slot& slot : slots_)
      if (slot.key != empty) larger[place(larger, slot.key)] = slot;
    slots_ = std::move(larger);
  }

  std::vector<Slot> slots_;
  std::size_t size_ = 0;
};

}  // namespace cmoe
