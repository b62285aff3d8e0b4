// Rows and columns picked by ids: gather, scatter, the weighted sums of experts' rows. Ids are checked by the ops, not here.
#pragma once

#include "execute.cuh"

namespace cmoe::cuda {

template <class Real>
struct GatherRowsBody {
  Index cols;
  const Id* ids;
  const Real* x;
  Real* y;
  constexpr void operator()(Index i) const { y[i] = x[ids[i / cols] * cols + i % cols]; }
};

// Rows of x are added where their ids say, in the order in which they lie. The team of the first row with an id adds all rows
// that have it; the teams of the others do nothing.
template <class Real>
struct ScatterAddKernel {
  static constexpr int threads = row_threads;
  struct Shared {
    Id part[row_threads / warp];
    bool same[row_threads];
  };
  Index n, cols;
  const Id* ids;
  const Real* x;
  Real* y;

  template <class Team>
  constexpr void operator()(Team& team, Shared& shared) const {
    for (Index row = team.block(); row < n; row += team.blocks()) {
      const Id id = ids[row];
      typename Team::template PerThread<Id> earlier;
      team.phase([&](int t) {
        earlier[t] = 0;
        for (Index i = t; i < row && earlier[t] == 0; i += threads) earlier[t] = ids[i] == id ? 1 : 0;
      });
      if (team.reduce(earlier, shared.part, Plus{}) > 0) continue;
      for (Index i0 = row; i0 < n; i0 += threads) {
        team.phase([&](int t) { shared.same[t] = i0 + t < n && ids[i0 + t] == id; });
        team.phase([&](int t) {
          for (int u = 0; u < threads; ++u)
            for (Index c = t; shared.same[u] && c < cols; c += threads) y[id * cols + c] += x[(i0 + u) * cols + c];
        });
      }
    }
  }
};

template <class Real>
struct TakeColumnsBody {
  Index cols, k;
  const Id* ids;
  const Real* x;
  Real* y;
  constexpr void operator()(Index i) const { y[i] = x[i / k * cols + ids[i]]; }
};

// A row at a time: its ids may be equal.
template <class Real>
struct TakeColumnsBackBody {
  Index cols, k;
  const Id* ids;
  const Real* dy;
  Real* dx;
  constexpr void operator()(Index row) const {
    for (Index i = row * k; i < (row + 1) * k; ++i) dx[row * cols + ids[i]] += dy[i];
  }
};

template <class Real>
struct CombineRowsBody {
  Index cols, k;
  const Id* place;
  const Real *weight, *x;
  Real* y;
  constexpr void operator()(Index i) const {
    const Index row = i / cols;
    Real sum = 0;
    for (Index s = row * k; s < (row + 1) * k; ++s) sum += (weight ? weight[s] : Real(1)) * x[place[s] * cols + i % cols];
    y[i] = sum;
  }
};

// dx of combine_rows: each place occurs once, so no two threads write the same.
template <class Real>
struct CombineRowsBackBody {
  Index cols, k;
  const Id* place;
  const Real *weight, *dy;
  Real* dx;
  constexpr void operator()(Index i) const {
    const Index s = i / cols;
    dx[place[s] * cols + i % cols] = (weight ? weight[s] : Real(1)) * dy[s / k * cols + i % cols];
  }
};

// dweight[i,s] = <dy[i], x[place]>
template <class Real>
struct CombineWeightsBackKernel {
  static constexpr int threads = row_threads;
  using Shared = RowShared<Real>;
  Index items, cols, k;
  const Id* place;
  const Real *x, *dy;
  Real* dweight;

  template <class Team>
  constexpr void operator()(Team& team, Shared& shared) const {
    for (Index s = team.block(); s < items; s += team.blocks()) {
      const Real sum = sum_of(team, shared, cols, [&](Index c) { return x[place[s] * cols + c] * dy[s / k * cols + c]; });
      team.phase([&](int t) {
        if (t == 0) dweight[s] = sum;
      });
    }
  }
};

template <class Real, class Machine>
void Indexing<Real, Machine>::gather_rows(Index n, Index cols, const Id* ids, const Real* x, Real* y) {
  Execute<Machine>::each(n * cols, GatherRowsBody<Real>{cols, ids, x, y});
}
template <class Real, class Machine>
void Indexing<Real, Machine>::scatter_add_rows(Index n, Index cols, const Id* ids, const Real* x, Real* y) {
  Execute<Machine>::teams(n, ScatterAddKernel<Real>{n, cols, ids, x, y});
}
template <class Real, class Machine>
void Indexing<Real, Machine>::take_columns(Index rows, Index cols, Index k, const Id* ids, const Real* x, Real* y) {
  Execute<Machine>::each(rows * k, TakeColumnsBody<Real>{cols, k, ids, x, y});
}
template <class Real, class Machine>
void Indexing<Real, Machine>::take_columns_back(Index rows, Index cols, Index k, const Id* ids, const Real* dy, Real* dx) {
  Execute<Machine>::each(rows, TakeColumnsBackBody<Real>{cols, k, ids, dy, dx});
}
template <class Real, class Machine>
void Indexing<Real, Machine>::combine_rows(Index rows, Index cols, Index k, const Id* place, const Real* weight, const Real* x, Real* y) {
  Execute<Machine>::each(rows * cols, CombineRowsBody<Real>{cols, k, place, weight, x, y});
}
template <class Real, class Machine>
void Indexing<Real, Machine>::combine_rows_back(Index rows, Index cols, Index k, const Id* place, const Real* weight, const Real* x,
                                                const Real* dy, Real* dx, Real* dweight) {
  if (dx) Execute<Machine>::each(rows * k * cols, CombineRowsBackBody<Real>{cols, k, place, weight, dy, dx});
  if (dweight) Execute<Machine>::teams(rows * k, CombineWeightsBackKernel<Real>{rows * k, cols, k, place, x, dy, dweight});
}

}  // namespace cmoe::cuda
