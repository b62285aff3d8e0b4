// Rows and columns picked by ids: gather, scatter, top-k's values, counting sort. Ids are checked by the ops, not here.
#pragma once

#include <algorithm>
#include <cstring>

#include "cmoe/core/parallel.hpp"

namespace cmoe::cpu {

// True if all ids lie in [0, limit), or equal `allowed`.
inline bool ids_within(Index n, const Id* ids, Index limit, Id allowed) {
  bool inside = true;
  for (Index i = 0; i < n; ++i) inside &= (ids[i] >= 0 && ids[i] < limit) || ids[i] == allowed;
  return inside;
}

// y (n,cols): row i is row ids[i] of x.
template <class Real>
void gather_rows(Index n, Index cols, const Id* ids, const Real* x, Real* y) {
  parallel_for(n, std::max<Index>(1, 16384 / std::max<Index>(cols, 1)), [=](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) std::copy_n(x + ids[i] * cols, cols, y + i * cols);
  });
}

// y (rows,cols) += x (n,cols): row i of x is added to row ids[i] of y, in the order of i. Threads share the columns, so that
// equal ids never meet.
template <class Real>
void scatter_add_rows(Index n, Index cols, const Id* ids, const Real* x, Real* y) {
  const Index grain = n * cols < 32768 ? cols : std::max<Index>(16, (cols + 7) / 8);
  parallel_for(cols, grain, [=](Index begin, Index end) {
    for (Index i = 0; i < n; ++i) {
      const Real* from = x + i * cols;
      Real* to = y + ids[i] * cols;
      for (Index c = begin; c < end; ++c) to[c] += from[c];
    }
  });
}

// y (rows,k): y[i,s] = x[i, ids[i,s]], x (rows,cols)
template <class Real>
void take_columns(Index rows, Index cols, Index k, const Id* ids, const Real* x, Real* y) {
  for (Index i = 0; i < rows; ++i)
    for (Index s = 0; s < k; ++s) y[i * k + s] = x[i * cols + ids[i * k + s]];
}

// x (rows,cols) += the gradient of take_columns: x[i, ids[i,s]] += dy[i,s]
template <class Real>
void take_columns_back(Index rows, Index cols, Index k, const Id* ids, const Real* dy, Real* dx) {
  for (Index i = 0; i < rows; ++i)
    for (Index s = 0; s < k; ++s) dx[i * cols + ids[i * k + s]] += dy[i * k + s];
}

// A stable counting sort of n ids in [0, groups): order[p] is the position in ids of the p-th id in sorted order, and group g
// has the places offsets[g]..offsets[g+1].
inline void sort_by_group(Index n, Index groups, const Id* ids, Id* order, Index* offsets) {
  std::fill_n(offsets, groups + 1, Index{0});
  for (Index i = 0; i < n; ++i) ++offsets[ids[i] + 1];
  for (Index g = 0; g < groups; ++g) offsets[g + 1] += offsets[g];
  std::vector<Index> next(offsets, offsets + groups);
  for (Index i = 0; i < n; ++i) order[next[static_cast<std::size_t>(ids[i])]++] = static_cast<Id>(i);
}

// y (rows,cols): row i is the sum over s of weight[i,s] times row place[i,s] of x; weight null means 1.
template <class Real>
void combine_rows(Index rows, Index cols, Index k, const Id* place, const Real* weight, const Real* x, Real* y) {
  parallel_for(rows, std::max<Index>(1, 16384 / std::max<Index>(k * cols, 1)), [=](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      Real* to = y + i * cols;
      std::fill_n(to, cols, Real(0));
      for (Index s = 0; s < k; ++s) {
        const Real* from = x + place[i * k + s] * cols;
        const Real w = weight ? weight[i * k + s] : Real(1);
        for (Index c = 0; c < cols; ++c) to[c] += w * from[c];
      }
    }
  });
}

// The gradients of combine_rows: dx[place[i,s]] = weight[i,s] dy[i] (each place occurs once), dweight[i,s] = <dy[i], x[place]>.
template <class Real>
void combine_rows_back(Index rows, Index cols, Index k, const Id* place, const Real* weight, const Real* x, const Real* dy, Real* dx,
                       Real* dweight) {
  parallel_for(rows, std::max<Index>(1, 16384 / std::max<Index>(k * cols, 1)), [=](Index begin, Index end) {
    for (Index i = begin; i < end; ++i)
      for (Index s = 0; s < k; ++s) {
        const Index p = place[i * k + s] * cols;
        const Real* from = dy + i * cols;
        if (dx) {
          const Real w = weight ? weight[i * k + s] : Real(1);
          for (Index c = 0; c < cols; ++c) dx[p + c] = w * from[c];
        }
        if (dweight) {
          Real sum = 0;
          for (Index c = 0; c < cols; ++c) sum += x[p + c] * from[c];
          dweight[i * k + s] = sum;
        }
      }
  });
}

}  // namespace cmoe::cpu
