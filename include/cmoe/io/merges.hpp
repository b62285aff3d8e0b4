// Byte-pair merging: of all neighbours that may be merged the pair of the lowest rank, the leftmost on equal ranks, again and
// again.
#pragma once

#include <algorithm>
#include <limits>
#include <span>

#include "cmoe/io/pair_table.hpp"

namespace cmoe {

// Merges of neighbouring tokens by rank, the heart of byte-pair encoding.
class Merges {
 public:
  // Buffers of one merge after another.
  class Work {
    friend class Merges;
    struct Symbol {
      Id id;  // -1: merged into its left neighbour
      std::uint32_t previous, next;
    };
    struct Candidate {
      Id rank;
      std::uint32_t left, right;
      Id left_id, right_id, result;
      bool operator<(const Candidate& other) const { return rank != other.rank ? rank > other.rank : left > other.left; }
    };
    std::vector<Symbol> symbols;
    std::vector<Candidate> heap;
  };

  // A pair given twice keeps the last rule.
  void add(Id left, Id right, Id rank, Id result) { *rules_.insert(left, right).first = {rank, result}; }
  bool contains(Id left, Id right) const { return rules_.find(left, right) != nullptr; }
  std::size_t size() const { return rules_.size(); }

  // Appends what is left of the symbols to ids. O(n log n): a heap of candidates over a linked list.
  void merge(std::span<const Id> symbols, std::vector<Id>& ids, Work& work) const {
    constexpr std::size_t most = std::numeric_limits<std::uint32_t>::max() - 1;
    check(symbols.size() < most, ErrorKind::config, "tokenizer: a text of ", symbols.size(),
          " symbols is too long to encode at once");
    const auto count = static_cast<std::uint32_t>(symbols.size());
    work.symbols.resize(count);
    work.heap.clear();
    for (std::uint32_t i = 0; i < count; ++i) {
      work.symbols[i] = {symbols[i], i - 1, i + 1};  // before the first: the largest number
      if (i > 0) offer(work, i - 1, i);
    }
    std::make_heap(work.heap.begin(), work.heap.end());
    while (!work.heap.empty()) {
      std::pop_heap(work.heap.begin(), work.heap.end());
      const Work::Candidate best = work.heap.back();
      work.heap.pop_back();
      Work::Symbol& left = work.symbols[best.left];
      Work::Symbol& right = work.symbols[best.right];
      if (left.id != best.left_id || left.next != best.right || right.id != best.right_id) continue;  // merged since
      left.id = best.result;
      left.next = right.next;
      right.id = -1;
      if (left.next < count) work.symbols[left.next].previous = best.left;
      const std::size_t known = work.heap.size();
      if (left.previous < count) offer(work, left.previous, best.left);
      if (left.next < count) offer(work, best.left, left.next);
      for (std::size_t end = known + 1; end <= work.heap.size(); ++end)
        std::push_heap(work.heap.begin(), work.heap.begin() + static_cast<std::ptrdiff_t>(end));
    }
    for (std::uint32_t i = 0; i < count; i = work.symbols[i].next) ids.push_back(work.symbols[i].id);
  }

 private:
  struct Rule {
    Id rank = 0, result = 0;
  };

  void offer(Work& work, std::uint32_t left, std::uint32_t right) const {
    const Id left_id = work.symbols[left].id, right_id = work.symbols[right].id;
    if (const Rule* rule = rules_.find(left_id, right_id))
      work.heap.push_back({rule->rank, left, right, left_id, right_id, rule->result});
  }

  PairTable<Rule> rules_;
};

}  // namespace cmoe
