// What both attentions share: heads as strided matrices, blocks of rows and chunks of keys, and who may see whom.
#pragma once

#include <algorithm>

#include "cmoe/core/parallel.hpp"
#include "cmoe/core/product.hpp"
#include "cmoe/cpu/gemm.hpp"
#include "cmoe/cpu/math.hpp"

namespace cmoe::cpu::detail {

// Scores are computed for a block of rows and a chunk of keys at a time and lie key by key, (keys, row_block): a pack holds
// neighbouring rows at one key, so that running sums and maxima over keys need no work across lanes.
inline constexpr Index row_block = 64;
inline constexpr Index key_chunk = 128;

struct AttentionScratch;

// One head of one sequence: `step` numbers lie between its rows.
template <class Real>
struct Head {
  Real* data;
  Index step;
  Real* row(Index i) const { return data + i * step; }
};

template <class Real>
Head<Real> head(Real* x, Index sequence, Index rows, Index heads, Index which, Index head_size) {
  return {x + (sequence * rows * heads + which) * head_size, heads * head_size};
}

// The keys that a sequence's queries may look at: [first, last), and none after the query's own place.
struct Window {
  Index first, last;  // valid keys
  Index offset;       // query i stands at key i + offset
  bool current;       // whether it may look at that key itself

  Window(const AttentionShape& shape, Index sequence, const Id* firsts, const Id* lasts, bool attend_current)
      : first(std::clamp<Index>(firsts ? firsts[sequence] : 0, 0, shape.keys)),
        last(std::clamp<Index>(lasts ? lasts[sequence] : shape.keys, 0, shape.keys)),
        offset(shape.keys - shape.queries),
        current(attend_current) {}

  // One past the last key that query i sees, had all keys been valid.
  Index end_of(Index i) const { return i + offset + (current ? 1 : 0); }
  Index end_of_rows(Index row, Index rows) const { return std::min(last, end_of(row + rows - 1)); }
};

// body(key, keys) for the chunks of [begin, end) in order. Their borders are whole multiples of key_chunk wherever that lies
// inside, so a row's chunks do not depend on the rows beside it.
template <class Body>
void for_chunks(Index begin, Index end, const Body& body) {
  for (Index key = begin; key < end;) {
    const Index next = std::min(end, (key / key_chunk + 1) * key_chunk);
    body(key, next - key);
    key = next;
  }
}

// The same from the newest key to the oldest.
template <class Body>
void for_chunks_backwards(Index begin, Index end, const Body& body) {
  while (begin < end) {
    const Index key = std::max(begin, (end - 1) / key_chunk * key_chunk);
    body(key, end - key);
    end = key;
  }
}

template <class Body>
void for_row_blocks(Index rows, const Body& body) {
  for (Index row = 0; row < rows; row += row_block) body(row, std::min(row_block, rows - row));
}

// body(sequence, kv head), shared by the threads.
template <class Body>
void for_kv_heads(const AttentionShape& shape, const Body& body) {
  parallel_for(shape.sequences * shape.kv_heads, 1, [&](Index begin, Index end) {
    for (Index at = begin; at < end; ++at) body(at / shape.kv_heads, at % shape.kv_heads);
  });
}

// A product on this thread alone.
template <class Real>
void multiply(Form form, Index m, Index n, Index k, Real alpha, const Real* a, Index lda, const Real* b, Index ldb,
              bool accumulate, Real* c, Index ldc) {
  compute(make_product(form, m, n, k, alpha, a, lda, b, ldb, accumulate, c, ldc));
}

template <class Real>
void clear(Head<Real> x, Index rows, Index head_size) {
  for (Index i = 0; i < rows; ++i) std::fill_n(x.row(i), head_size, Real(0));
}

}  // namespace cmoe::cpu::detail
