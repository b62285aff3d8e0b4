// An expert of your own in ModuleFormer: a feed-forward expert with a gate inside, y = (silu(x G) ⊙ x U) D, in place of the plain one.
#include <cstdio>

#include "cmoe/cpu/cpu.hpp"
#include "letters.hpp"

using namespace cmoe;
using B = Cpu<float>;

template <class RouterRecipe>
struct GatedExperts {
  struct Config {
    Index hidden = 32;  // F
    typename RouterRecipe::Config router = {};
  };

  template <class B>
    requires Router<RouterRecipe, B>
  struct On {
    typename RouterRecipe::template On<B> router;
    ExpertWeights<B> gate, up, down;  // (E,C,F), (E,C,F), (E,F,C): all experts in one array each

    On(Index width, const Config& config, double residual_scale, const Rng& rng)
        : router(width, config.router, rng.fork("router")),
          gate(config.router.experts, width, config.hidden, 1 / std::sqrt(static_cast<double>(width)), rng.fork("gate")),
          up(config.router.experts, width, config.hidden, 1 / std::sqrt(static_cast<double>(width)), rng.fork("up")),
          down(config.router.experts, config.hidden, width, residual_scale / std::sqrt(static_cast<double>(config.hidden)), rng.fork("down")) {}

    // Tokens go to their experts, one product computes all experts, and the results come back weighted.
    Routed<B> operator()(const Tensor<B>& x, const Flow<B>& flow = {}) const {  // (N,T,C) -> (N,T,C)
      const Tensor<B> rows = reshape(x, {x.shape().rows(), x.shape().cols()});   // (n,C)
      Routing<B> routing = router(rows, flow);
      const ExpertOrder<B> order(routing.chosen, router.experts());
      const Tensor<B> sorted = to_experts(rows, order);  // (n·k,C)
      const Tensor<B> h = silu(grouped_matmul(sorted, gate.all(), order.offsets)) * grouped_matmul(sorted, up.all(), order.offsets);
      const Tensor<B> y = from_experts(grouped_matmul(h, down.all(), order.offsets), routing.weights, order);
      return {reshape(y, x.shape()), std::move(routing)};
    }

    using Backend = B;
    static void visit(auto& self, auto&& v) { v("router", self.router), v("gate", self.gate), v("up", self.up), v("down", self.down); }
  };
};

using MyModuleFormer = ModularDecoder<ModularBlock<MixtureOfAttention<StickBreaking, TopK>, GatedExperts<TopK>>>;

int main() {
  MyModuleFormer::Config config{.vocabulary = 8, .width = 24, .layers = 2};
  config.block.mix = {.size = 24, .heads = 2, .router = {.experts = 4, .chosen = 2}};
  config.block.feed = {.hidden = 16, .router = {.experts = 4, .chosen = 2}};
  MyModuleFormer::On<B> model(config, Rng(3));
  const double before = letters::learn<B>(model, 0), after = letters::learn<B>(model, 200);
  std::printf("next letters right: %s before, %s after\n", before < 30 ? "hardly any" : "many", after > 90 ? "nearly all" : "few");
}
