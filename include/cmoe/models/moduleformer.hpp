// ModuleFormer: attention heads and feed-forward layers are both sparse mixtures.               arXiv 2306.04640
#pragma once

#include "cmoe/attention/stickbreaking.hpp"
#include "cmoe/models/decoder_config.hpp"
#include "cmoe/moe/gate.hpp"
#include "cmoe/moe/mixture_of_attention.hpp"
#include "cmoe/moe/prune.hpp"
#include "cmoe/nn/embedding.hpp"
#include "cmoe/nn/norm.hpp"
#include "cmoe/regularizer/balance.hpp"

namespace cmoe {

// Pre-norm residual block of two mixtures:   h + MoA(norm(h)), then h + MoE(norm(h)).
template <class Mix, class Feed>
struct ModularBlock {
  struct Config {
    typename Mix::Config mix = {};
    typename Feed::Config feed = {};
  };

  template <class B>
  struct On {
    LayerNorm<B> mix_norm, feed_norm;
    typename Mix::template On<B> mix;
    typename Feed::template On<B> feed;

    On(Index width, const Config& config, double residual_scale, const Rng& rng)
        : mix_norm(width),
          feed_norm(width),
          mix(width, config.mix, residual_scale, rng.fork("mix")),
          feed(width, config.feed, residual_scale, rng.fork("feed")) {}

    // x (N,T,C) -> (N,T,C), and both routing decisions
    Tensor<B> operator()(const Tensor<B>& x, const Flow<B>& flow, std::vector<Routing<B>>& routings) const {
      auto [mixed, first] = mix(mix_norm(x), flow);
      const Tensor<B> h = x + mixed;
      auto [fed, second] = feed(feed_norm(h), flow);
      routings.push_back(std::move(first));
      routings.push_back(std::move(second));
      return h + fed;
    }

    using Backend = B;
    static void visit(auto& self, auto&& v) {
      v("mix_norm", self.mix_norm);
      v("mix", self.mix);
      v("feed_norm", self.feed_norm);
      v("feed", self.feed);
    }
  };
};

// A decoder of routed blocks. No position embedding of any kind: stick-breaking attention knows the order by itself.
// auxiliary loss: Σ over layers and sublayers of the weighted routing losses
//
// New modules are inserted from block `boundary` on. If the gate of insertions has rows, it reads the prompt's states in front of
// that block, and says for each sequence which insertions take part (the first modules always do); without rows all take part.
template <class BlockRecipe>
struct ModularDecoder {
  struct Config {
    Index vocabulary = 260, width = 128, layers = 4, context = 1 << 20;
    typename BlockRecipe::Config block = {};
    double information_weight = 0.001;
    double switch_weight = 0.001;
    double concentration_weight = 0;  // experimental: for finetuning before pruning
    bool tied = true;
    bool count_padding = false;  // padding takes part in the routing statistics, as in the released code
    Index boundary = 0;          // the first block that gets inserted modules
  };

  template <class B>
  struct On {
    Config config;
    Embedding<B> embedding;
    std::vector<typename BlockRecipe::template On<B>> blocks;
    typename Gate<PromptMean, LinearSoftmax>::template On<B> gate;  // of insertions: ours, empty unless it grows
    LayerNorm<B> norm;
    Linear<B> head;

    On(const Config& c, const Rng& rng) : config(c), embedding(c.vocabulary, c.width, rng.fork("embedding")), gate(c.width), norm(c.width) {
      check(c.vocabulary > 0 && c.width > 0 && c.layers > 0, ErrorKind::config, "moduleformer: vocabulary ", c.vocabulary, ", width ",
            c.width, ", layers ", c.layers, " must be positive");
      check(c.boundary >= 0 && c.boundary < c.layers, ErrorKind::config, "moduleformer: boundary ", c.boundary, " of ", c.layers, " layers");
      const double residual_scale = 1 / std::sqrt(2.0 * static_cast<double>(c.layers));
      for (Index l = 0; l < c.layers; ++l)
        blocks.emplace_back(c.width, c.block, residual_scale, rng.fork("layers").fork(static_cast<std::uint64_t>(l)));
      if (!c.tied) head = Linear<B>(c.width, c.vocabulary, rng.fork("head"));
    }

