// The register tile: a block of a matrix product that stays in registers while the sum runs over the depth.
#pragma once

#include "cmoe/cpu/pack.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"

namespace cmoe::cpu {

// The heights a tile comes in. The tallest fills the registers (32 of 64 bytes, else 16) with two packs to the right.
template <int Bytes>
inline constexpr int tall_tile = Bytes == 64 ? 14 : 6;
template <int Bytes>
inline constexpr int middle_tile = Bytes == 64 ? 8 : 4;
template <int Bytes>
inline constexpr int low_tile = Bytes == 64 ? 4 : 2;

// c = alpha · sum, plus c if `add`. One multiply-add in both cases: the compiler cannot round one way here and another there.
template <class P, class Real>
[[gnu::always_inline]] inline void finish(const P& sum, Real alpha, bool add, Real* c, Index lanes) {
  const P before = add ? P::load(c, lanes) : P(0);
  fma(sum, P::broadcast(alpha), before).store(c, lanes);
}

// c (Height, Packs·width) = alpha · leftᵀ right, plus c if `add`. left is a panel (depth, Height) without gaps, right a panel
// (depth, Packs·width) with rows `right_step` apart. Every element is one chain of multiply-adds in the order of the depth,
// whatever the tile's size: its bits depend on nothing else.
template <class Real, int Bytes, int Height, int Packs>
[[gnu::always_inline]] inline void tile(Index depth, const Real* left, const Real* right, Index right_step, Real alpha,
                                        bool add, Real* c, Index c_step) {
  using P = Pack<Real, Bytes>;
  P sums[Height][Packs];
  for (Index p = 0; p < depth; ++p) {
    P b[Packs];
#pragma GCC unroll 4
    for (int j = 0; j < Packs; ++j) b[j] = P::load(right + j * P::width);
#pragma GCC unroll 16
    for (int i = 0; i < Height; ++i)
#pragma GCC unroll 4
      for (int j = 0; j < Packs; ++j) sums[i][j] = add_product(sums[i][j], left[i], b[j]);
    left += Height;
    right += right_step;
  }
#pragma GCC unroll 16
  for (int i = 0; i < Height; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < Packs; ++j) finish(sums[i][j], alpha, add, c + i * c_step + j * P::width, P::width);
}

}  // namespace cmoe::cpu
#pragma GCC diagnostic pop
