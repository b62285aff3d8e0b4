// Softmax and log-sum-exp of each row, with their gradients.
#pragma once

#include "cmoe/cpu/rowwise.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"

namespace cmoe::cpu {

namespace detail {

struct Softmax {
  template <int Bytes, class Real>
  [[gnu::always_inline]] static void run(Index begin, Index end, Index cols, const Real* x, Real* y) {
    using P = Pack<Real, Bytes>;
    for (Index row = begin; row < end; ++row) {
      const Real* const from = x + row * cols;
      Real* const to = y + row * cols;
      const Real greatest = max_of_row<P>(cols, from);
      const Real total = sum_of_row<P>(cols, [&](Index i, Index rest) __attribute__((always_inline)) {
        const P e = exp(P::load(from + i, rest, -std::numeric_limits<Real>::infinity()) - greatest);
        e.store(to + i, rest);
        return e;
      });
      for (Index i = 0; i < cols; i += P::width) (P::load(to + i, cols - i) * (1 / total)).store(to + i, cols - i);
    }
  }
};

struct SoftmaxBack {
  template <int Bytes, class Real>
  [[gnu::always_inline]] static void run(Index begin, Index end, Index cols, const Real* y, const Real* dy, Real* dx) {
    using P = Pack<Real, Bytes>;
    for (Index at = begin * cols; at < end * cols; at += cols) {
      const Real dot = sum_of_row<P>(cols, [&](Index i, Index rest) __attribute__((always_inline)) {
        return P::load(y + at + i, rest) * P::load(dy + at + i, rest);
      });
      for (Index i = 0; i < cols; i += P::width)
        (P::load(y + at + i, cols - i) * (P::load(dy + at + i, cols - i) - dot)).store(dx + at + i, cols - i);
    }
  }
};

struct LogSumExp {
  template <int Bytes, class Real>
  [[gnu::always_inline]] static void run(Index begin, Index end, Index cols, const Real* x, Real* y) {
    for (Index row = begin; row < end; ++row) y[row] = logsumexp_of_row<Pack<Real, Bytes>>(cols, x + row * cols);
  }
};

struct LogSumExpBack {
  template <int Bytes, class Real>
  [[gnu::always_inline]] static void run(Index begin, Index end, Index cols, const Real* x, const Real* y, const Real* dy,
                                         Real* dx) {
    using P = Pack<Real, Bytes>;
    for (Index row = begin; row < end; ++row) {
      const Real shift = y[row] == -std::numeric_limits<Real>::infinity() ? 0 : y[row];
      const Real* const from = x + row * cols;
      for (Index i = 0; i < cols; i += P::width)
        (dy[row] * exp(P::load(from + i, cols - i) - shift)).store(dx + row * cols + i, cols - i);
    }
  }
};

}  // namespace detail

// y_j = e^{x_j} / Σ_l e^{x_l}; y may be x
template <class Real>
void softmax_rows(Index rows, Index cols, const Real* x, Real* y) {
  if (cols > 0) detail::for_rows<detail::Softmax>(rows, cols, x, y);
}

// dx = y ∘ (dy − Σ y ∘ dy); dx may be dy
template <class Real>
void softmax_rows_back(Index rows, Index cols, const Real* y, const Real* dy, Real* dx) {
  if (cols > 0) detail::for_rows<detail::SoftmaxBack>(rows, cols, y, dy, dx);
}

// y (rows) = log Σ_j e^{x_j}; −inf for a row that is empty or all −inf
template <class Real>
void logsumexp_rows(Index rows, Index cols, const Real* x, Real* y) {
  detail::for_rows<detail::LogSumExp>(rows, cols, x, y);
}

// dx_j = dy e^{x_j − y}; 0 for a row that is all −inf
template <class Real>
void logsumexp_rows_back(Index rows, Index cols, const Real* x, const Real* y, const Real* dy, Real* dx) {
  detail::for_rows<detail::LogSumExpBack>(rows, cols, x, y, dy, dx);
}

}  // namespace cmoe::cpu
#pragma GCC diagnostic pop
