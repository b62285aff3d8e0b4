// The mathematics of single numbers, under the names that packs use too: a formula f(const auto& x) takes either.
// Formulas are constexpr because nvcc lets kernels call what is; no compiler evaluates them.
#pragma once

#include <cmath>
#include <concepts>

#include "cmoe/core/compiler.hpp"

namespace cmoe {

// The number type of a value: Real for Real itself; a pack adds its own case.
template <class T>
struct RealOf {
  using type = T;
};
template <class T>
using real_of = typename RealOf<T>::type;

using std::exp;
using std::expm1;
using std::log;
using std::log1p;
using std::sqrt;
using std::tanh;
using std::erf;
using std::abs;
using std::fma;

// yes or no by a condition; on packs number by number.
template <std::floating_point Real>
constexpr Real select(bool condition, Real yes, Real no) {
  return condition ? yes : no;
}

// As on packs: the second operand if either is NaN.
template <std::floating_point Real>
constexpr Real max(Real a, Real b) {
  return a > b ? a : b;
}
template <std::floating_point Real>
constexpr Real min(Real a, Real b) {
  return a < b ? a : b;
}

// 1 / (1 + exp(−x)) without overflow.
template <std::floating_point Real>
constexpr Real sigmoid(Real x) {
  const Real e = std::exp(-std::abs(x));
  return (x < 0 ? e : Real(1)) / (1 + e);
}

// log(1 + exp(x)) without overflow.
template <std::floating_point Real>
constexpr Real softplus(Real x) {
  return max(x, Real(0)) + std::log1p(std::exp(-std::abs(x)));
}

// log(1 / (1 + exp(−x))) without overflow.
template <std::floating_point Real>
constexpr Real log_sigmoid(Real x) {
  return -softplus(-x);
}

}  // namespace cmoe
