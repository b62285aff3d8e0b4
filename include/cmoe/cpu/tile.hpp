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

// Where a tile finds its left numbers: lane i at depth p is left[p · step + i], or left[i · step + p] if lanes lie apart.
enum class Lanes { adjacent, apart };

// c (Height, Packs·width) = alpha · leftᵀ right, plus c if `add`. right is a panel (depth, Packs·width) with rows `right_step`
// apart. Every element is one chain of multiply-adds in the order of the depth, whatever the tile's size: its bits depend on
// nothing else.
template <class Real, int Bytes, int Height, int Packs, Lanes Left>
[[gnu::always_inline]] inline void tile(Index depth, const Real* left, Index left_step, const Real* right, Index right_step,
                                        Real alpha, bool add, Real* c, Index c_step) {
  using P = Pack<Real, Bytes>;
  // Lanes that lie apart are reached from every third of them, which leaves registers for all: an address holds one or two steps.
  const Real *third = left + 3 * left_step, *sixth = left + 6 * left_step, *ninth = left + 9 * left_step,
             *twelfth = left + 12 * left_step;
  P sums[Height][Packs];
  for (Index p = 0; p < depth; ++p) {
    P b[Packs];
#pragma GCC unroll 4
    for (int j = 0; j < Packs; ++j) b[j] = P::load(right + j * P::width);
#pragma GCC unroll 16
    for (int i = 0; i < Height; ++i) {
      const Real* const mark = i < 3 ? left : i < 6 ? third : i < 9 ? sixth : i < 12 ? ninth : twelfth;
      const Real& factor = Left == Lanes::apart ? mark[i % 3 * left_step] : left[i];
#pragma GCC unroll 4
      for (int j = 0; j < Packs; ++j) sums[i][j] = add_product(sums[i][j], factor, b[j]);
    }
    if constexpr (Left == Lanes::apart) {
      ++left, ++third, ++sixth, ++ninth, ++twelfth;
      // Each stays a pointer of its own: the compiler would rather keep an address for every lane.
      asm("" : "+r"(left), "+r"(third), "+r"(sixth), "+r"(ninth), "+r"(twelfth));
    } else {
      left += left_step;
    }
    right += right_step;
  }
#pragma GCC unroll 16
  for (int i = 0; i < Height; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < Packs; ++j) finish(sums[i][j], alpha, add, c + i * c_step + j * P::width, P::width);
}

}  // namespace cmoe::cpu
#pragma GCC diagnostic pop
