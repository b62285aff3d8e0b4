// Sums, maxima and orders of rows and columns.
#pragma once

#include "cmoe/cpu/rowwise.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"

namespace cmoe::cpu {

namespace detail {

struct SumRows {
  template <int Bytes, class Real>
  [[gnu::always_inline]] static void run(Index begin, Index end, Index cols, const Real* x, Real* y) {
    using P = Pack<Real, Bytes>;
    for (Index row = begin; row < end; ++row)
      y[row] = sum_of_row<P>(cols, [&](Index i, Index rest) __attribute__((always_inline)) {
        return P::load(x + row * cols + i, rest);
      });
  }
};

struct SumColumns {
  template <int Bytes, class Real>
  [[gnu::always_inline]] static void run(Index begin, Index end, Index cols, const Real* x, Real* sums) {
    using P = Pack<Real, Bytes>;
    for (Index row = begin; row < end; ++row)
      for (Index i = 0; i < cols; i += P::width)
        (P::load(sums + i, cols - i) + P::load(x + row * cols + i, cols - i)).store(sums + i, cols - i);
  }
};

// y[slice] = sum over outer and inner of x (outer,mid,inner), for slices [begin, end) of mid
struct SumSlices {
  template <int Bytes, class Real>
  [[gnu::always_inline]] static void run(Index begin, Index end, Index outer, Index mid, Index inner, const Real* x, Real* y) {
    using P = Pack<Real, Bytes>;
    for (Index slice = begin; slice < end; ++slice) {
      P total;
      for (Index o = 0; o < outer; ++o) {
        const Real* const from = x + (o * mid + slice) * inner;
        for (Index i = 0; i < inner; i += P::width) total += P::load(from + i, inner - i);
      }
      y[slice] = sum(total);
    }
  }
};

// Sums of blocks of the elements x[begin, end), in double.
struct SumSquares {
  template <int Bytes, class Real>
  [[gnu::always_inline]] static void run(Index begin, Index end, const Real* x, double* result) {
    using D = Pack<double, Bytes>;
    typedef Real Part __attribute__((vector_size(D::width * sizeof(Real)), aligned(alignof(Real)), may_alias));
    D total;
    Index i = begin;
    for (; i + D::width <= end; i += D::width) {
      const D value(__builtin_convertvector(*reinterpret_cast<const Part*>(x + i), typename D::Vector));
      total += value * value;
    }
    double rest = sum(total);
    for (; i < end; ++i) rest += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    *result = rest;
  }
};

struct AllFinite {  // 0 · x is 0 if x is finite, else NaN
  template <int Bytes, class Real>
  [[gnu::always_inline]] static void run(Index n, const Real* x, bool* result) {
    using P = Pack<Real, Bytes>;
    *result = sum_of_row<P>(n, [&](Index i, Index rest) __attribute__((always_inline)) { return P::load(x + i, rest) * 0; }) == 0;
  }
};

inline constexpr Index reduction_block = 16384;

// Whether a stands before b in descending order; NaN counts as the greatest, so that it is seen.
template <class Real>
bool before(Real a, Real b) {
  return a > b || (a != a && b == b);
}

}  // namespace detail

// y (rows): the sum of each row
template <class Real>
void sum_rows(Index rows, Index cols, const Real* x, Real* y) {
  detail::for_rows<detail::SumRows>(rows, cols, x, y);
}

// y (cols): the sum of each column
template <class Real>
void sum_columns(Index rows, Index cols, const Real* x, Real* y) {
  detail::sum_over_rows<detail::SumColumns>(rows, cols, cols, y, x);
}

// y (mid): the sum of x (outer,mid,inner) over outer and inner, the gradient of an operand that was broadcast
template <class Real>
void reduce_broadcast(Index outer, Index mid, Index inner, const Real* x, Real* y) {
  if (inner == 1) return sum_columns(outer, mid, x, y);
  const Index grain = std::max<Index>(1, detail::reduction_block / std::max<Index>(1, outer * inner));
  parallel_for(mid, grain, [=](Index begin, Index end) { dispatch<detail::SumSlices>(begin, end, outer, mid, inner, x, y); });
}

// y (rows): the place of the greatest element, the first of equals
template <class Real>
void argmax_rows(Index rows, Index cols, const Real* x, Id* y) {
  parallel_for(rows, std::max<Index>(1, detail::reduction_block / std::max<Index>(1, cols)), [=](Index begin, Index end) {
    for (Index row = begin; row < end; ++row) {
      const Real* const from = x + row * cols;
      Index best = 0;
      for (Index j = 1; j < cols; ++j)
        if (detail::before(from[j], from[best])) best = j;
      y[row] = static_cast<Id>(best);
    }
  });
}

// values and ids (rows,k): the k greatest elements in descending order, equal ones by rising id; k <= cols
template <class Real>
void topk_rows(Index rows, Index cols, Index k, const Real* x, Real* values, Id* ids) {
  if (k == 0) return;
  parallel_for(rows, std::max<Index>(1, detail::reduction_block / std::max<Index>(1, cols)), [=](Index begin, Index end) {
    for (Index row = begin; row < end; ++row) {
      Real* const best = values + row * k;
      Id* const id = ids + row * k;
      for (Index j = 0; j < cols; ++j) {
        const Real value = x[row * cols + j];
        Index place = std::min(j, k);
        if (place == k && !detail::before(value, best[k - 1])) continue;
        if (place == k) --place;
        for (; place > 0 && detail::before(value, best[place - 1]); --place) {
          best[place] = best[place - 1];
          id[place] = id[place - 1];
        }
        best[place] = value;
        id[place] = static_cast<Id>(j);
      }
    }
  });
}

// Σ x², in double, in fixed blocks that are added in order
template <class Real>
double sum_squares(Index n, const Real* x) {
  std::vector<double> sums(static_cast<std::size_t>((n + detail::reduction_block - 1) / detail::reduction_block));
  parallel_for(n, detail::reduction_block, [&](Index begin, Index end) {
    dispatch<detail::SumSquares>(begin, end, x, &sums[static_cast<std::size_t>(begin / detail::reduction_block)]);
  });
  double total = 0;
  for (const double part : sums) total += part;
  return total;
}

// False if any element is NaN or infinite
template <class Real>
bool all_finite(Index n, const Real* x) {
  std::atomic<bool> finite{true};
  parallel_for(n, detail::reduction_block, [&](Index begin, Index end) {
    bool block_finite = true;
    dispatch<detail::AllFinite>(end - begin, x + begin, &block_finite);
    if (!block_finite) finite = false;
  });
  return finite;
}

}  // namespace cmoe::cpu
#pragma GCC diagnostic pop
