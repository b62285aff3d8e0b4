// Feed-forward layers.
#pragma once

#include "cmoe/nn/linear.hpp"

namespace cmoe {

// What bends between the maps of a feed-forward layer.
enum class Activation { silu, relu, gelu_tanh };

// y = (φ(x W_gate) · x W_up) W_down, or without a gate y = φ(x W_up) W_down          x (...,C), hidden size F          arXiv 2002.05202
// Map is the linear map in use: plain or adapted.
template <class B, class Map = Linear<B>>
struct FeedForward {
  Map gate, up, down;  // an empty gate: the layer is not gated
  Activation activation = Activation::silu;

  Tensor<B> operator()(const Tensor<B>& x, const Flow<B>& flow) const {
    if (gate.empty()) return down(activated(up(x, flow)), flow);
    if (activation == Activation::silu) return down(swiglu(gate(x, flow), up(x, flow)), flow);
    return down(activated(gate(x, flow)) * up(x, flow), flow);
  }

  static void visit(auto& self, auto&& v) {
    v("gate", self.gate);
    v("up", self.up);
    v("down", self.down);
  }

 private:
  Tensor<B> activated(const Tensor<B>& x) const {
    return activation == Activation::relu ? relu(x) : activation == Activation::silu ? silu(x) : gelu_tanh(x);
  }
};

// y = φ(x W_up + b) W_down + b, φ = GELU with the error function
template <class B, class Map = Linear<B>>
struct Mlp {
  Map up, down;

  Tensor<B> operator()(const Tensor<B>& x, const Flow<B>& flow) const { return down(gelu(up(x, flow)), flow); }

  static void visit(auto& self, auto&& v) {
    v("up", self.up);
    v("down", self.down);
  }
};

}  // namespace cmoe
