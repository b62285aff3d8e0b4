// Sums, differences, products and quotients of two tensors, and of a tensor with a number.
#pragma once

#include "cmoe/ops/elementwise.hpp"

namespace cmoe {

namespace detail {

// How b repeats over a: a is seen as (outer, mid, inner), b as (mid). The sizes of b that are not 1 must be a run of a's sizes.
struct Broadcast {
  Index outer = 1, mid = 1, inner = 1;
};

inline Broadcast broadcast(const char* op, const Shape& a, const Shape& b) {
  const auto mismatch = [&] { fail(ErrorKind::shape, op, ": ", b, " does not repeat over ", a); };
  if (b.rank() > a.rank()) mismatch();
  const int lead = a.rank() - b.rank();
  Broadcast plan;
  int part = 0;  // 0: outer, 1: mid, 2: inner
  for (int i = 0; i < a.rank(); ++i) {
    const Index n = i < lead ? 1 : b[i - lead];
    if (n != 1 && n != a[i]) mismatch();
    if (n != 1 && part == 2) mismatch();  // a second run of sizes
    if (n != 1) part = 1;
    else if (part == 1 && a[i] != 1) part = 2;
    (part == 0 ? plan.outer : part == 1 ? plan.mid : plan.inner) *= a[i];
  }
  return plan;
}

// The result of F as its derivatives want it: kept, or nothing, in whose place any array of its size may be read.
template <class B>
struct KeptResult {
  Array<B> y;
  const Array<B>& or_any(const Array<B>&) const { return y; }
};
struct NoResult {
  template <class B>
  const Array<B>& or_any(const Array<B>& other) const {
    return other;
  }
};
template <class F, class B>
auto kept_result(const Array<B>& y) {
  if constexpr (requires { F::reads_result; }) return KeptResult<B>{y};
  else return NoResult{};
}

}  // namespace detail

// y = F::f(a, b). b has the shape of a, or repeats over it: (C) and (T,1) both do over (T,C). The result has the shape of a.
// throws Error if b does not repeat over a
template <class F, class B>
Tensor<B> zip(const char* op, const Tensor<B>& a, const Tensor<B>& b) {
  Array<B> y(a.shape());
  const auto kept = detail::kept_result<F>(y);
  if (a.shape() == b.shape()) {
    B::template zip<F>(a.size(), a.data(), b.data(), y.data());
    return Tape<B>::record(std::move(y), {&a, &b}, [a = a.value(), b = b.value(), kept, da = a.slot(), db = b.slot()](const Array<B>& dy) {
      Array<B> ga, gb;
      if (da) ga = Array<B>(a.shape());
      if (db) gb = Array<B>(b.shape());
      B::template zip_back<F>(a.size(), a.data(), b.data(), kept.or_any(a).data(), dy.data(), ga.data(), gb.data());
      if (da) da.add(std::move(ga));
      if (db) db.add(std::move(gb));
    });
  }
  const detail::Broadcast plan = detail::broadcast(op, a.shape(), b.shape());
  B::template zip_broadcast<F>(plan.outer, plan.mid, plan.inner, a.data(), b.data(), y.data());
  return Tape<B>::record(std::move(y), {&a, &b}, [plan, a = a.value(), b = b.value(), kept, da = a.slot(), db = b.slot()](const Array<B>& dy) {
    Array<B> full(a.shape()), ga, gb;  // b repeated, then the gradient of each place
    B::template zip_broadcast<fn::Second>(plan.outer, plan.mid, plan.inner, a.data(), b.data(), full.data());
    if (da) ga = Array<B>(a.shape());
    if (db) gb = Array<B>(a.shape());
    B::template zip_back<F>(a.size(), a.data(), full.data(), kept.or_any(a).data(), dy.data(), ga.data(), gb.data());
    if (da) da.add(std::move(ga));
    if (!db) return;
    Array<B> sum(b.shape());
    B::reduce_broadcast(plan.outer, plan.mid, plan.inner, gb.data(), sum.data());
    db.add(std::move(sum));
  });
}

// Sums and differences pass dy on: nothing is kept, and nothing but the sum over a repeated b is computed on the way back.
template <class F, class B>
Tensor<B> zip_linear(const char* op, const Tensor<B>& a, const Tensor<B>& b, typename B::Scalar sign) {
  using Real = typename B::Scalar;
  Array<B> y(a.shape());
  if (a.shape() == b.shape()) {
    B::template zip<F>(a.size(), a.data(), b.data(), y.data());
    return Tape<B>::record(std::move(y), {&a, &b}, [sign, da = a.slot(), db = b.slot()](Array<B>&& dy) {
      if (db && sign == Real(1)) db.add(dy);
      if (db && sign != Real(1)) {
        Array<B> gradient(dy.shape());
        B::affine(dy.size(), sign, dy.data(), Real(0), gradient.data());
        db.add(std::move(gradient));
      }
      da.add(std::move(dy));
    });
  }
  const detail::Broadcast plan = detail::broadcast(op, a.shape(), b.shape());
  B::template zip_broadcast<F>(plan.outer, plan.mid, plan.inner, a.data(), b.data(), y.data());
  return Tape<B>::record(std::move(y), {&a, &b}, [plan, sign, shape = b.shape(), da = a.slot(), db = b.slot()](Array<B>&& dy) {
    if (db) {
      Array<B> gradient(shape);
      B::reduce_broadcast(plan.outer, plan.mid, plan.inner, dy.data(), gradient.data());
      if (sign != Real(1)) B::affine(gradient.size(), sign, gradient.data(), Real(0), gradient.data());
      db.add(std::move(gradient));
    }
    da.add(std::move(dy));
  });
}

template <class B> Tensor<B> operator+(const Tensor<B>& a, const Tensor<B>& b) { return zip_linear<fn::Add>("+", a, b, 1); }
template <class B> Tensor<B> operator-(const Tensor<B>& a, const Tensor<B>& b) { return zip_linear<fn::Subtract>("-", a, b, -1); }
template <class B> Tensor<B> operator*(const Tensor<B>& a, const Tensor<B>& b) { return zip<fn::Multiply>("*", a, b); }
template <class B> Tensor<B> operator/(const Tensor<B>& a, const Tensor<B>& b) { return zip<fn::Divide>("/", a, b); }

// silu(gate) · up, the gate of a SwiGLU                                  arXiv 2002.05202
template <class B>
Tensor<B> swiglu(const Tensor<B>& gate, const Tensor<B>& up) {
  Tensor<B> y = zip<fn::SwiGlu>("swiglu", gate, up);
  if (gate.shape() == up.shape() && y.wants_gradient())
    y.recompute([a = gate.value(), b = up.value()] {
      Array<B> again(a.shape());
      B::template zip<fn::SwiGlu>(a.size(), a.data(), b.data(), again.data());
      return again;
    });
  return y;
}

template <class B> using ScalarOf = std::type_identity_t<typename B::Scalar>;
template <class B> Tensor<B> operator*(const Tensor<B>& x, ScalarOf<B> s) { return affine(x, s, 0); }
template <class B> Tensor<B> operator*(ScalarOf<B> s, const Tensor<B>& x) { return affine(x, s, 0); }
template <class B> Tensor<B> operator/(const Tensor<B>& x, ScalarOf<B> s) { return affine(x, 1 / s, 0); }
template <class B> Tensor<B> operator+(const Tensor<B>& x, ScalarOf<B> s) { return affine(x, 1, s); }
template <class B> Tensor<B> operator-(const Tensor<B>& x, ScalarOf<B> s) { return affine(x, 1, -s); }

}  // namespace cmoe
