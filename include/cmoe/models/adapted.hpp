// A pretrained decoder with deltas: PMoE, DAPT and SETA are this one model with three choices, and so is the plain decoder.
#pragma once

#include <array>
#include <cmath>
#include <utility>

#include "cmoe/attention/self_attention.hpp"
#include "cmoe/attention/stickbreaking.hpp"
#include "cmoe/models/decoder_config.hpp"
#include "cmoe/moe/gate.hpp"
#include "cmoe/nn/block.hpp"
#include "cmoe/nn/embedding.hpp"
#include "cmoe/nn/mlp.hpp"
#include "cmoe/pet/lora.hpp"
#include "cmoe/pet/prefix.hpp"

namespace cmoe {

// Which delta the blocks below and above the boundary get: wrappers that make an alias read like a figure.
template <class D>
struct Shallow {
  using Delta = D;
};
template <class D>
struct Deep {
  using Delta = D;
};

namespace detail {
template <class Kind>
typename Kind::Config attention_config(const DecoderConfig& c, Index room) {
  if constexpr (std::is_same_v<Kind, Causal>)
    return {.context = c.context + room, .rotates = c.positions == Positions::rotary, .rotary_base = c.rotary_base, .rotary_layout = c.rotary_layout,
            .rotary_scaling = c.rotary_scaling};
  else return {};
}

// A block's maps: query, key, value, output, gate, up, down.
template <class B>
void make_maps(const DecoderConfig& config, const Rng& rng, Pretrained weights, const std::array<Linear<B>*, 7>& maps) {
  const Index c = config.width, d = config.head(), f = config.hidden, q = config.heads * d, kv = config.kv_heads * d;
  const std::array<std::pair<Index, Index>, 7> sizes = {{{c, q}, {c, kv}, {c, kv}, {q, c}, {c, f}, {c, f}, {f, c}}};
  const std::array<const char*, 7> names = {"query", "key", "value", "output", "gate", "up", "down"};
  for (std::size_t i = 0; i < maps.size(); ++i) {
    if (i == 4 && !config.gated) continue;
    const auto [in, out] = sizes[i];
    *maps[i] = weights == Pretrained::drawn ? Linear<B>(in, out, rng.fork(names[i])) : Linear<B>(in, out);
    if (config.bias || (i < 3 && config.qkv_bias)) maps[i]->bias = Param<B>({out});
  }
  if (weights == Pretrained::unfilled) return;
  // Maps that end in the residual stream start smaller, so that its variance does not grow with depth.
  const auto residual = static_cast<typename B::Scalar>(1 / std::sqrt(2.0 * static_cast<double>(config.layers)));
  for (Linear<B>* map : {maps[3], maps[6]}) {
    Param<B>& w = map->weight;
    B::affine(w.size(), residual, w.data(), typename B::Scalar(0), w.data());
  }
}
}  // namespace detail

// y = W x + Σ_e g_e Δ_e(x) in every linear map of the blocks; the gates g are computed once a sequence between block
// `boundary`−1 and block `boundary`, and handed down to the deep blocks. Prompts, if there are any, enter before block `boundary`.
template <class ShallowRecipe, class DeepRecipe, class GateRecipe = NoGate, class Kind = Causal, class PrefixRecipe = NoPrefix>
struct Adapted {
  using ShallowDelta = typename ShallowRecipe::Delta;
  using DeepDelta = typename DeepRecipe::Delta;

  struct Config : DecoderConfig {
    Index boundary = 0;  // τ: blocks 0..τ-1 are shallow, the others deep
    typename ShallowDelta::Config shallow = {};
    typename DeepDelta::Config deep = {};
    std::vector<std::string> targets = {"query", "key", "value", "output", "gate", "up", "down"};  // the maps that get deltas
    typename GateRecipe::Config gate = {};
    typename PrefixRecipe::Config prefix = {};
    Index top = 0;  // the gates' dispatch: 0 all experts, k the k with the largest weights
  };

  template <class B>
    requires Delta<ShallowDelta, B> && Delta<DeepDelta, B> && Prefix<PrefixRecipe, B>
  struct On {
    template <class D>
    using Block = ResidualBlock<B, SelfAttention<B, Kind, AdaptedLinear<B, D>>, FeedForward<B, AdaptedLinear<B, D>>>;

    Config config;
    Embedding<B> embedding;
    Embedding<B> positions;  // (context,C), empty if positions are rotary
    std::vector<Block<ShallowDelta>> shallow;
    std::vector<Block<DeepDelta>> deep;
    typename GateRecipe::template On<B> gate;
    typename PrefixRecipe::template On<B> prefix;
    Norm<B> norm;
    Linear<B> head;  // empty if the output is tied to the embedding