    // ids (N,T) -> logits (N,T,V) and the auxiliary loss. `routings`, if given, receives every decision, attention first. Gates
    // already in the flow are used as they are; else the gate of insertions, if there is one, reads the prompt.
    Scores<B> operator()(const Ids<B>& ids, Flow<B> flow, std::vector<KvCache<B>>* caches = nullptr,
                         std::vector<Routing<B>>* routings = nullptr) const {
      std::vector<Routing<B>> decisions;
      const Tensor<B> state = shallow_state(ids, flow, caches, &decisions);
      flow.gates = gates(state, flow);
      Scores<B> scores{finish(state, flow, caches, &decisions), {}};
      if (Tape<B>::recording()) scores.auxiliary = auxiliary(decisions, marks(ids, flow));
      if (routings) *routings = std::move(decisions);
      return scores;
    }
    // The same from the state at the boundary; its auxiliary loss is that of the blocks behind it.
    Scores<B> from_state(const Tensor<B>& state, const Ids<B>& ids, const Flow<B>& flow) const {
      std::vector<Routing<B>> decisions;
      Scores<B> scores{finish(state, flow, nullptr, &decisions), {}};
      if (Tape<B>::recording()) scores.auxiliary = auxiliary(decisions, marks(ids, flow));
      return scores;
    }

    // The residual stream that enters the block at the boundary: no insertion has touched it.  ids (N,T) -> (N,T,C)
    Tensor<B> shallow_state(const Ids<B>& ids, Flow<B> flow, std::vector<KvCache<B>>* caches = nullptr,
                            std::vector<Routing<B>>* routings = nullptr) const {
      flow.gates = {};
      return run(embedding(ids), 0, config.boundary, flow, caches, routings);
    }
    // From there to the scores of the next token.  (N,T,C) -> (N,T,V), or (R,V) for flow.scored
    Tensor<B> finish(const Tensor<B>& state, Flow<B> flow, std::vector<KvCache<B>>* caches = nullptr,
                     std::vector<Routing<B>>* routings = nullptr) const {
      const Tensor<B> last = norm(scored_rows(run(state, config.boundary, config.layers, flow, caches, routings), flow));
      return config.tied ? embedding.scores(last) : head(last);
    }
    // Which insertions take part in each sequence: those given, or the gate's choice, one for each. (N,G) of 0 and 1, or empty.
    Tensor<B> gates(const Tensor<B>& state, const Flow<B>& flow) const {
      if (flow.gates || gate.active == 0) return flow.gates;
      return dispatched(gate.weights(gate.query(state, flow)), 1);
    }

    // New experts in both mixtures of every block from the boundary on. throws Error (config) if both numbers are 0
    void insert(Index attention_experts, Index feed_experts, const Rng& rng, Insertion how = Insertion::zero_output) {
      check(attention_experts >= 0 && feed_experts >= 0 && attention_experts + feed_experts > 0, ErrorKind::config, "insert: ",
            attention_experts, " attention and ", feed_experts, " feed-forward modules, at least one is needed");
      for (Index l = config.boundary; l < config.layers; ++l) {
        auto& block = blocks[static_cast<std::size_t>(l)];
        if (attention_experts > 0) block.mix.insert(attention_experts, rng.fork(2 * static_cast<std::uint64_t>(l)), how);
        if (feed_experts > 0) block.feed.insert(feed_experts, rng.fork(2 * static_cast<std::uint64_t>(l) + 1), how);
      }
    }
    // Modules that were inserted masked take part from now on.
    void enable() {
      for (auto& block : blocks) block.mix.router.enable(), block.feed.router.enable();
    }

