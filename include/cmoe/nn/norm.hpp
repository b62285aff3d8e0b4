// Normalisation layers.
#pragma once

#include "cmoe/nn/module.hpp"
#include "cmoe/ops/norm.hpp"

namespace cmoe {

// x / √(mean x² + ε) · weight over the last axis.
template <class B>
struct RmsNorm {
  Param<B> weight;  // (C)
  double epsilon = 1e-5;

  RmsNorm() = default;
  explicit RmsNorm(Index width, double eps = 1e-5) : weight({width}, 1), epsilon(eps) {}
  Tensor<B> operator()(const Tensor<B>& x) const { return rms_norm(x, weight, epsilon); }
  static void visit(auto& self, auto&& v) { v("weight", self.weight); }
};

// Which norm a configuration names.
enum class NormKind { rms, layer };

// The norm of a decoder whose configuration says which: layer norm has a bias, RMS norm has none.
template <class B>
struct Norm {
  Param<B> weight, bias;  // (C); no bias: RMS norm
  double epsilon = 1e-5;

  Norm() = default;
  Norm(NormKind kind, Index width, double eps) : weight({width}, 1), epsilon(eps) {
    if (kind == NormKind::layer) bias = Param<B>({width});
  }
  Tensor<B> operator()(const Tensor<B>& x) const { return bias ? layer_norm(x, weight, bias, epsilon) : rms_norm(x, weight, epsilon); }
  static void visit(auto& self, auto&& v) {
    v("weight", self.weight);
    v("bias", self.bias);
  }
};

// (x − mean) / √(variance + ε) · weight + bias over the last axis.
template <class B>
struct LayerNorm {
  Param<B> weight, bias;  // (C)
  double epsilon = 1e-5;

  LayerNorm() = default;
  explicit LayerNorm(Index width, double eps = 1e-5) : weight({width}, 1), bias({width}), epsilon(eps) {}
  Tensor<B> operator()(const Tensor<B>& x) const { return layer_norm(x, weight, bias, epsilon); }
  static void visit(auto& self, auto&& v) {
    v("weight", self.weight);
    v("bias", self.bias);
  }
};

}  // namespace cmoe