    On(const Config& c, const Rng& rng, Pretrained weights = Pretrained::drawn)
        : config((c.validate(), c)),
          gate(c.width, c.gate, rng.fork("gate")),
          norm(c.norm, c.width, c.norm_epsilon) {
      check(c.boundary >= 0 && c.boundary <= c.layers, ErrorKind::config, "adapted: boundary ", c.boundary, " of ", c.layers, " layers");
      const bool drawn = weights == Pretrained::drawn;
      embedding = drawn ? Embedding<B>(c.vocabulary, c.width, rng.fork("embedding")) : Embedding<B>(c.vocabulary, c.width);
      if (c.positions == Positions::learned)
        positions = drawn ? Embedding<B>(c.context, c.width, rng.fork("positions")) : Embedding<B>(c.context, c.width);
      for (Index l = 0; l < c.layers; ++l) {
        const Rng mine = rng.fork("layers").fork(static_cast<std::uint64_t>(l));
        if (l < c.boundary) shallow.push_back(make<ShallowDelta>(mine, weights));
        else deep.push_back(make<DeepDelta>(mine, weights));
      }
      if (!c.tied) head = drawn ? Linear<B>(c.width, c.vocabulary, rng.fork("head")) : Linear<B>(c.width, c.vocabulary);
    }

    // Adds what a new task needs: a delta where there should be one, a masked row in the gate.
    void add_task(const Rng& rng) {
      Index l = 0;
      for (auto& block : shallow) grow(block, config.shallow, rng.fork(static_cast<std::uint64_t>(l++)));
      for (auto& block : deep) grow(block, config.deep, rng.fork(static_cast<std::uint64_t>(l++)));
      prefix.grow(config.width, config.prefix, rng.fork("prompt"));
      gate.grow(rng.fork("gate"));
    }

    // What enters the first block; learned positions are counted from `start`.  (N,T) -> (N,T,C)
    // throws Error if one is beyond their table
    Tensor<B> embed(const Ids<B>& ids, Index start = 0) const {
      const Tensor<B> h = embedding(ids);
      if (config.positions == Positions::rotary) return h;
      const Index end = start + ids.shape()[1];
      check(end <= config.context, ErrorKind::index, "adapted: position ", end - 1, " is beyond the context of ", config.context, " tokens");
      return h + slice_rows(positions.weight, start, end);
    }

    // The residual stream that enters block τ.  ids (N,T) -> (N,T,C)
    Tensor<B> shallow_state(const Ids<B>& ids, Flow<B> flow, std::vector<KvCache<B>>* caches = nullptr) const {
      check(!flow.first || config.positions == Positions::rotary, ErrorKind::misuse, "adapted: learned positions need sequences padded on the right");
      Tensor<B> h = embed(ids, caches ? caches->at(0).length() - caches->at(0).prompts : 0);
      std::size_t layer = 0;
      for (const auto& block : shallow) h = run(block, h, flow, caches, layer++);
      return h;
    }

    // From the state at the boundary to the scores of the next token.  (N,T,C) -> (N,T,V), or (R,V) for flow.scored
    Tensor<B> finish(Tensor<B> h, Flow<B> flow, std::vector<KvCache<B>>* caches = nullptr) const {
      std::size_t layer = shallow.size();
      const Index prompts = prepend_prompts(h, flow, caches);
      for (const auto& block : deep) h = run(block, h, flow, caches, layer++);
      const Tensor<B> last = norm(scored_rows(prompts > 0 ? detail::drop_front(h, prompts) : h, flow));
      return config.tied ? embedding.scores(last) : head(last);
    }

    // The gates that the mixture gets for these states: those given, or the gate's own. Empty without a mixture.
    Tensor<B> gates(const Tensor<B>& state, const Flow<B>& flow) const { return gates_for(gate, state, flow, config.top); }

    // What a gate over tasks means for the experts.
    Tensor<B> expanded(const Tensor<B>& weights) const { return expert_weights(gate, weights); }

    // ids (N,T) -> logits (N,T,V), or (R,V) for flow.scored. Gates already in the flow are used as they are; else the gate reads the prompt.
    Scores<B> operator()(const Ids<B>& ids, Flow<B> flow, std::vector<KvCache<B>>* caches = nullptr) const {
      const Tensor<B> state = shallow_state(ids, flow, caches);
      flow.gates = gates(state, flow);
      return {finish(state, flow, caches), {}};
    }

    static constexpr bool per_token = requires { requires GateRecipe::template On<B>::per_token; };

    // f(map) for every deep map that has a delta, in the order of the layers.
    template <class F>
    void for_each_deep_map(F&& f) {
      for (auto& block : deep) for_each_target(block, [&](const char*, auto& map) { f(map); });
    }

