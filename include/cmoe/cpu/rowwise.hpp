// Loops over the rows of a matrix: rows are shared by threads in fixed blocks, sums over rows are combined in a fixed order.
#pragma once

#include <algorithm>
#include <vector>

#include "cmoe/core/parallel.hpp"
#include "cmoe/cpu/isa.hpp"
#include "cmoe/cpu/math.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"

namespace cmoe::cpu::detail {

// Kernel::run(begin, end, cols, args...) over blocks of rows of about 16 thousand elements.
template <class Kernel, class... Args>
void for_rows(Index rows, Index cols, Args... args) {
  const Index grain = std::max<Index>(1, 16384 / std::max<Index>(1, cols));
  parallel_for(rows, grain, [=](Index begin, Index end) { dispatch<Kernel>(begin, end, cols, args...); });
}

// Kernel::run(begin, end, cols, args..., sums) adds the rows of its block into sums (width), which starts at 0; the sums of
// all blocks are added in order. At most 64 blocks, whose borders depend on the sizes alone.
template <class Kernel, class Real, class... Args>
void sum_over_rows(Index rows, Index cols, Index width, Real* total, Args... args) {
  const Index grain = std::max<Index>({1, 16384 / std::max<Index>(1, cols), (rows + 63) / 64});
  const Index blocks = (rows + grain - 1) / grain;
  std::fill_n(total, width, Real(0));
  if (blocks == 1) return dispatch<Kernel>(Index{0}, rows, cols, args..., total);
  std::vector<Real> sums(static_cast<std::size_t>(blocks * width));
  parallel_for(rows, grain, [&](Index begin, Index end) {
    dispatch<Kernel>(begin, end, cols, args..., sums.data() + begin / grain * width);
  });
  for (Index block = 0; block < blocks; ++block)
    for (Index j = 0; j < width; ++j) total[j] += sums[static_cast<std::size_t>(block * width + j)];
}

// Sum of term(i, rest) over packs of a row, where `rest` lanes from i on are inside; the term must be 0 outside.
template <class P, class Term>
[[gnu::always_inline]] inline auto sum_of_row(Index cols, const Term& term) {
  P total;
  for (Index i = 0; i < cols; i += P::width) total += term(i, cols - i);
  return sum(total);
}

template <class P, class Real>
[[gnu::always_inline]] inline Real max_of_row(Index cols, const Real* x) {
  P greatest = -std::numeric_limits<Real>::infinity();
  for (Index i = 0; i < cols; i += P::width)
    greatest = max(P::load(x + i, cols - i, -std::numeric_limits<Real>::infinity()), greatest);
  return max_of(greatest);
}

// log Σ e^x of a row. Infinite maxima are not subtracted: all −inf (or nothing) gives −inf, +inf gives +inf, NaN gives NaN.
template <class P, class Real>
[[gnu::always_inline]] inline Real logsumexp_of_row(Index cols, const Real* x) {
  const Real greatest = max_of_row<P>(cols, x);
  const Real shift = std::isfinite(greatest) ? greatest : Real(0);
  const Real total = sum_of_row<P>(cols, [&](Index i, Index rest) __attribute__((always_inline)) {
    return exp(P::load(x + i, rest, -std::numeric_limits<Real>::infinity()) - shift);
  });
  return shift + std::log(total);
}

}  // namespace cmoe::cpu::detail
#pragma GCC diagnostic pop
