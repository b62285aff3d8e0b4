// Matrix products in tiles: a team computes 64 x 64 numbers of a result, for a batch or for groups of rows.
#pragma once

#include "execute.cuh"

namespace cmoe::cuda {

// One product c (m,n) = a b and the tile of it that begins at (row, column). Element (i,p) of a lies at i·a_row + p·a_col.
template <class Real>
struct ProductTile {
  Index m, n, k;
  const Real* a;
  Index a_row, a_col;
  const Real* b;
  Index b_row, b_col;
  Real* c;
  Index ldc, row, column;
};

inline constexpr Index product_tile = 64;

template <class Real>
struct ProductKernel {
  static constexpr int step = 16, side = 4, threads = 256;  // a thread computes side x side numbers, 16 apart
  static constexpr int across = static_cast<int>(product_tile) / side;
  struct Shared {
    Real a[step][product_tile + 1], b[step][product_tile + 1];
  };
  struct Square {
    Real at[side][side];
  };

  template <class Team>
  static constexpr void run(Team& team, Shared& shared, const ProductTile<Real>& x, Real alpha, bool accumulate) {
    typename Team::template PerThread<Square> sums;
    team.phase([&](int t) {
      for (int i = 0; i < side; ++i)
        for (int j = 0; j < side; ++j) sums[t].at[i][j] = 0;
    });
    for (Index p0 = 0; p0 < x.k; p0 += step) {
      team.phase([&](int t) {
        // Neighbouring threads read neighbouring numbers, whichever way an operand lies.
        for (int e = t; e < step * product_tile; e += threads) {
          const bool along = x.a_col == 1;
          const int i = along ? e / step : e % static_cast<int>(product_tile), p = along ? e % step : e / static_cast<int>(product_tile);
          shared.a[p][i] = x.row + i < x.m && p0 + p < x.k ? x.a[(x.row + i) * x.a_row + (p0 + p) * x.a_col] : Real(0);
        }
        for (int e = t; e < step * product_tile; e += threads) {
          const bool along = x.b_row == 1;
          const int j = along ? e / step : e % static_cast<int>(product_tile), p = along ? e % step : e / static_cast<int>(product_tile);
          shared.b[p][j] = x.column + j < x.n && p0 + p < x.k ? x.b[(p0 + p) * x.b_row + (x.column + j) * x.b_col] : Real(0);
        }
      });
      team.phase([&](int t) {
        Square own = sums[t];
        for (int p = 0; p < step; ++p)
          for (int i = 0; i < side; ++i)
            for (int j = 0; j < side; ++j) own.at[i][j] += shared.a[p][t / across + i * across] * shared.b[p][t % across + j * across];
        sums[t] = own;
      });
    }
    team.phase([&](int t) {
      for (int i = 0; i < side; ++i)
        for (int j = 0; j < side; ++j) {
          const Index row = x.row + t / across + i * across, column = x.column + t % across + j * across;
          if (row >= x.m || column >= x.n) continue;
          Real* const c = x.c + row * x.ldc + column;
          *c = alpha * sums[t].at[i][j] + (accumulate ? *c : Real(0));
        }
    });
  }
};

// The product of a form: which operand is stored transposed.
template <class Real>
constexpr ProductTile<Real> tile_of(Form form, Index m, Index n, Index k, const Real* a, Index lda, const Real* b, Index ldb, Real* c,
                                    Index ldc) {
  const bool a_turned = form == Form::tn, b_turned = form == Form::nt;
  return {m, n, k, a, a_turned ? 1 : lda, a_turned ? lda : 1, b, b_turned ? 1 : ldb, b_turned ? ldb : 1, c, ldc, 0, 0};
}

// All tiles of a batch of equal products.
template <class Real>
struct BatchedKernel {
  static constexpr int threads = ProductKernel<Real>::threads;
  using Shared = typename ProductKernel<Real>::Shared;
  ProductTile<Real> first;
  Index batch, stride_a, stride_b, stride_c;
  Real alpha;
  bool accumulate;

  constexpr Index along() const { return ceil_divide(first.n, product_tile); }
  constexpr Index tiles() const { return ceil_divide(first.m, product_tile) * along(); }

