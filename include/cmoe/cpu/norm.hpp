// Layer norm and root-mean-square norm of each row, with their gradients.
#pragma once

#include "cmoe/cpu/rowwise.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"

namespace cmoe::cpu {

namespace detail {

struct LayerNorm {
  template <int Bytes, class Real>
  [[gnu::always_inline]] static void run(Index begin, Index end, Index cols, Real eps, const Real* x, const Real* gain,
                                         const Real* bias, Real* y, Real* mean, Real* rstd) {
    using P = Pack<Real, Bytes>;
    const auto count = static_cast<Real>(cols);
    for (Index row = begin; row < end; ++row) {
      const Real* const from = x + row * cols;
      const Real middle = sum_of_row<P>(cols, [&](Index i, Index rest) __attribute__((always_inline)) {
        return P::load(from + i, rest);
      }) / count;
      const Real squares = sum_of_row<P>(cols, [&](Index i, Index rest) __attribute__((always_inline)) {
        const P d = P::load(from + i, rest, middle) - middle;
        return d * d;
      });
      const Real scale = 1 / std::sqrt(squares / count + eps);
      for (Index i = 0; i < cols; i += P::width) {
        const P hat = (P::load(from + i, cols - i) - middle) * scale;
        fma(hat, P::load(gain + i, cols - i), P::load(bias + i, cols - i)).store(y + row * cols + i, cols - i);
      }
      mean[row] = middle;
      rstd[row] = scale;
    }
  }
};

// One row of either norm's way back: hat = (x − middle) scale, g = dy ∘ gain,
//     dx = scale (g − hat · mean(g ∘ hat) − mean(g) if the mean was subtracted),
// and dgain += dy ∘ hat, dbias += dy where they are wanted.
template <bool Centred, class P, class Real>
[[gnu::always_inline]] inline void norm_row_back(Index cols, const Real* x, const Real* gain, Real middle, Real scale,
                                                 const Real* dy, Real* dx, Real* dgain, Real* dbias) {
  const auto hat = [&](Index i, Index rest) __attribute__((always_inline)) {
    return (P::load(x + i, rest, middle) - middle) * scale;
  };
  const auto slope = [&](Index i, Index rest) __attribute__((always_inline)) {
    return gain ? P::load(dy + i, rest) * P::load(gain + i, rest) : P::load(dy + i, rest);
  };
  const auto count = static_cast<Real>(cols);
  const Real along = sum_of_row<P>(cols, [&](Index i, Index rest) __attribute__((always_inline)) {
    return slope(i, rest) * hat(i, rest);
  }) / count;
  const Real level = Centred ? sum_of_row<P>(cols, slope) / count : Real(0);
  for (Index i = 0; i < cols; i += P::width) {
    const Index rest = cols - i;
    const P h = hat(i, rest), d = P::load(dy + i, rest);
    (scale * (slope(i, rest) - level - h * along)).store(dx + i, rest);
    if (dgain) fma(d, h, P::load(dgain + i, rest)).store(dgain + i, rest);
    if (dbias) (d + P::load(dbias + i, rest)).store(dbias + i, rest);
  }
}

// sums holds dgain, then dbias
struct LayerNormBack {
  template <int Bytes, class Real>
  [[gnu::always_inline]] static void run(Index begin, Index end, Index cols, const Real* x, const Real* gain, const Real* mean,
                                         const Real* rstd, const Real* dy, Real* dx, Real* sums) {
    for (Index row = begin; row < end; ++row)
      norm_row_back<true, Pack<Real, Bytes>>(cols, x + row * cols, gain, mean[row], rstd[row], dy + row * cols, dx + row * cols,
                                             sums, sums + cols);
  }
};

struct RmsNorm {
  template <int Bytes, class Real>
  [[gnu::always_inline]] static void run(Index begin, Index end, Index cols, Real eps, const Real* x, const Real* gain, Real* y,
                                         Real* rstd) {
    using P = Pack<Real, Bytes>;
    for (Index row = begin; row < end; ++row) {
      const Real* const from = x + row * cols;
      const Real squares = sum_of_row<P>(cols, [&](Index i, Index rest) __attribute__((always_inline)) {
        const P value = P::load(from + i, rest);
        return value * value;
      });
      const Real scale = 1 / std::sqrt(squares / static_cast<Real>(cols) + eps);
      for (Index i = 0; i < cols; i += P::width) {
        const P hat = P::load(from + i, cols - i) * scale;
        (gain ? hat * P::load(gain + i, cols - i) : hat).store(y + row * cols + i, cols - i);
      }
      rstd[row] = scale;
    }
  }
};

struct RmsNormBack {
  template <int Bytes, class Real>
  [[gnu::always_inline]] static void run(Index begin, Index end, Index cols, const Real* x, const Real* gain, const Real* rstd,
                                         const Real* dy, Real* dx, Real* sums) {
    for (Index row = begin; row < end; ++row)
      norm_row_back<false, Pack<Real, Bytes>>(cols, x + row * cols, gain, Real(0), rstd[row], dy + row * cols, dx + row * cols,
                                              sums, static_cast<Real*>(nullptr));
  }
};

}  // namespace detail

// y = gain ∘ (x − mean) · rstd + bias, rstd = 1 / √(variance + eps); mean and rstd (rows) are kept for the way back
template <class Real>
void layer_norm(Index rows, Index cols, Real eps, const Real* x, const Real* gain, const Real* bias, Real* y, Real* mean,
                Real* rstd) {
  detail::for_rows<detail::LayerNorm>(rows, cols, eps, x, gain, bias, y, mean, rstd);
}

// dgain and dbias (cols) may be null
template <class Real>
void layer_norm_back(Index rows, Index cols, const Real* x, const Real* gain, const Real* mean, const Real* rstd,
                     const Real* dy, Real* dx, Real* dgain, Real* dbias) {
  std::vector<Real> sums(static_cast<std::size_t>(2 * cols));
  detail::sum_over_rows<detail::LayerNormBack>(rows, cols, 2 * cols, sums.data(), x, gain, mean, rstd, dy, dx);
  if (dgain) std::copy_n(sums.data(), cols, dgain);
  if (dbias) std::copy_n(sums.data() + cols, cols, dbias);
}

// y = gain ∘ x · rstd, rstd = 1 / √(mean of squares + eps) (rows); without a gain y = x · rstd
template <class Real>
void rms_norm(Index rows, Index cols, Real eps, const Real* x, const Real* gain, Real* y, Real* rstd) {
  detail::for_rows<detail::RmsNorm>(rows, cols, eps, x, gain, y, rstd);
}

// gain and dgain (cols) may be null
template <class Real>
void rms_norm_back(Index rows, Index cols, const Real* x, const Real* gain, const Real* rstd, const Real* dy, Real* dx,
                   Real* dgain) {
  std::vector<Real> sums(static_cast<std::size_t>(cols));
  detail::sum_over_rows<detail::RmsNormBack>(rows, cols, cols, sums.data(), x, gain, rstd, dy, dx);
  if (dgain) std::copy_n(sums.data(), cols, dgain);
}

}  // namespace cmoe::cpu
#pragma GCC diagnostic pop
