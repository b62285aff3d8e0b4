// The attention layer as a mixture: every expert has its own queries and outputs, all share keys and values.
#pragma once

#include "cmoe/attention/self_attention.hpp"
#include "cmoe/moe/mixture.hpp"

namespace cmoe {

// y_i = Σ_s p_s Attend(x_i W_q[e_s]; k, v) W_o[e_s], k = x W_k + b_k, v = x W_v + b_v         arXiv 2306.04640, released code
// H heads in each expert; the k chosen experts of a token attend with H·k query heads over the H shared key heads. One routing
// decision serves queries and outputs. Cost of the attention is that of k·H heads, whatever the number of experts.
template <class Kind, class RouterRecipe>
struct MixtureOfAttention {
  struct Config {
    Index size = 128;  // a, the attention width of one expert
    Index heads = 4;   // H, divides size
    typename RouterRecipe::Config router = {};
    typename Kind::Config attention = {};
  };

  template <class B>
    requires Router<RouterRecipe, B> && Attention<typename Kind::template On<B>, B>
  struct On {
    typename RouterRecipe::template On<B> router;
    ExpertWeights<B> query, output;  // (E,C,a), (E,a,C)
    Linear<B> key, value;            // (C,a)
    typename Kind::template On<B> kind;
    Index heads = 1;

    On() = default;
    On(Index width, const Config& config, double residual_scale, const Rng& rng)
        : router(width, config.router, rng.fork("router")),
          query(config.router.experts, width, config.size, 1 / std::sqrt(static_cast<double>(width)), rng.fork("query")),
          output(config.router.experts, config.size, width, residual_scale / std::sqrt(static_cast<double>(config.size)), rng.fork("output")),
          key(width, config.size, rng.fork("key"), true),
          value(width, config.size, rng.fork("value"), true),
          kind(config.attention, config.size / std::max<Index>(config.heads, 1)),
          heads(config.heads) {
      check(config.heads > 0 && config.size > 0 && config.size % config.heads == 0, ErrorKind::config, "mixture of attention: size ",
            config.size, " in ", config.heads, " heads");
    }

    void insert(Index count, const Rng& rng, Insertion how = Insertion::zero_output) {
      if (how == Insertion::copies) {
        const std::vector<Index> sources = detail::draw_experts(count, router.experts(), rng.fork("sources"));
        router.insert_copies(sources, rng.fork("router"));
        query.insert_copies(sources);
        output.insert_copies(sources);
        return;
      }
      router.insert(count, rng.fork("router"));
      query.insert(count, 1 / std::sqrt(static_cast<double>(query.slabs[0].shape()[1])), rng.fork("query"));
      output.insert(count, 0, rng.fork("output"));
    }

    // x (N,T,C) -> (N,T,C)
    Routed<B> operator()(const Tensor<B>& x, const Flow<B>& flow) const {
      const Index n = x.shape()[0], t = x.shape()[1], c = x.shape()[2], k = router.chosen, h = heads;
      const Index a = key.out(), d = a / h, start = flow.cache ? flow.cache->length() : 0;
      const Tensor<B> rows = reshape(x, {n * t, c});
      Routing<B> routing = router(rows);
      const ExpertOrder<B> order(routing.chosen, router.experts());
      // Query head h·k + s belongs to key head h: the slots of a token stand behind its heads.
      const auto heads_first = [&](const Tensor<B>& y) { return reshape(swap_axes(reshape(y, {n * t, k, h, d}), 1), {n, t, h * k, d}); };
      const auto slots_first = [&](const Tensor<B>& y) { return reshape(swap_axes(reshape(y, {n * t, h, k, d}), 1), {n * t * k, a}); };
      const Tensor<B> q = heads_first(to_slots(grouped_matmul(to_experts(rows, order), query.all(), order.offsets), order));
      const auto split = [&](const Tensor<B>& y) { return reshape(y, {n, t, h, d}); };
      const auto [keys, values] = detail::with_cached(kind.positions(split(key(x)), start), split(value(x)), flow);
      const Tensor<B> attended = kind(kind.positions(q, start), keys, values, flow);                  // (N,T,H·k,D)
      const Tensor<B> sorted = from_slots(slots_first(attended), order);                               // (n·k,a)
      const Tensor<B> y = from_experts(grouped_matmul(sorted, output.all(), order.offsets), routing.weights, order);
      return {reshape(y, x.shape()), std::move(routing)};
    }

    static void visit(auto& self, auto&& v) {
      v("router", self.router);
      v("query", self.query);
      v("key", self.key);
      v("value", self.value);
      v("output", self.output);
    }
  };
};

}  // namespace cmoe
