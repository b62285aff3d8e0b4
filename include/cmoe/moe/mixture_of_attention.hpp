// The attention layer as a mixture: every expert has its own queries and outputs, all share keys and values.
#pragma once

#include "cmoe/attention/self_attention.hpp"
#include "cmoe/moe/mixture.hpp"

namespace cmoe {

// y_i = Σ_s p_s Attend(x_i W_q[e_s]; k, v) W_o[e_s], k = x W_k + b_k, v = x W_v + b_v         arXiv 2306.04640, released code
// H heads in each expert; the k chosen experts of a token attend with H·k query heads over the H shared key heads. One routing
// decision serves queries and outputs. Cost of the attention is that of k·H heads, whatever the number of experts.
// identity: k = v = x without any weights, as in the released models with one head of the model's width; a cache then keeps one
// array for both.
template <class Kind, class RouterRecipe>
struct MixtureOfAttention {
  struct Config {
    Index size = 128;  // a, the attention width of one expert
    Index heads = 4;   // H, divides size
    typename RouterRecipe::Config router = {};
    typename Kind::Config attention = {};
    bool identity = false;  // needs size = C and one head
  };

  template <class B>
    requires Router<RouterRecipe, B> && Attention<typename Kind::template On<B>, B>
  struct On {
    typename RouterRecipe::template On<B> router;
    ExpertWeights<B> query, output;  // (E,C,a), (E,a,C)
    Linear<B> key, value;            // (C,a), empty for identity
    typename Kind::template On<B> kind;
    Index size = 1, heads = 1;

    On() = default;
    On(Index width, const Config& config, double residual_scale, const Rng& rng)
        : router(width, config.router, rng.fork("router")),
          query(config.router.experts, width, config.size, 1 / std::sqrt(static_cast<double>(width)), rng.fork("query")),
          output(config.router.experts, config.size, width, residual_scale / std::sqrt(static_cast<double>(config.size)), rng.fork("output")),
          size(config.size),
          heads(config.heads) {
      check(config.heads > 0 && config.size > 0 && config.size % config.heads == 0, ErrorKind::config, "mixture of attention: size ",
            config.size, " in ", config.heads, " heads");
      check(!config.identity || (config.size == width && config.heads == 1), ErrorKind::config,
            "mixture of attention: keys and values that are the input itself need one head of width ", width, ", not ", config.heads,
            " heads in ", config.size);
      if (!config.identity) {
        key = Linear<B>(width, config.size, rng.fork("key"), true);
        value = Linear<B>(width, config.size, rng.fork("value"), true);
      }
      const Index head_size = config.size / config.heads;
      using KindOn = typename Kind::template On<B>;
      if constexpr (std::is_constructible_v<KindOn, const typename Kind::Config&, Index, Index>)
        kind = KindOn(config.attention, head_size, config.heads);
      else
        kind = KindOn(config.attention, head_size);
    }

    void insert(Index count, const Rng& rng, Insertion how = Insertion::zero_output) {
      detail::insert_experts(router, query, output, count, rng, how, "query", "output");
    }

    // Keeps the named experts, ascending. throws Error (config) if fewer stay than a token uses
    void keep(const std::vector<Index>& kept, Pruning how = Pruning::delete_rows) {
      router.keep(kept, how);
      query.keep(kept);
      output.keep(kept);
    }

    // What attends to what: the queries of the chosen experts and the keys of this call.
    struct Queries {
      Routing<B> routing;
      ExpertOrder<B> order;
      Tensor<B> q;  // (N,T,H·k,D), query head h·k + s belongs to key head h and slot s
    };
    Queries queries(const Tensor<B>& x, const Flow<B>& flow) const {
      const Index n = x.shape()[0], t = x.shape()[1], k = router.chosen, d = size / heads;
      const Tensor<B> rows = reshape(x, {n * t, x.shape()[2]});
      Routing<B> routing = router(rows, flow);
      ExpertOrder<B> order(routing.chosen, router.experts());
      const Tensor<B> q = to_slots(grouped_matmul(to_experts(rows, order), query.all(), order.offsets), order);  // (n·t,k,a)
      return {std::move(routing), std::move(order), reshape(swap_axes(reshape(q, {n * t, k, heads, d}), 1), {n, t, heads * k, d})};
    }
    Tensor<B> keys(const Tensor<B>& x) const { return by_head(key.weight ? key(x) : x); }        // (N,T,H,D)
    Tensor<B> values(const Tensor<B>& x) const { return by_head(value.weight ? value(x) : x); }  // (N,T,H,D)

    // x (N,T,C) -> (N,T,C)
    Routed<B> operator()(const Tensor<B>& x, const Flow<B>& flow) const {
      const Index n = x.shape()[0], t = x.shape()[1], k = router.chosen, d = size / heads, start = flow.cache ? flow.cache->length() : 0;
      auto [routing, order, q] = queries(x, flow);
      const auto [all_keys, all_values] = detail::with_cached(kind.positions(keys(x), start), values(x), flow);
      const Tensor<B> attended = kind(kind.positions(q, start), all_keys, all_values, flow);                      // (N,T,H·k,D)
      const Tensor<B> slots = reshape(swap_axes(reshape(attended, {n * t, heads, k, d}), 1), {n * t * k, size});  // slots before heads
      const Tensor<B> y = from_experts(grouped_matmul(from_slots(slots, order), output.all(), order.offsets), routing.weights, order);
      return {reshape(y, x.shape()), std::move(routing)};
    }

    using Backend = B;
    static void visit(auto& self, auto&& v) {
      v("router", self.router);
      v("query", self.query);
      v("key", self.key);
      v("value", self.value);
      v("output", self.output);
      v("kind", self.kind);
    }

   private:
    Tensor<B> by_head(const Tensor<B>& y) const { return reshape(y, {y.shape()[0], y.shape()[1], heads, size / heads}); }
  };
};

}  // namespace cmoe
