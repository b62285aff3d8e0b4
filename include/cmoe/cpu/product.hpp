// One block of a matrix product on one thread: panels are packed into scratch memory and swept with the register tile.
#pragma once

#include "cmoe/core/product.hpp"
#include "cmoe/cpu/isa.hpp"
#include "cmoe/cpu/panel.hpp"
#include "cmoe/cpu/scratch.hpp"
#include "cmoe/cpu/tile.hpp"

namespace cmoe::cpu {

// c (m,n) = alpha · left right (+ c if accumulate); c lies row by row (column_step 1) or column by column (row_step 1).
template <class Real>
struct Product {
  Index m, n, k;
  Real alpha;
  Operand<Real> left, right;
  bool accumulate;
  Real* c;
  Index row_step, column_step;

  // Rows [row, row + rows) and columns [column, column + columns) of it.
  Product part(Index row, Index rows, Index column, Index columns) const {
    return {rows, columns, k, alpha, left.from(row, 0), right.from(column, 0), accumulate,
            c + row * row_step + column * column_step, row_step, column_step};
  }
  // cᵀ = rightᵀ leftᵀ
  Product transposed() const { return {n, m, k, alpha, right, left, accumulate, c, column_step, row_step}; }
};

// The depth is summed in blocks of this size, each into fresh registers and then added to c.
inline constexpr Index depth_block = 256;

namespace detail {

struct LeftPanels;
struct RightPanel;

template <int Bytes>
constexpr int last_height(Index rows) {  // the lowest tile that holds the rows
  return rows <= low_tile<Bytes> ? low_tile<Bytes> : rows <= middle_tile<Bytes> ? middle_tile<Bytes> : tall_tile<Bytes>;
}

// Rows computed when m rows are cut into tiles of this height and one lower tile at the end.
template <int Bytes>
constexpr Index rows_computed(Index m, int height) {
  const Index rest = m % height;
  return m - rest + (rest == 0 ? 0 : last_height<Bytes>(rest));
}

// The height of all tiles but the last: tall, unless lower tiles waste clearly fewer rows (16 rows are 8 + 8, not 14 + 4).
template <int Bytes>
constexpr int tile_height(Index m) {
  constexpr int tall = tall_tile<Bytes>, middle = middle_tile<Bytes>;
  return 20 * rows_computed<Bytes>(m, middle) < 19 * rows_computed<Bytes>(m, tall) ? middle : tall;
}

template <class Real, int Bytes, int Height, Lanes Left>
[[gnu::always_inline]] inline void tile_of_width(int packs, Index depth, const Real* left, Index left_step, const Real* right,
                                                 Index right_step, Real alpha, bool add, Real* c, Index c_step) {
  if (packs == 2)
    tile<Real, Bytes, Height, 2, Left>(depth, left, left_step, right, right_step, alpha, add, c, c_step);
  else
    tile<Real, Bytes, Height, 1, Left>(depth, left, left_step, right, right_step, alpha, add, c, c_step);
}

template <class Real, int Bytes>
[[gnu::always_inline]] inline void tile_of_size(int height, int packs, Index depth, const Real* left, Index left_step,
                                                const Real* right, Index right_step, Real alpha, bool add, Real* c, Index c_step) {
  if (height == tall_tile<Bytes>)
    tile_of_width<Real, Bytes, tall_tile<Bytes>, Lanes::adjacent>(packs, depth, left, left_step, right, right_step, alpha, add, c, c_step);
  else if (height == middle_tile<Bytes>)
    tile_of_width<Real, Bytes, middle_tile<Bytes>, Lanes::adjacent>(packs, depth, left, left_step, right, right_step, alpha, add, c, c_step);
  else
    tile_of_width<Real, Bytes, low_tile<Bytes>, Lanes::adjacent>(packs, depth, left, left_step, right, right_step, alpha, add, c, c_step);
}

// Copies (rows, columns) between the product's c and a row-major corner that has room for a whole tile.
template <class Real>
inline void move_corner(Index rows, Index columns, const Real* from, Index from_row, Index from_column, Real* to, Index to_row,
                        Index to_column) {
  for (Index i = 0; i < rows; ++i)
    for (Index j = 0; j < columns; ++j) to[i * to_row + j * to_column] = from[i * from_row + j * from_column];
}

}  // namespace detail

// One panel of columns: c (m,columns) = or += alpha · (left panels times the right one, of one depth block). The left operand
// is read in place, but for the panels of lanes from `packed_from` on; where its lanes lie apart, those before are tall tiles.
struct SweepKernel {
  template <int Bytes, class Real>
  [[gnu::always_inline]] static void run(const Product<Real>* product, const Operand<Real>* left, Panels down, int width, Index depth,
                                         bool add, Index packed_from, const Real* lefts, const Real* right) {
    constexpr int w = Pack<Real, Bytes>::width;
    const Product<Real> x = *product;
    // Edges and transposed results go through a corner with room for a whole tile, so that they see the same arithmetic.
    alignas(64) Real corner[tall_tile<Bytes> * 2 * w];
    for (Index i = 0; i < x.m; i += down.width) {
      const Index rows = down.lanes_of(i);
      const int height = down.width_of(i);
      Real* const c = x.c + i * x.row_step;
      const bool whole = x.column_step == 1 && rows == height && x.n == width;
      if (!whole && add) detail::move_corner(rows, x.n, c, x.row_step, x.column_step, corner, 2 * w, Index{1});
      Real* const to = whole ? c : corner;
      const Index to_step = whole ? x.row_step : 2 * w;
      if (i < packed_from && left->lane_step != 1)
        detail::tile_of_width<Real, Bytes, tall_tile<Bytes>, Lanes::apart>(width / w, depth, left->data + i * left->lane_step,
                                                                           left->lane_step, right, width, x.alpha, add, to, to_step);
      else
        detail::tile_of_size<Real, Bytes>(height, width / w, depth, i < packed_from ? left->data + i : lefts + i * depth,
                                          i < packed_from ? left->depth_step : height, right, width, x.alpha, add, to, to_step);
      if (!whole) detail::move_corner(rows, x.n, corner, 2 * w, Index{1}, c, x.row_step, x.column_step);
    }
  }
};

struct CutKernel {  // into panels, for this instruction set
  template <int Bytes, class Real>
  [[gnu::always_inline]] static void run(const Product<Real>* x, Panels* down, Panels* along, bool* tall) {
    constexpr int w = Pack<Real, Bytes>::width;
    const int height = detail::tile_height<Bytes>(x->m);
    *down = {x->m, height, detail::last_height<Bytes>(x->m % height)};
    *along = {x->n, 2 * w, x->n % (2 * w) > w ? 2 * w : w};
    *tall = height == tall_tile<Bytes>;
  }
};

// A few rows times a right operand that lies row by row, as in generation: reading the operand once is all that counts, so it
// is read in long runs, in place, and the sums (m,n) stay in the innermost cache. Each element is the same chain as in a tile.
struct FewRowsKernel {
  static constexpr Index most_rows = 3;
  static constexpr int unrolled = 8;  // steps of the depth for each visit to the sums

