// The feed-forward layer as a mixture of experts.
#pragma once

#include "cmoe/moe/expert.hpp"
#include "cmoe/moe/router.hpp"
#include "cmoe/ops/arithmetic.hpp"

namespace cmoe {

// What a routed layer gives.
template <class B>
struct Routed {
  Tensor<B> y;         // what the layer gives
  Routing<B> routing;  // how it decided, for balance losses and statistics
};

// y_i = Σ_s p_s φ(x_i W₁[e_s]) W₂[e_s] over the chosen experts, φ = GELU (tanh form), no bias.       arXiv 2306.04640, released code
// With a shared hidden size an always-on expert of the same form is added: y_i + φ(x_i U) D, outside of all routing.        as in PowerMoE
template <class RouterRecipe>
struct MixtureOfExperts {
  struct Config {
    Index hidden = 256;  // F
    typename RouterRecipe::Config router = {};
    Index shared_hidden = 0;  // of the expert that every token uses; 0: there is none
  };

  template <class B>
    requires Router<RouterRecipe, B>
  struct On {
    typename RouterRecipe::template On<B> router;
    ExpertWeights<B> up, down;         // (E,C,F), (E,F,C)
    Linear<B> shared_up, shared_down;  // empty without a shared expert

    On() = default;
    On(Index width, const Config& config, double residual_scale, const Rng& rng)
        : router(width, config.router, rng.fork("router")),
          up(config.router.experts, width, config.hidden, 1 / std::sqrt(static_cast<double>(width)), rng.fork("up")),
          down(config.router.experts, config.hidden, width, residual_scale / std::sqrt(static_cast<double>(config.hidden)), rng.fork("down")) {
      check(config.hidden > 0 && config.shared_hidden >= 0, ErrorKind::config, "mixture: hidden is ", config.hidden,
            ", it must be positive; shared_hidden is ", config.shared_hidden);
      if (config.shared_hidden == 0) return;
      shared_up = Linear<B>(width, config.shared_hidden, rng.fork("shared_up"));
      shared_down = Linear<B>(config.shared_hidden, width, rng.fork("shared_down"));
      using Real = typename B::Scalar;
      B::affine(shared_down.weight.size(), static_cast<Real>(residual_scale), shared_down.weight.data(), Real(0), shared_down.weight.data());
    }

    void insert(Index count, const Rng& rng, Insertion how = Insertion::zero_output) {
      detail::insert_experts(router, up, down, count, rng, how, "up", "down");
    }

    // Keeps the named experts, ascending. throws Error (config) if fewer stay than a token uses
    void keep(const std::vector<Index>& kept, Pruning how = Pruning::delete_rows) {
      router.keep(kept, how);
      up.keep(kept);
      down.keep(kept);
    }

    // x (N,T,C) -> (N,T,C)
    Routed<B> operator()(const Tensor<B>& x, const Flow<B>& flow = {}) const {
      const Tensor<B> rows = reshape(x, {x.shape().rows(), x.shape().cols()});
      Routing<B> routing = router(rows, flow);
      const ExpertOrder<B> order(routing.chosen, router.experts());
      const Tensor<B> h = gelu_tanh(grouped_matmul(to_experts(rows, order), up.all(), order.offsets));  // (n·k,F)
      Tensor<B> y = from_experts(grouped_matmul(h, down.all(), order.offsets), routing.weights, order);
      if (shared_up.weight) y = y + shared_down(gelu_tanh(shared_up(rows)));
      return {reshape(y, x.shape()), std::move(routing)};
    }

    using Backend = B;
    static void visit(auto& self, auto&& v) {
      v("router", self.router);
      v("up", self.up);
      v("down", self.down);
      v("shared_up", self.shared_up);
      v("shared_down", self.shared_down);
    }
  };
};

}  // namespace cmoe
