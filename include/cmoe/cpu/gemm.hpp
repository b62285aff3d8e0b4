// Matrix products: one, a batch, or one per group of rows (experts), cut into fixed blocks that threads share.
#pragma once

#include <algorithm>
#include <limits>
#include <vector>

#include "cmoe/core/parallel.hpp"
#include "cmoe/cpu/product.hpp"

namespace cmoe::cpu {

namespace detail {

template <class Real>
Product<Real> make_product(Form form, Index m, Index n, Index k, Real alpha, const Real* a, Index lda, const Real* b, Index ldb,
                           bool accumulate, Real* c, Index ldc) {
  const Operand<Real> left = form == Form::tn ? Operand<Real>{a, 1, lda} : Operand<Real>{a, lda, 1};
  const Operand<Real> right = form == Form::nt ? Operand<Real>{b, ldb, 1} : Operand<Real>{b, 1, ldb};
  return {m, n, k, alpha, left, right, accumulate, c, ldc, 1};
}

// How a product is cut: into blocks that fit the caches, and for several threads into a few blocks for each if there is work for
// them. An element's bits do not depend on the cut, so the cut may depend on the number of threads.
struct Cut {
  Index rows, columns;              // of a block
  Index blocks_down, blocks_along;  // how many
  Index blocks() const { return blocks_down * blocks_along; }
};

inline Cut cut(Index m, Index n, Index k) {
  constexpr Index most_rows = 560, most_columns = 1024;
  constexpr Index worthwhile = Index{1} << 21;  // multiply-adds of a block
  const auto ceil_divide = [](Index a, Index b) { return (a + b - 1) / b; };
  const auto blocks_of = [&](Index down, Index along) -> Cut {
    const Index rows = std::max<Index>(1, ceil_divide(ceil_divide(m, down), 14) * 14);  // whole tiles of most sizes
    const Index columns = std::max<Index>(1, ceil_divide(ceil_divide(n, along), 32) * 32);
    return {rows, columns, ceil_divide(m, rows), ceil_divide(n, columns)};
  };
  const Index least_down = std::max<Index>(1, ceil_divide(m, most_rows)), least_along = std::max<Index>(1, ceil_divide(n, most_columns));
  const Index threads = pool().threads(), least = ceil_divide(least_down * least_along, threads);
  const Index work = std::max<Index>(m, 16) * std::max<Index>(n, 16) * k;  // few rows cost as much: they wait for memory
  Cut best = blocks_of(least_down, least_along);
  if (threads == 1) return best;
  // One to three blocks for each thread. A block costs its multiply-adds, the packing of its operands, which takes some eight
  // times as long an element, and a little for itself; at the end threads wait for an eighth of a block.
  Index lowest = std::numeric_limits<Index>::max();
  for (Index rounds = least; rounds < least + 3 && work >= rounds * threads * worthwhile; ++rounds)
    for (Index down = least_down; down * least_along <= rounds * threads; ++down) {
      if (rounds * threads % down != 0) continue;
      const Cut blocks = blocks_of(down, rounds * threads / down);
      const Index block = (blocks.rows * blocks.columns + 8 * (blocks.rows + blocks.columns)) * k + (Index{1} << 16);
      const Index cost = 8 * ceil_divide(blocks.blocks(), threads) * block + block;
      if (cost >= lowest) continue;
      lowest = cost;
      best = blocks;
    }
  return best;
}

template <class Real>
void compute_block(const Product<Real>& x, const Cut& cut, Index block) {
  const Index row = block / cut.blocks_along * cut.rows, column = block % cut.blocks_along * cut.columns;
  const Index rows = std::min(cut.rows, x.m - row), columns = std::min(cut.columns, x.n - column);
  // A pack should lie along the longer side: x·A with few columns is computed as its transpose.
  const Product<Real> part = x.part(row, rows, column, columns);
  const auto padded = [](Index lanes) { return (lanes + 15) / 16 * 16; };
  const bool tall_and_narrow = columns < 32 && padded(columns) * rows > padded(rows) * columns;
  compute(tall_and_narrow ? part.transposed() : part);
}

// Small products go to a thread together.
inline Index blocks_per_task(Index multiply_adds_of_a_block) {
  return std::max<Index>(1, (Index{1} << 20) / std::max<Index>(1, multiply_adds_of_a_block));
}

}  // namespace detail

// c (m,n) = alpha · op(a) op(b), plus c if accumulate
template <class Real>
void gemm(Form form, Index m, Index n, Index k, Real alpha, const Real* a, Index lda, const Real* b, Index ldb, bool accumulate,
          Real* c, Index ldc) {
  const Product<Real> x = detail::make_product(form, m, n, k, alpha, a, lda, b, ldb, accumulate, c, ldc);
  const detail::Cut cut = detail::cut(m, n, k);
  parallel_for(cut.blocks(), 1, [&](Index begin, Index end) {
    for (Index block = begin; block < end; ++block) detail::compute_block(x, cut, block);
  });
}

// The same for a batch of contiguous matrices; a stride of 0 uses one matrix for the whole batch.
template <class Real>
void gemm_batched(Form form, Index batch, Index m, Index n, Index k, Real alpha, const Real* a, Index stride_a, const Real* b,
                  Index stride_b, bool accumulate, Real* c, Index stride_c) {
  const detail::Cut cut = detail::cut(m, n, k);
  const Index lda = form == Form::tn ? m : k, ldb = form == Form::nt ? k : n;
  const Index grain = detail::blocks_per_task(cut.rows * cut.columns * k);
  parallel_for(batch * cut.blocks(), grain, [&](Index begin, Index end) {
    for (Index at = begin; at < end; ++at) {
      const Index i = at / cut.blocks();
      const Product<Real> x = detail::make_product(form, m, n, k, alpha, a + i * stride_a, lda, b + i * stride_b, ldb,
                                                   accumulate, c + i * stride_c, n);
      detail::compute_block(x, cut, at % cut.blocks());
    }
  });
}

// One product per group, for experts; group e has the rows offsets[e] .. offsets[e+1], and the groups' matrices lie one after
// another.
//   nn, nt: those rows of a (rows,k) times the group's b, (k,n) or (n,k), give those rows of c (rows,n)
//   tn:     those rows of a (rows,k), transposed, times those rows of b (rows,n) give the group's c (k,n)
template <class Real>
void gemm_grouped(Form form, Index groups, const Index* offsets, Index n, Index k, Real alpha, const Real* a, const Real* b,
                  bool accumulate, Real* c) {
  struct Group {
    Product<Real> product;
    detail::Cut cut;
    Index first_block;
  };
  std::vector<Group> list;
  Index blocks = 0, work = 0;
  for (Index e = 0; e < groups; ++e) {
    const Index row = offsets[e], rows = offsets[e + 1] - row;
    const Product<Real> x =
        form == Form::tn ? detail::make_product(form, k, n, rows, alpha, a + row * k, k, b + row * n, n, accumulate,
                                                c + e * k * n, n)
                         : detail::make_product(form, rows, n, k, alpha, a + row * k, k, b + e * k * n,
                                                form == Form::nn ? n : k, accumulate, c + row * n, n);
    if (x.m == 0 || x.n == 0) continue;
    list.push_back({x, detail::cut(x.m, x.n, x.k), blocks});
    blocks += list.back().cut.blocks();
    work += x.m * x.n * x.k;
  }
  const Index grain = detail::blocks_per_task(work / std::max<Index>(blocks, 1));
  parallel_for(blocks, grain, [&](Index begin, Index end) {
    for (Index block = begin; block < end; ++block) {
      const auto after = std::upper_bound(list.begin(), list.end(), block,
                                          [](Index at, const Group& group) { return at < group.first_block; });
      const Group& group = *std::prev(after);
      detail::compute_block(group.product, group.cut, block - group.first_block);
    }
  });
}

}  // namespace cmoe::cpu
