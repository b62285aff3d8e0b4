// Deltas: what is added to a frozen linear map, and the adapted map itself: y = W x + Σ_e g_e Δ_e(x).
#pragma once

#include <concepts>

#include "cmoe/nn/linear.hpp"

namespace cmoe {

// The recipe of a delta: Recipe::On<B> holds its parameters. `add` gives y + Δ(x) for y = W x; `grow` is called when a task is
// added and makes, appends or leaves alone.
template <class R, class B>
concept Delta = requires(const typename R::template On<B>& delta, typename R::template On<B>& own, const Tensor<B>& x,
                         const Flow<B>& flow, Index size, const typename R::Config& config, const Rng& rng) {
  { delta.add(x, x, flow) } -> std::same_as<Tensor<B>>;
  own.grow(size, size, config, rng);
};

// No delta: the map is the plain linear map and costs nothing more.
struct NoDelta {
  struct Config {};
  template <class B>
  struct On {
    Tensor<B> add(const Tensor<B>& y, const Tensor<B>&, const Flow<B>&) const { return y; }
    void grow(Index, Index, const auto&, const Rng&) {}
    using Backend = B;
    static void visit(auto&, auto&&) {}
  };
};

// A linear map with a delta on it. The base is the pretrained weight; the delta is what tasks add.
template <class B, class Recipe>
struct AdaptedLinear {
  Linear<B> base;
  typename Recipe::template On<B> delta;

  AdaptedLinear() = default;
  AdaptedLinear(Index in, Index out, const Rng& rng) : base(in, out, rng) {}

  Tensor<B> operator()(const Tensor<B>& x, const Flow<B>& flow) const { return delta.add(base(x), x, flow); }
  bool empty() const { return base.empty(); }

  static void visit(auto& self, auto&& v) {
    v("base", self.base);
    v("delta", self.delta);
  }
};

}  // namespace cmoe