  template <class Team>
  constexpr void operator()(Team& team, Shared& shared) const {
    for (Index item = team.block(); item < batch * tiles(); item += team.blocks()) {
      const Index which = item / tiles(), tile = item % tiles();
      ProductTile<Real> x = first;
      x.a += which * stride_a;
      x.b += which * stride_b;
      x.c += which * stride_c;
      x.row = tile / along() * product_tile;
      x.column = tile % along() * product_tile;
      ProductKernel<Real>::run(team, shared, x, alpha, accumulate);
    }
  }
};

// One product for each group of rows, as Cpu's gemm_grouped; offsets (groups + 1) lie on the device.
template <class Real>
struct GroupedKernel {
  static constexpr int threads = ProductKernel<Real>::threads;
  using Shared = typename ProductKernel<Real>::Shared;
  Form form;
  Index groups, items;
  const Index* offsets;
  Index n, k;
  Real alpha;
  const Real *a, *b;
  bool accumulate;
  Real* c;

  constexpr ProductTile<Real> product(Index e) const {
    const Index row = offsets[e], rows = offsets[e + 1] - row;
    if (form == Form::tn) return tile_of(form, k, n, rows, a + row * k, k, b + row * n, n, c + e * k * n, n);
    return tile_of(form, rows, n, k, a + row * k, k, b + e * k * n, form == Form::nn ? n : k, c + row * n, n);
  }

  template <class Team>
  constexpr void operator()(Team& team, Shared& shared) const {
    const Index along = ceil_divide(n, product_tile);
    for (Index item = team.block(); item < items; item += team.blocks()) {
      Index e = 0, down = item / along;  // which group, and which of its rows of tiles
      for (; e < groups; ++e) {
        const Index here = ceil_divide(form == Form::tn ? k : offsets[e + 1] - offsets[e], product_tile);
        if (down < here) break;
        down -= here;
      }
      ProductTile<Real> x = product(e);
      x.row = down * product_tile;
      x.column = item % along * product_tile;
      ProductKernel<Real>::run(team, shared, x, alpha, accumulate);
    }
  }
};

// What Machine::multiply does where there is no library for it.
template <class Real, class Machine>
void multiply_in_tiles(Form form, Index batch, Index m, Index n, Index k, Real alpha, const Real* a, Index lda, Index stride_a,
                       const Real* b, Index ldb, Index stride_b, bool accumulate, Real* c, Index ldc, Index stride_c) {
  const BatchedKernel<Real> kernel{tile_of(form, m, n, k, a, lda, b, ldb, c, ldc), batch, stride_a, stride_b, stride_c, alpha, accumulate};
  Execute<Machine>::teams(batch * kernel.tiles(), kernel);
}

template <class Real, class Machine>
void Products<Real, Machine>::gemm(Form form, Index m, Index n, Index k, Real alpha, const Real* a, Index lda, const Real* b, Index ldb,
                                   bool accumulate, Real* c, Index ldc) {
  if (m > 0 && n > 0) Machine::multiply(form, 1, m, n, k, alpha, a, lda, 0, b, ldb, 0, accumulate, c, ldc, 0);
}
template <class Real, class Machine>
void Products<Real, Machine>::gemm_batched(Form form, Index batch, Index m, Index n, Index k, Real alpha, const Real* a, Index stride_a,
                                           const Real* b, Index stride_b, bool accumulate, Real* c, Index stride_c) {
  if (batch > 0 && m > 0 && n > 0)
    Machine::multiply(form, batch, m, n, k, alpha, a, form == Form::tn ? m : k, stride_a, b, form == Form::nt ? k : n, stride_b,
                      accumulate, c, n, stride_c);
}
template <class Real, class Machine>
void Products<Real, Machine>::gemm_grouped(Form form, Index groups, const Index* offsets, Index n, Index k, Real alpha, const Real* a,
                                           const Real* b, bool accumulate, Real* c) {
  Index down = 0;
  for (Index e = 0; e < groups; ++e) down += ceil_divide(form == Form::tn ? k : offsets[e + 1] - offsets[e], product_tile);
  const Index items = down * ceil_divide(n, product_tile);
  if (items == 0) return;
  const Scratch<Index, Machine> there(groups + 1);
  Memory<Machine>::upload(groups + 1, offsets, there.data());
  Execute<Machine>::teams(items, GroupedKernel<Real>{form, groups, items, there.data(), n, k, alpha, a, b, accumulate, c});
}

}  // namespace cmoe::cuda
