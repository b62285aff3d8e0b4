// The linear map.
#pragma once

#include <cmath>

#include "cmoe/nn/flow.hpp"
#include "cmoe/nn/init.hpp"
#include "cmoe/nn/module.hpp"
#include "cmoe/ops/arithmetic.hpp"
#include "cmoe/ops/matmul.hpp"

namespace cmoe {

// y = x W + b                       x (...,in), W (in,out), b (out) or none -> (...,out)
template <class B>
struct Linear {
  Param<B> weight, bias;

  Linear() = default;
  // W normal with deviation 1/√in, b zero.
  Linear(Index in, Index out, const Rng& rng, bool with_bias = false)
      : weight(init::normal<B>({in, out}, 1 / std::sqrt(static_cast<double>(in)), rng.fork("weight"))) {
    if (with_bias) bias = Param<B>({out});
  }
  // Not yet filled: whoever makes it assigns the weights.
  Linear(Index in, Index out) : weight(Array<B>({in, out})) {}

  Tensor<B> operator()(const Tensor<B>& x) const {
    const Tensor<B> y = weight.stored() ? matmul_stored(x, weight.stored().matrix) : matmul(x, weight);
    return bias ? y + bias : y;
  }
  Tensor<B> operator()(const Tensor<B>& x, const Flow<B>&) const { return (*this)(x); }

  bool empty() const { return !weight; }
  Index in() const { return weight.shape()[0]; }
  Index out() const { return weight.shape()[1]; }

  static void visit(auto& self, auto&& v) {
    v("weight", self.weight);
    v("bias", self.bias);
  }
};

}  // namespace cmoe
