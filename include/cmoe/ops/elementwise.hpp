// Elementwise operations of one argument.
#pragma once

#include "cmoe/autograd/tape.hpp"
#include "cmoe/core/functors.hpp"

namespace cmoe {

// y = F::f(x) for every element; any shape. Keeps x and y for the way back.
template <class F, class B>
Tensor<B> map(const Tensor<B>& x) {
  Array<B> y(x.shape());
  B::template map<F>(x.size(), x.data(), y.data());
  return Tape<B>::record(y, {&x}, [x = x.value(), y, dx = x.slot()](const Array<B>& dy) {
    Array<B> gradient(x.shape());
    B::template map_back<F>(x.size(), x.data(), y.data(), dy.data(), gradient.data());
    dx.add(std::move(gradient));
  });
}

// The formulas of core/functors.hpp under their names; any shape, y has that of x.
template <class B> Tensor<B> operator-(const Tensor<B>& x) { return map<fn::Negate>(x); }
template <class B> Tensor<B> square(const Tensor<B>& x) { return map<fn::Square>(x); }
template <class B> Tensor<B> exp(const Tensor<B>& x) { return map<fn::Exp>(x); }
template <class B> Tensor<B> log(const Tensor<B>& x) { return map<fn::Log>(x); }
template <class B> Tensor<B> tanh(const Tensor<B>& x) { return map<fn::Tanh>(x); }
template <class B> Tensor<B> sigmoid(const Tensor<B>& x) { return map<fn::Sigmoid>(x); }
template <class B> Tensor<B> softplus(const Tensor<B>& x) { return map<fn::Softplus>(x); }
template <class B> Tensor<B> relu(const Tensor<B>& x) { return map<fn::Relu>(x); }
template <class B> Tensor<B> silu(const Tensor<B>& x) { return map<fn::Silu>(x); }
template <class B> Tensor<B> gelu(const Tensor<B>& x) { return map<fn::Gelu>(x); }
template <class B> Tensor<B> gelu_tanh(const Tensor<B>& x) { return map<fn::GeluTanh>(x); }

// y = alpha x + beta
template <class B>
Tensor<B> affine(const Tensor<B>& x, std::type_identity_t<typename B::Scalar> alpha, std::type_identity_t<typename B::Scalar> beta) {
  using Real = typename B::Scalar;
  Array<B> y(x.shape());
  B::affine(x.size(), alpha, x.data(), beta, y.data());
  return Tape<B>::record(std::move(y), {&x}, [alpha, dx = x.slot()](const Array<B>& dy) {
    Array<B> gradient(dy.shape());
    B::affine(dy.size(), alpha, dy.data(), Real(0), gradient.data());
    dx.add(std::move(gradient));
  });
}

// Keeps each element with probability 1 - p and divides it by that; the choice is a function of (key, position).
// throws Error unless 0 <= p < 1
template <class B>
Tensor<B> dropout(const Tensor<B>& x, double p, std::uint64_t key) {
  check(p >= 0 && p < 1, ErrorKind::config, "dropout: the probability ", p, " is not in [0,1)");
  if (p == 0) return x;
  Array<B> y(x.shape());
  B::dropout(x.size(), p, key, x.data(), y.data());
  return Tape<B>::record(std::move(y), {&x}, [p, key, dx = x.slot()](const Array<B>& dy) {
    Array<B> gradient(dy.shape());
    B::dropout(dy.size(), p, key, dy.data(), gradient.data());
    dx.add(std::move(gradient));
  });
}

}  // namespace cmoe
