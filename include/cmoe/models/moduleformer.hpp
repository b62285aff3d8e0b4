// ModuleFormer: attention heads and feed-forward layers are both sparse mixtures.               arXiv 2306.04640
#pragma once

#include "cmoe/attention/stickbreaking.hpp"
#include "cmoe/models/decoder_config.hpp"
#include "cmoe/moe/mixture_of_attention.hpp"
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
      auto [fed, second] = feed(feed_norm(h));
      routings.push_back(std::move(first));
      routings.push_back(std::move(second));
      return h + fed;
    }

    static void visit(auto& self, auto&& v) {
      v("mix_norm", self.mix_norm);
      v("mix", self.mix);
      v("feed_norm", self.feed_norm);
      v("feed", self.feed);
    }
  };
};

// A decoder of routed blocks. No position embedding of any kind: stick-breaking attention knows the order by itself.
// auxiliary loss: Σ over layers and sublayers of (information_weight · mutual information + switch_weight · switch loss)
template <class BlockRecipe>
struct ModularDecoder {
  struct Config {
    Index vocabulary = 260, width = 128, layers = 4, context = 1 << 20;
    typename BlockRecipe::Config block = {};
    double information_weight = 0.001;
    double switch_weight = 0.001;
    bool tied = true;
    bool count_padding = false;  // padding takes part in the routing statistics, as in the released code
  };

  template <class B>
  struct On {
    Config config;
    Embedding<B> embedding;
    std::vector<typename BlockRecipe::template On<B>> blocks;
    LayerNorm<B> norm;
    Linear<B> head;

    On(const Config& c, const Rng& rng) : config(c), embedding(c.vocabulary, c.width, rng.fork("embedding")), norm(c.width) {
      check(c.vocabulary > 0 && c.width > 0 && c.layers > 0, ErrorKind::config, "moduleformer: vocabulary ", c.vocabulary, ", width ",
            c.width, ", layers ", c.layers, " must be positive");
      const double residual_scale = 1 / std::sqrt(2.0 * static_cast<double>(c.layers));
      for (Index l = 0; l < c.layers; ++l)
        blocks.emplace_back(c.width, c.block, residual_scale, rng.fork("layers").fork(static_cast<std::uint64_t>(l)));
      if (!c.tied) head = Linear<B>(c.width, c.vocabulary, rng.fork("head"));
    }

    // ids (N,T) -> logits (N,T,V) and the auxiliary loss. `routings`, if given, receives every decision, attention first.
    Scores<B> operator()(const Ids<B>& ids, Flow<B> flow, std::vector<KvCache<B>>* caches = nullptr,
                         std::vector<Routing<B>>* routings = nullptr) const {
      Tensor<B> h = embedding(ids);
      std::vector<Routing<B>> decisions;
      for (std::size_t l = 0; l < blocks.size(); ++l) {
        flow.cache = caches ? &caches->at(l) : nullptr;
        h = blocks[l](h, flow, decisions);
      }
      const Tensor<B> last = norm(h);
      Scores<B> scores{config.tied ? embedding.scores(last) : head(last), {}};
      if (Tape<B>::recording()) scores.auxiliary = auxiliary(decisions, valid(ids, flow));
      if (routings) *routings = std::move(decisions);
      return scores;
    }

    // New experts in every mixture of every layer.
    void insert(Index attention_experts, Index feed_experts, const Rng& rng, Insertion how = Insertion::zero_output) {
      for (std::size_t l = 0; l < blocks.size(); ++l) {
        blocks[l].mix.insert(attention_experts, rng.fork(2 * static_cast<std::uint64_t>(l)), how);
        blocks[l].feed.insert(feed_experts, rng.fork(2 * static_cast<std::uint64_t>(l) + 1), how);
      }
    }

    Index layers() const { return config.layers; }
    Index vocabulary() const { return config.vocabulary; }
    Index context() const { return config.context; }

    static void visit(auto& self, auto&& v) {
      v("embedding", self.embedding);
      v("blocks", self.blocks);
      v("norm", self.norm);
      v("head", self.head);
    }

   private:
    // 1 for each token inside its sequence's range, 0 for padding; empty when all count.
    Tensor<B> valid(const Ids<B>& ids, const Flow<B>& flow) const {
      if (config.count_padding || (!flow.first && !flow.last)) return {};
      const Index n = ids.shape()[0], t = ids.shape()[1];
      const std::vector<Id> first = flow.first ? flow.first.values() : std::vector<Id>(static_cast<std::size_t>(n), 0);
      const std::vector<Id> last = flow.last ? flow.last.values() : std::vector<Id>(static_cast<std::size_t>(n), static_cast<Id>(t));
      std::vector<typename B::Scalar> marks;
      for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i)
        for (Id p = 0; p < t; ++p) marks.push_back(p >= first[i] && p < last[i] ? 1 : 0);
      return Tensor<B>({n * t}, std::span<const typename B::Scalar>(marks));
    }

    Tensor<B> auxiliary(const std::vector<Routing<B>>& decisions, const Tensor<B>& marks) const {
      Tensor<B> total;
      const auto add = [&](const Tensor<B>& term) { total = total ? total + term : term; };
      for (const Routing<B>& routing : decisions) {
        if (config.information_weight != 0)
          add(mutual_information_loss(routing.probabilities, marks) * static_cast<typename B::Scalar>(config.information_weight));
        if (config.switch_weight != 0) add(switch_loss(routing, 0.1, marks) * static_cast<typename B::Scalar>(config.switch_weight));
      }
      return total;
    }
  };
};

using ModuleFormer = ModularDecoder<ModularBlock<MixtureOfAttention<StickBreaking, TopK>, MixtureOfExperts<TopK>>>;

}  // namespace cmoe