  template <int Steps, class P, class Real>
  [[gnu::always_inline]] static void add_rows(const Product<Real>& x, Index p, Real* sums) {
    const Real* const right = x.right.data + p * x.right.depth_step;
    for (Index i = 0; i < x.m; ++i) {
      const Operand<Real> left = x.left.from(i, p);
      P factors[Steps];
#pragma GCC unroll 8
      for (int step = 0; step < Steps; ++step) factors[step] = P::broadcast(left.data[step * left.depth_step]);
      Index j = 0;
      for (; j + P::width <= x.n; j += P::width) {
        P sum = P::load(sums + i * x.n + j);
#pragma GCC unroll 8
        for (int step = 0; step < Steps; ++step)
          sum = fma(factors[step], P::load(right + step * x.right.depth_step + j), sum);
        sum.store(sums + i * x.n + j);
      }
      if (j == x.n) continue;
      P sum = P::load(sums + i * x.n + j, x.n - j);
      for (int step = 0; step < Steps; ++step)
        sum = fma(factors[step], P::load(right + step * x.right.depth_step + j, x.n - j), sum);
      sum.store(sums + i * x.n + j, x.n - j);
    }
  }

  template <int Bytes, class Real>
  [[gnu::always_inline]] static void run(const Product<Real>* product, Real* sums) {
    using P = Pack<Real, Bytes>;
    const Product<Real> x = *product;
    for (Index block = 0; block == 0 || block < x.k; block += depth_block) {
      const Index end = std::min(x.k, block + depth_block);
      std::fill_n(sums, x.m * x.n, Real(0));
      Index p = block;
      for (; p + unrolled <= end; p += unrolled) add_rows<unrolled, P>(x, p, sums);
      for (; p < end; ++p) add_rows<1, P>(x, p, sums);
      for (Index i = 0; i < x.m; ++i)
        for (Index j = 0; j < x.n; j += P::width)
          finish(P::load(sums + i * x.n + j, x.n - j), x.alpha, x.accumulate || block > 0, x.c + i * x.row_step + j, x.n - j);
    }
  }
};

// Whether the left operand is read where it lies. Packing it costs as much as a few panels of columns, and pays when there are
// more, or when its rows are so long that what a tile reads of them would push each other out of the innermost cache.
template <class Real>
bool read_in_place(const Product<Real>& x, Index columns_of_panel) {
  constexpr Index most_panels = 9, most_bytes_apart = 2048;
  const Index apart = std::max(x.left.lane_step, x.left.depth_step) * static_cast<Index>(sizeof(Real));
  return x.n <= most_panels * columns_of_panel && apart <= most_bytes_apart;
}

// The left operand's panels are packed once for a depth block, unless they are read in place; the right operand's one by one,
// each used at once and never leaving the innermost cache.
template <class Real>
void compute_packed(const Product<Real>& x) {
  Panels down, along;
  bool tall = false;
  dispatch<CutKernel>(&x, &down, &along, &tall);
  const Index depth_room = std::min(x.k, depth_block);
  Real* const lefts = scratch<detail::LeftPanels, Real>((x.m + 32) * depth_room + 32);
  Real* const right = scratch<detail::RightPanel, Real>(along.width * depth_room + 32);
  // A last panel that is not full is packed in any case: its tile may read more lanes than there are.
  const bool in_place = read_in_place(x, along.width) && (tall || x.left.lane_step == 1);
  const Index packed_from = in_place ? x.m - x.m % down.width : 0;
  for (Index p = 0; p == 0 || p < x.k; p += depth_block) {
    const Index depth = std::min(x.k - p, depth_block);
    const Operand<Real> left_block = x.left.from(0, p);
    if (packed_from < x.m) {
      const Operand<Real> packed = left_block.from(packed_from, 0);
      Panels rest = down;
      rest.lanes -= packed_from;
      dispatch<PackKernel>(&packed, rest, depth, lefts + packed_from * depth);
    }
    for (Index j = 0; j < x.n; j += along.width) {
      const Product<Real> columns = x.part(0, x.m, j, along.lanes_of(j));
      const Operand<Real> right_block = columns.right.from(0, p);
      const int width = along.width_of(j);
      dispatch<PackKernel>(&right_block, Panels{columns.n, width, width}, depth, right);
      dispatch<SweepKernel>(&columns, &left_block, down, width, depth, x.accumulate || p > 0, packed_from,
                            static_cast<const Real*>(lefts), static_cast<const Real*>(right));
    }
  }
}

// Scratch memory is about (m + 32) · min(k, depth_block) numbers: callers cut large products.
template <class Real>
void compute(const Product<Real>& x) {
  if (x.m == 0 || x.n == 0) return;
  if (x.m <= FewRowsKernel::most_rows && x.right.lane_step == 1 && x.column_step == 1 && x.n >= 16)
    return dispatch<FewRowsKernel>(&x, scratch<detail::LeftPanels, Real>(x.m * x.n));
  compute_packed(x);
}

}  // namespace cmoe::cpu