    // Keeps in every mixture, attention first, the named experts, ascending.
    // throws Error (config) before anything is changed if a mixture would keep fewer than a token uses
    void keep(const std::vector<std::vector<Index>>& kept, Pruning how = Pruning::delete_rows) {
      check(kept.size() == 2 * blocks.size(), ErrorKind::misuse, "prune: ", kept.size(), " lists for ", 2 * blocks.size(), " mixtures");
      for (std::size_t i = 0; i < kept.size(); ++i) {
        const Index chosen = i % 2 == 0 ? blocks[i / 2].mix.router.chosen : blocks[i / 2].feed.router.chosen;
        check(static_cast<Index>(kept[i].size()) >= chosen, ErrorKind::config, "prune: of the ", i % 2 == 0 ? "attention" : "feed-forward",
              " modules of block ", i / 2, " only ", kept[i].size(), " would stay, each token uses ", chosen);
      }
      for (std::size_t l = 0; l < blocks.size(); ++l) {
        blocks[l].mix.keep(kept[2 * l], how);
        blocks[l].feed.keep(kept[2 * l + 1], how);
      }
    }

    // 1 for each token inside its sequence's range, 0 for padding: (N·T), empty when all count.
    Tensor<B> marks(const Ids<B>& ids, const Flow<B>& flow) const {
      if (config.count_padding || (!flow.first && !flow.last)) return {};
      const Index n = ids.shape()[0], t = ids.shape()[1];
      const std::vector<Id> first = flow.first ? flow.first.values() : std::vector<Id>(static_cast<std::size_t>(n), 0);
      const std::vector<Id> last = flow.last ? flow.last.values() : std::vector<Id>(static_cast<std::size_t>(n), static_cast<Id>(t));
      std::vector<typename B::Scalar> values;
      for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i)
        for (Id p = 0; p < t; ++p) values.push_back(p >= first[i] && p < last[i] ? 1 : 0);
      return Tensor<B>({n * t}, std::span<const typename B::Scalar>(values));
    }

    Index layers() const { return config.layers; }
    Index vocabulary() const { return config.vocabulary; }
    Index context() const { return config.context; }
    bool pads_left() const { return true; }  // sequences may begin behind padding

    using Backend = B;
    static void visit(auto& self, auto&& v) {
      v("embedding", self.embedding);
      v("blocks", self.blocks);
      v("gate", self.gate);
      v("norm", self.norm);
      v("head", self.head);
    }

   private:
    Tensor<B> run(Tensor<B> h, Index begin, Index end, Flow<B>& flow, std::vector<KvCache<B>>* caches,
                  std::vector<Routing<B>>* routings) const {
      std::vector<Routing<B>> unwanted;
      for (auto l = static_cast<std::size_t>(begin); l < static_cast<std::size_t>(end); ++l) {
        flow.cache = caches ? &caches->at(l) : nullptr;
        h = blocks[l](h, flow, routings ? *routings : unwanted);
      }
      return h;
    }

    Tensor<B> auxiliary(const std::vector<Routing<B>>& decisions, const Tensor<B>& valid) const {
      Tensor<B> total;
      const auto add = [&](double weight, auto&& loss) {
        if (weight == 0) return;
        const Tensor<B> term = loss() * static_cast<typename B::Scalar>(weight);
        total = total ? total + term : term;
      };
      for (const Routing<B>& routing : decisions) {
        add(config.information_weight, [&] { return mutual_information_loss(routing.probabilities, valid); });
        add(config.switch_weight, [&] { return switch_loss(routing, 0.1, valid); });
        add(config.concentration_weight, [&] { return concentration_loss(routing.probabilities, valid); });
      }
      return total;
    }
  };
};

// ModuleFormer as published: stick-breaking heads and feed-forward experts, both routed by TopK.
using ModuleFormer = ModularDecoder<ModularBlock<MixtureOfAttention<StickBreaking, TopK>, MixtureOfExperts<TopK>>>;

}  // namespace cmoe