    Index layers() const { return config.layers; }
    Index vocabulary() const { return config.vocabulary; }
    Index context() const { return config.context; }
    // Whether sequences may begin behind padding.
    bool pads_left() const { return std::is_same_v<PrefixRecipe, NoPrefix> && config.positions == Positions::rotary; }

    // The same family with one kind of delta and no gate, and the sizes that all its recipes share.
    template <class D>
    using WithDelta = Adapted<Shallow<D>, Deep<D>, NoGate, Kind>;
    using Sizes = DecoderConfig;

    using Backend = B;
    static void visit(auto& self, auto&& v) {
      v("embedding", self.embedding);
      v("positions", self.positions);
      std::size_t l = 0;  // layers count on over the boundary: a weight has the same name wherever the boundary lies
      for (auto& block : self.shallow) v(("layers." + std::to_string(l++)).c_str(), block);
      for (auto& block : self.deep) v(("layers." + std::to_string(l++)).c_str(), block);
      v("gate", self.gate);
      v("prefix", self.prefix);
      v("norm", self.norm);
      v("head", self.head);
    }

   private:
    // The attention of one more block. Kinds without parameters are copied: all blocks share one rotary table.
    auto attention() const {
      using KindOn = typename Kind::template On<B>;
      if constexpr (std::is_copy_constructible_v<KindOn>) {
        if (!shallow.empty()) return KindOn(shallow.front().mix.kind);
        if (!deep.empty()) return KindOn(deep.front().mix.kind);
      }
      return KindOn(detail::attention_config<Kind>(config, PrefixRecipe::room(config.prefix)), config.head());
    }

    template <class D>
    Block<D> make(const Rng& rng, Pretrained weights) const {
      const Index c = config.width, d = config.head();
      Block<D> block;
      block.mix_norm = Norm<B>(config.norm, c, config.norm_epsilon);
      block.feed_norm = Norm<B>(config.norm, c, config.norm_epsilon);
      block.mix.heads = config.heads;
      block.mix.kv_heads = config.kv_heads;
      block.mix.head_size = d;
      block.mix.kind = attention();
      block.feed.activation = config.activation;
      if (config.head_norm) block.mix.query_norm = RmsNorm<B>(d, config.norm_epsilon), block.mix.key_norm = RmsNorm<B>(d, config.norm_epsilon);
      detail::make_maps<B>(config, rng, weights, {&block.mix.query.base, &block.mix.key.base, &block.mix.value.base, &block.mix.output.base,
                                         &block.feed.gate.base, &block.feed.up.base, &block.feed.down.base});
      return block;
    }

    template <class Blk, class DeltaConfig>
    void grow(Blk& block, const DeltaConfig& delta_config, const Rng& rng) {
      for_each_target(block, [&](const char* name, auto& map) { map.grow(name, delta_config, rng.fork(name)); });
    }

    template <class Blk, class F>
    void for_each_target(Blk& block, F&& f) {
      const auto target = [&](const char* name, auto& map) {
        for (const std::string& wanted : config.targets)
          if (wanted == name && !map.empty()) return f(name, map);
      };
      target("query", block.mix.query);
      target("key", block.mix.key);
      target("value", block.mix.value);
      target("output", block.mix.output);
      target("gate", block.feed.gate);
      target("up", block.feed.up);
      target("down", block.feed.down);
    }

    // Puts the prompts before the states, once for each sequence: a cache already holds them. Returns how many there are.
    Index prepend_prompts(Tensor<B>& h, Flow<B>& flow, std::vector<KvCache<B>>* caches) const {
      if (caches && !deep.empty() && caches->at(shallow.size()).length() > 0) return 0;
      const Tensor<B> prompts = prefix.prompts(flow, h.shape()[0]);
      if (!prompts) return 0;
      check(!flow.first, ErrorKind::misuse, "adapted: prompts need sequences padded on the right");
      const Index count = prompts.shape()[1];
      if (caches && !deep.empty()) caches->at(shallow.size()).prompts = count;
      h = detail::join_sequences(prompts, h);
      if (flow.last) {
        std::vector<Id> last = flow.last.values();
        for (Id& l : last) l += static_cast<Id>(count);
        flow.last = Ids<B>(flow.last.shape(), last);
      }
      return count;
    }

    template <class Blk>
    static Tensor<B> run(const Blk& block, const Tensor<B>& h, Flow<B>& flow, std::vector<KvCache<B>>* caches, std::size_t layer) {
      flow.cache = caches ? &caches->at(layer) : nullptr;
      return block(h, flow);
    }
  };
};

}  // namespace cmoe
