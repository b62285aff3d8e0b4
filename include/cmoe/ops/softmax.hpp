// Softmax and its logarithmic sum.
#pragma once

#include "cmoe/autograd/tape.hpp"

namespace cmoe {

// p_c = exp(x_c) / Σ exp(x_c') over the last axis, shifted by the maximum. An entry of -inf gets 0; a row of only -inf gets NaN.
// gradient: dx = p (dp − Σ p dp);  keeps p
template <class B>
Tensor<B> softmax(const Tensor<B>& x) {
  const Index rows = x.shape().rows(), cols = x.shape().cols();
  Array<B> y(x.shape());
  B::softmax_rows(rows, cols, x.data(), y.data());
  return Tape<B>::record(y, {&x}, [rows, cols, y, dx = x.slot()](const Array<B>& dy) {
    Array<B> gradient(y.shape());
    B::softmax_rows_back(rows, cols, y.data(), dy.data(), gradient.data());
    dx.add(std::move(gradient));
  });
}

// log Σ exp(x_c) over the last axis: (...,C) -> (...)
template <class B>
Tensor<B> logsumexp(const Tensor<B>& x) {
  check(x.shape().rank() >= 1, "logsumexp: ", x.shape(), " has no axis");
  Shape shape;
  for (int i = 0; i + 1 < x.shape().rank(); ++i) shape.push_back(x.shape()[i]);
  const Index rows = x.shape().rows(), cols = x.shape().cols();
  Array<B> y(shape);
  B::logsumexp_rows(rows, cols, x.data(), y.data());
  return Tape<B>::record(y, {&x}, [rows, cols, x = x.value(), y, dx = x.slot()](const Array<B>& dy) {
    Array<B> gradient(x.shape());
    B::logsumexp_rows_back(rows, cols, x.data(), y.data(), dy.data(), gradient.data());
    dx.add(std::move(gradient));
  });
}

}  // namespace cmoe
