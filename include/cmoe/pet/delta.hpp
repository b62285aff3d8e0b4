// Deltas: what is added to a frozen linear map, and the adapted map itself: y = W x + Σ_e g_e Δ_e(x).
#pragma once

#include <concepts>
#include <string>

#include "cmoe/nn/linear.hpp"

namespace cmoe {

// Gives y + Δ(x) for y = W x.
template <class D, class B>
concept AddsToMap = requires(const D& delta, const Tensor<B>& x, const Flow<B>& flow) {
  { delta.add(x, x, flow) } -> std::same_as<Tensor<B>>;
};

// Stands in the map's place, for deltas that are no sum with W x: `apply` gives the adapted map's output.
template <class D, class B>
concept ReplacesMap = requires(const D& delta, const Linear<B>& base, const Tensor<B>& x, const Flow<B>& flow) {
  { delta.apply(base, x, flow) } -> std::same_as<Tensor<B>>;
};

// The recipe of a delta: Recipe::On<B> holds its parameters and has `add` or `apply`. `grow` is called when a task is added and makes,
// appends or leaves alone; it gets the map's sizes, or the map itself and its name in the block ("query", "down") where it asks for them.
template <class R, class B>
concept Delta = (AddsToMap<typename R::template On<B>, B> || ReplacesMap<typename R::template On<B>, B>) &&
                (requires(typename R::template On<B>& own, Index size, const typename R::Config& config, const Rng& rng) {
                  own.grow(size, size, config, rng);
                } || requires(typename R::template On<B>& own, const Linear<B>& base, const typename R::Config& config, const Rng& rng) {
                  own.grow(base, "query", config, rng);
                });

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
  using Delta = typename Recipe::template On<B>;

  Linear<B> base;
  Delta delta;

  AdaptedLinear() = default;
  AdaptedLinear(Index in, Index out, const Rng& rng) : base(in, out, rng) {}

  Tensor<B> operator()(const Tensor<B>& x, const Flow<B>& flow) const {
    if constexpr (ReplacesMap<Delta, B>) return delta.apply(base, x, flow);
    else return delta.add(base(x), x, flow);
  }

  void grow(const std::string& name, const typename Recipe::Config& config, const Rng& rng) {
    if constexpr (requires { delta.grow(base, name, config, rng); }) delta.grow(base, name, config, rng);
    else delta.grow(base.in(), base.out(), config, rng);
  }
  bool empty() const { return base.empty(); }

  static void visit(auto& self, auto&& v) {
    v("base", self.base);
    v("delta", self.delta);
  }
};

}  // namespace cmoe
