// Elementwise loops and updates in Eigen's words, the formulas applied to one number after another.
#pragma once

#include "cmoe/core/product.hpp"
#include "cmoe/core/scalar.hpp"
#include "cmoe/cpu/eigen.hpp"

namespace cmoe::cpu::eigen {

template <class Real>
using Array = Eigen::Map<Eigen::Array<Real, Eigen::Dynamic, 1>>;
template <class Real>
using ConstArray = Eigen::Map<const Eigen::Array<Real, Eigen::Dynamic, 1>>;

template <class F, class Real>
void map(Index n, const Real* x, Real* y) {
  Array<Real>(y, n) = ConstArray<Real>(x, n).unaryExpr([](Real v) { return static_cast<Real>(F::f(v)); });
}

template <class F, class Real>
void map_back(Index n, const Real* x, const Real* y, const Real* dy, Real* dx) {
  const auto slope = [](Real v, Real w) { return static_cast<Real>(F::df(v, w)); };
  Array<Real>(dx, n) = ConstArray<Real>(dy, n) * ConstArray<Real>(x, n).binaryExpr(ConstArray<Real>(y, n), slope);
}

template <class F, class Real>
void zip(Index n, const Real* a, const Real* b, Real* y) {
  const auto f = [](Real v, Real w) { return static_cast<Real>(F::f(v, w)); };
  Array<Real>(y, n) = ConstArray<Real>(a, n).binaryExpr(ConstArray<Real>(b, n), f);
}

template <class F, class Real>
void zip_broadcast(Index outer, Index mid, Index inner, const Real* a, const Real* b, Real* y) {
  for (Index i = 0; i < outer * mid; ++i)
    Array<Real>(y + i * inner, inner) =
        ConstArray<Real>(a + i * inner, inner).unaryExpr([&](Real v) { return static_cast<Real>(F::f(v, b[i % mid])); });
}

template <class F, class Real>
void zip_back(Index n, const Real* a, const Real* b, const Real* y, const Real* dy, Real* da, Real* db) {
  for (Index i = 0; i < n; ++i) {
    if (da) da[i] = static_cast<Real>(dy[i] * F::da(a[i], b[i], y[i]));
    if (db) db[i] = static_cast<Real>(dy[i] * F::db(a[i], b[i], y[i]));
  }
}

template <class Real>
void axpy(Index n, Real alpha, const Real* x, Real* y) {
  Array<Real>(y, n) += alpha * ConstArray<Real>(x, n);
}

template <class Real>
void adamw(Index n, Real* p, const Real* g, Real* m, Real* v, const AdamWStep<Real>& s) {
  const auto gradient = s.gradient_scale * ConstArray<Real>(g, n);
  Array<Real> value(p, n), mean(m, n), square(v, n);
  mean = s.beta1 * mean + (1 - s.beta1) * gradient;
  square = s.beta2 * square + (1 - s.beta2) * gradient.square();
  value -= s.lr * s.weight_decay * value;
  value -= s.lr * (mean / s.correction1) / ((square / s.correction2).sqrt() + s.eps);
}

template <class Real>
double sum_squares(Index n, const Real* x) {
  return ConstArray<Real>(x, n).template cast<double>().square().sum();
}

template <class Real>
bool all_finite(Index n, const Real* x) {
  return ConstArray<Real>(x, n).isFinite().all();
}

}  // namespace cmoe::cpu::eigen
