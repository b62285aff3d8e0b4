// Updates in place: y += alpha x, and the step of AdamW in one pass over parameter, gradient and moments.
#pragma once

#include "cmoe/core/parallel.hpp"
#include "cmoe/core/product.hpp"
#include "cmoe/cpu/isa.hpp"
#include "cmoe/cpu/pack.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"

namespace cmoe::cpu {

namespace detail {

struct Axpy {
  template <int Bytes, class Real>
  [[gnu::always_inline]] static void run(Index n, Real alpha, const Real* x, Real* y) {
    using P = Pack<Real, Bytes>;
    for (Index i = 0; i < n; i += P::width)
      fma(P(alpha), P::load(x + i, n - i), P::load(y + i, n - i)).store(y + i, n - i);
  }
};

struct AdamW {
  template <int Bytes, class Real>
  [[gnu::always_inline]] static void run(Index n, Real* p, const Real* g, Real* m, Real* v, const AdamWStep<Real>* step) {
    using P = Pack<Real, Bytes>;
    const AdamWStep<Real> s = *step;
    const Real keep = 1 - s.lr * s.weight_decay, rate = s.lr / s.correction1, root = 1 / std::sqrt(s.correction2);
    for (Index i = 0; i < n; i += P::width) {
      const P gradient = P::load(g + i, n - i) * s.gradient_scale;
      const P mean = s.beta1 * P::load(m + i, n - i) + (1 - s.beta1) * gradient;
      const P square = s.beta2 * P::load(v + i, n - i) + (1 - s.beta2) * (gradient * gradient);
      mean.store(m + i, n - i);
      square.store(v + i, n - i);
      (keep * P::load(p + i, n - i) - rate * mean / (sqrt(square) * root + s.eps)).store(p + i, n - i);
    }
  }
};

inline constexpr Index update_grain = 16384;

}  // namespace detail

// y += alpha x
template <class Real>
void axpy(Index n, Real alpha, const Real* x, Real* y) {
  parallel_for(n, detail::update_grain,
               [=](Index begin, Index end) { dispatch<detail::Axpy>(end - begin, alpha, x + begin, y + begin); });
}

// One step of AdamW, arXiv 1711.05101, in the form of torch:
//     m = β1 m + (1 − β1) g,   v = β2 v + (1 − β2) g²
//     p = p − lr λ p − lr (m / c1) / (√(v / c2) + eps),   c1 = 1 − β1^t, c2 = 1 − β2^t
template <class Real>
void adamw(Index n, Real* p, const Real* g, Real* m, Real* v, const AdamWStep<Real>& step) {
  parallel_for(n, detail::update_grain, [=, &step](Index begin, Index end) {
    dispatch<detail::AdamW>(end - begin, p + begin, g + begin, m + begin, v + begin, &step);
  });
}

}  // namespace cmoe::cpu
#pragma GCC diagnostic pop
