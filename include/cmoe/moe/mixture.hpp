// The feed-forward layer as a mixture of experts.
#pragma once

#include "cmoe/moe/expert.hpp"
#include "cmoe/moe/router.hpp"
#include "cmoe/ops/arithmetic.hpp"

namespace cmoe {

template <class B>
struct Routed {
  Tensor<B> y;         // what the layer gives
  Routing<B> routing;  // how it decided, for balance losses and statistics
};

// y_i = Σ_s p_s φ(x_i W₁[e_s]) W₂[e_s] over the chosen experts, φ = GELU (tanh form), no bias.       arXiv 2306.04640, released code
template <class RouterRecipe>
struct MixtureOfExperts {
  struct Config {
    Index hidden = 256;  // F
    typename RouterRecipe::Config router = {};
  };

  template <class B>
    requires Router<RouterRecipe, B>
  struct On {
    typename RouterRecipe::template On<B> router;
    ExpertWeights<B> up, down;  // (E,C,F), (E,F,C)

    On() = default;
    On(Index width, const Config& config, double residual_scale, const Rng& rng)
        : router(width, config.router, rng.fork("router")),
          up(config.router.experts, width, config.hidden, 1 / std::sqrt(static_cast<double>(width)), rng.fork("up")),
          down(config.router.experts, config.hidden, width, residual_scale / std::sqrt(static_cast<double>(config.hidden)), rng.fork("down")) {
      check(config.hidden > 0, ErrorKind::config, "mixture: hidden is ", config.hidden, ", it must be positive");
    }

    void insert(Index count, const Rng& rng, Insertion how = Insertion::zero_output) {
      if (how == Insertion::copies) {
        const std::vector<Index> sources = detail::draw_experts(count, router.experts(), rng.fork("sources"));
        router.insert_copies(sources, rng.fork("router"));
        up.insert_copies(sources);
        down.insert_copies(sources);
        return;
      }
      router.insert(count, rng.fork("router"));
      up.insert(count, 1 / std::sqrt(static_cast<double>(up.slabs[0].shape()[1])), rng.fork("up"));
      down.insert(count, 0, rng.fork("down"));
    }

    // x (N,T,C) -> (N,T,C)
    Routed<B> operator()(const Tensor<B>& x) const {
      const Tensor<B> rows = reshape(x, {x.shape().rows(), x.shape().cols()});
      Routing<B> routing = router(rows);
      const ExpertOrder<B> order(routing.chosen, router.experts());
      const Tensor<B> h = gelu_tanh(grouped_matmul(to_experts(rows, order), up.all(), order.offsets));  // (n·k,F)
      const Tensor<B> y = from_experts(grouped_matmul(h, down.all(), order.offsets), routing.weights, order);
      return {reshape(y, x.shape()), std::move(routing)};
    }

    static void visit(auto& self, auto&& v) {
      v("router", self.router);
      v("up", self.up);
      v("down", self.down);
    }
  };
};

}  // namespace cmoe
