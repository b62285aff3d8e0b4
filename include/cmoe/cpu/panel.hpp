// Panels: an operand of a matrix product, copied into the order in which the register tile reads it.
#pragma once

#include <algorithm>

#include "cmoe/cpu/pack.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"

namespace cmoe::cpu {

// An operand seen from the product: lanes are the rows of the left operand or the columns of the right one, the depth is what
// is summed over. One of the two steps is 1.
template <class Real>
struct Operand {
  const Real* data;
  Index lane_step;
  Index depth_step;

  Operand from(Index lane, Index depth) const {
    return {data + lane * lane_step + depth * depth_step, lane_step, depth_step};
  }
};

// Two rounds of a transpose, on numbers inside slices of 16 bytes and on the slices, since machines shuffle the two with
// different instructions. Interleaving i with i + n/2 moves one bit of the row's number into the column's and the rows' bits
// round; after log2(n) rounds rows and columns have changed places. Keeping evens and odds apart does the same backwards.
template <class P, int... I>
[[gnu::always_inline]] inline void interleave_in_slices(const P& a, const P& b, P& low, P& high, std::integer_sequence<int, I...>) {
  constexpr int w = P::width, s = 16 / static_cast<int>(sizeof(real_of<P>));
  low = P(__builtin_shufflevector(a.v, b.v, (I / s * s + I % s / 2 + I % 2 * w)...));
  high = P(__builtin_shufflevector(a.v, b.v, (I / s * s + I % s / 2 + I % 2 * w + s / 2)...));
}
template <class P, int... I>
[[gnu::always_inline]] inline void split_slices(const P& a, const P& b, P& even, P& odd, std::integer_sequence<int, I...>) {
  constexpr int s = 16 / static_cast<int>(sizeof(real_of<P>));
  even = P(__builtin_shufflevector(a.v, b.v, (I / s * 2 * s + I % s)...));
  odd = P(__builtin_shufflevector(a.v, b.v, (I / s * 2 * s + I % s + s)...));
}

// Rows become columns.
template <class P>
[[gnu::always_inline]] inline void transpose(P (&rows)[P::width]) {
  constexpr int w = P::width, s = 16 / static_cast<int>(sizeof(real_of<P>)), slices = w / s;
  constexpr auto lanes = std::make_integer_sequence<int, w>{};
  P mixed[w];
#pragma GCC unroll 2
  for (int round = 1; round < s; round *= 2) {
#pragma GCC unroll 8
    for (int i = 0; i < w / 2; ++i) {
      const int group = i / (s / 2) * s, at = i % (s / 2);  // s rows at a time: row `at` of the group with row at + s/2
      interleave_in_slices(rows[group + at], rows[group + at + s / 2], mixed[group + 2 * at], mixed[group + 2 * at + 1], lanes);
    }
#pragma GCC unroll 16
    for (int i = 0; i < w; ++i) rows[i] = mixed[i];
  }
#pragma GCC unroll 2
  for (int round = 1; round < slices; round *= 2) {
#pragma GCC unroll 8
    for (int i = 0; i < w / 2; ++i) {
      const int pair = i / s, column = i % s;  // slices of rows column, column + s, column + 2 s, ...
      split_slices(rows[2 * pair * s + column], rows[(2 * pair + 1) * s + column], mixed[pair * s + column],
                   mixed[(pair + slices / 2) * s + column], lanes);
    }
#pragma GCC unroll 16
    for (int i = 0; i < w; ++i) rows[i] = mixed[i];
  }
}

// panel (depth, width): panel[p][l] = x[l][p] for l < lanes, 0 for the other l. Lanes lie apart in memory, the depth is
// contiguous: blocks of width × width are transposed. Writes up to a pack beyond the panel's end.
template <int Bytes, class Real>
[[gnu::always_inline]] inline void pack_across(const Operand<Real>& x, Index lanes, int width, Index depth, Real* panel) {
  using P = Pack<Real, Bytes>;
  constexpr int w = P::width;
  // The last lanes go first: what they write too much is overwritten by the lanes before them, or by the next panel.
  for (Index lane = (width - 1) / w * w; lane >= 0; lane -= w) {
    for (Index p = 0; p < depth; p += w) {
      const Index rest = std::min<Index>(w, depth - p);
      const Real* from = x.data + lane * x.lane_step + p;
      P rows[w];
#pragma GCC unroll 16
      for (int i = 0; i < w; ++i)
        if (lane + i < lanes) rows[i] = P::load(from + i * x.lane_step, rest);
      transpose(rows);
      Real* to = panel + p * width + lane;
#pragma GCC unroll 16
      for (int i = 0; i < w; ++i)
        if (i < rest) rows[i].store(to + i * width);
    }
  }
}

// The same where lanes are contiguous: rows are copied. `room` is the number of lanes that may be read.
template <int Bytes, class Real>
[[gnu::always_inline]] inline void pack_along(const Operand<Real>& x, Index lanes, Index room, int width, Index depth,
                                              Real* panel) {
  using P = Pack<Real, Bytes>;
  constexpr int w = P::width;
  const Real* from = x.data;
  if (lanes == width && (width + w - 1) / w * w <= room) {
    for (Index p = 0; p < depth; ++p, from += x.depth_step, panel += width)
      for (int lane = 0; lane < width; lane += w) {
        __builtin_prefetch(from + lane + width);  // the next panel's, which the hardware does not see coming
        P::load(from + lane).store(panel + lane);
      }
    return;
  }
  for (Index p = 0; p < depth; ++p, from += x.depth_step, panel += width) {
    for (Index lane = 0; lane < lanes; ++lane) panel[lane] = from[lane];
    for (Index lane = lanes; lane < width; ++lane) panel[lane] = 0;
  }
}

// How an operand's lanes are cut into panels: `width` lanes each, `last_width` of which the last may be less than full.
struct Panels {
  Index lanes;
  int width, last_width;

  Index lanes_of(Index first) const { return std::min<Index>(width, lanes - first); }
  int width_of(Index first) const { return lanes - first >= width ? width : last_width; }
};

// All panels of an operand, one after another; the panel of lane l starts at panels[l · depth].
struct PackKernel {
  template <int Bytes, class Real>
  [[gnu::always_inline]] static void run(const Operand<Real>* operand, Panels cut, Index depth, Real* panels) {
    for (Index lane = 0; lane < cut.lanes; lane += cut.width) {
      const Operand<Real> x = operand->from(lane, 0);
      if (x.lane_step == 1)
        pack_along<Bytes>(x, cut.lanes_of(lane), cut.lanes - lane, cut.width_of(lane), depth, panels + lane * depth);
      else
        pack_across<Bytes>(x, cut.lanes_of(lane), cut.width_of(lane), depth, panels + lane * depth);
    }
  }
};

}  // namespace cmoe::cpu
#pragma GCC diagnostic pop
