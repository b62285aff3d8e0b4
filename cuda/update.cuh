// The step of AdamW in one pass over parameter, gradient and moments.
#pragma once

#include "execute.cuh"

namespace cmoe::cuda {

template <class Real>
struct AdamWBody {
  Real keep, rate, root;  // 1 − lr λ, lr / c1, 1 / √c2
  AdamWStep<Real> s;
  Real* p;
  const Real* g;
  Real *m, *v;
  constexpr void operator()(Index i) const {
    const Real gradient = g[i] * s.gradient_scale;
    const Real mean = s.beta1 * m[i] + (1 - s.beta1) * gradient;
    const Real square = s.beta2 * v[i] + (1 - s.beta2) * (gradient * gradient);
    m[i] = mean;
    v[i] = square;
    p[i] = keep * p[i] - rate * mean / (sqrt(square) * root + s.eps);
  }
};

template <class Real, class Machine>
void Updates<Real, Machine>::adamw(Index n, Real* p, const Real* g, Real* m, Real* v, const AdamWStep<Real>& s) {
  Execute<Machine>::each(n, AdamWBody<Real>{1 - s.lr * s.weight_decay, s.lr / s.correction1, 1 / std::sqrt(s.correction2), s, p, g, m, v});
}

}  // namespace cmoe::cuda
