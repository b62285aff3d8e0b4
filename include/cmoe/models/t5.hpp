// T5 with deltas: an encoder that reads the prompt and a decoder that writes the answer, called as a decoder alone is.
#pragma once

#include "cmoe/models/adapted.hpp"
#include "cmoe/models/t5_block.hpp"
#include "cmoe/models/t5_config.hpp"
#include "cmoe/models/t5_rows.hpp"
#include "cmoe/moe/key_attention.hpp"

namespace cmoe {

// y = W x + Σ_e g_e Δ_e(x) in the linear maps of both stacks.                                               T5: arXiv 1910.10683
// The encoder's blocks below `boundary` are shallow; its others and all of the decoder are deep. The gates are read once a sequence
// from the encoder's state at the boundary, and serve the encoder and the decoder.
// A row of ids is a prompt, which the encoder reads, and the answer behind it, which the decoder writes from the start token on. The
// scores of an answer's token stand where a decoder alone has them, at the token before; elsewhere they are 0 and cost nothing.
template <class ShallowRecipe, class DeepRecipe, class GateRecipe = NoGate>
struct AdaptedT5 {
  using ShallowDelta = typename ShallowRecipe::Delta;
  using DeepDelta = typename DeepRecipe::Delta;

  struct Config : T5Config {
    Index boundary = 0;  // τ: encoder blocks 0..τ-1 are shallow, the others deep
    typename ShallowDelta::Config shallow = {};
    typename DeepDelta::Config deep = {};
    std::vector<std::string> targets = {"query", "value"};  // the maps that get deltas, in self- and cross-attention alike
    typename GateRecipe::Config gate = {};
    Index top = 0;  // the gates' dispatch: 0 all experts, k the k with the largest weights
  };

  template <class B>
    requires Delta<ShallowDelta, B> && Delta<DeepDelta, B>
  struct On {
    template <class D>
    using Block = T5Block<B, AdaptedLinear<B, D>>;
    static_assert(!requires { requires GateRecipe::template On<B>::per_token; },
                  "a gate that decides for every token cannot serve an encoder and a decoder, whose tokens are others");

    Config config;
    Embedding<B> embedding;
    RelativeBias<B> encoder_bias, decoder_bias;
    std::vector<Block<ShallowDelta>> shallow;
    std::vector<Block<DeepDelta>> deep, decoder;
    typename GateRecipe::template On<B> gate;
    RmsNorm<B> encoder_norm, decoder_norm;
    Linear<B> head;  // empty if the output is tied to the embedding

    On(const Config& c, const Rng& rng, Pretrained weights = Pretrained::drawn)
        : config((c.validate(), c)),
          encoder_bias(c.buckets, c.heads, c.max_distance, true),
          decoder_bias(c.buckets, c.heads, c.max_distance, false),
          gate(c.width, c.gate, rng.fork("gate")),
          encoder_norm(c.width, c.norm_epsilon),
          decoder_norm(c.width, c.norm_epsilon) {
      check(c.boundary >= 0 && c.boundary <= c.encoder_layers, ErrorKind::config, "t5: boundary ", c.boundary, " of ", c.encoder_layers, " layers");
      embedding = Embedding<B>(c.vocabulary, c.width);
      for (Index l = 0; l < c.encoder_layers; ++l) {
        const Rng mine = rng.fork("encoder").fork(static_cast<std::uint64_t>(l));
        if (l < c.boundary) shallow.push_back(make<ShallowDelta>(mine, weights, false));
        else deep.push_back(make<DeepDelta>(mine, weights, false));
      }
      for (Index l = 0; l < c.decoder_layers; ++l)
        decoder.push_back(make<DeepDelta>(rng.fork("decoder").fork(static_cast<std::uint64_t>(l)), weights, true));
      if (!c.tied) head = Linear<B>(c.width, c.vocabulary);
      if (weights == Pretrained::unfilled) return;
      const double deviation = 1 / std::sqrt(static_cast<double>(c.width));  // as T5 draws; its table has deviation 1
      embedding.weight = init::normal<B>(embedding.weight.shape(), 1, rng.fork("embedding"));
      encoder_bias.weight = init::normal<B>({c.buckets, c.heads}, deviation, rng.fork("encoder_bias"));
      decoder_bias.weight = init::normal<B>({c.buckets, c.heads}, deviation, rng.fork("decoder_bias"));
      if (!c.tied) head = Linear<B>(c.width, c.vocabulary, rng.fork("head"));
    }

    // Adds what a new task needs: a delta where there should be one, a masked row in the gate.
    void add_task(const Rng& rng) {
      std::uint64_t l = 0;
      for (auto& block : shallow) grow(block, config.shallow, rng.fork(l++));
      for (auto& block : deep) grow(block, config.deep, rng.fork(l++));
      for (auto& block : decoder) grow(block, config.deep, rng.fork(l++));
      gate.grow(rng.fork("gate"));
    }

    Tensor<B> embed(const Ids<B>& ids) const { return embedding(ids); }  // (N,T) -> (N,T,C)

    // ids (N,T) -> (N,T,C): at the prompts the encoder's states that enter block τ, at the answers the decoder's embeddings.
    Tensor<B> shallow_state(const Ids<B>& ids, Flow<B> flow, std::vector<KvCache<B>>* caches = nullptr) const {
      const Tensor<B> h = embed(ids);
      if (shallow.empty() || continues(caches)) return h;
      const T5Rows rows(ids.shape(), flow);
      const Tensor<B> x = below(taken(h, rows.sources()), rows.lengths<B>(), flow);
      return reshape(gather_rows(concat_rows<B>({flat(h), flat(x)}), Ids<B>({rows.n * rows.t}, rows.merged())), h.shape());
    }

    // From the state at the boundary to the scores of the next token.  (N,T,C) -> (N,T,V), zeros but before answers' tokens; or (R,V)
    // for flow.scored, and with caches that hold the prompt (N,1,V)
    Tensor<B> finish(const Tensor<B>& state, Flow<B> flow, std::vector<KvCache<B>>* caches = nullptr) const {
      if (continues(caches)) {
        flow.last = T5Rows::lengths_of(flow);
        return scores(decoded(state, {}, flow, caches));
      }
      const T5Rows rows(state.shape(), flow);
      check(!caches || rows.even(), ErrorKind::misuse, "t5: with a cache all answers must begin and end at the same place");
      flow.last = rows.lengths<B>();
      const Tensor<B> memory = above(taken(state, rows.sources()), flow);                                               // (N,S,C)
      const Tensor<B> begun = concat_rows<B>({flat(state), embedding(Ids<B>({1}, {config.start}))});                   // (N·T+1,C)
      const Tensor<B> h = decoded(gather_rows(begun, Ids<B>({rows.n, rows.target}, rows.targets())), memory, flow, caches);
      if (flow.scored) return scores(gather_rows(flat(h), Ids<B>(flow.scored.shape(), rows.states_of(flow.scored.values()))));
      const auto [places, from] = rows.answers();
      const auto count = static_cast<Index>(places.size());
      const Tensor<B> said = scores(gather_rows(flat(h), Ids<B>({count}, from)));  // (answers,V)
      return reshape(scatter_rows(said, Ids<B>({count}, places), rows.n * rows.t), {rows.n, rows.t, config.vocabulary});
    }

    // The gates that the mixture gets for these states: those given, or the gate's own. Empty without a mixture.
    Tensor<B> gates(const Tensor<B>& state, const Flow<B>& flow) const { return gates_for(gate, state, flow, config.top); }

    // What a gate over tasks means for the experts.
    Tensor<B> expanded(const Tensor<B>& weights) const { return expert_weights(gate, weights); }

    // ids (N,T), each row a prompt and its answer -> logits (N,T,V). Gates already in the flow are used as they are.
    // With caches, of which layers() are needed, the first call reads the prompt; the next ones take what follows, ids (N,1).
    // throws Error (misuse) if the flow has no range of a prompt
    Scores<B> operator()(const Ids<B>& ids, Flow<B> flow, std::vector<KvCache<B>>* caches = nullptr) const {
      const Tensor<B> state = shallow_state(ids, flow, caches);
      flow.gates = gates(state, flow);
      return {finish(state, flow, caches), {}};
    }

    // The two halves by themselves. ids (N,S), padded from flow.last on -> the encoder's states (N,S,C); the gates that were used,
    // read from all that is no padding, are put in the flow.
    Tensor<B> encode(const Ids<B>& ids, Flow<B>& flow) const {
      const Index n = ids.shape()[0], s = ids.shape()[1];
      check(!flow.first, ErrorKind::misuse, "t5: the encoder needs sequences padded on the right");
      flow.prompt_first = Ids<B>({n}, std::vector<Id>(static_cast<std::size_t>(n), 0));
      flow.prompt_last = flow.last ? flow.last : Ids<B>({n}, std::vector<Id>(static_cast<std::size_t>(n), static_cast<Id>(s)));
      const Tensor<B> h = below(embed(ids), flow.last, flow);
      flow.gates = gates(h, flow);
      return above(h, flow);
    }
    // ids (N,T), of which the first is the start token, or with caches those that follow; the flow as encode left it -> logits (N,T,V)
    Tensor<B> decode(const Ids<B>& ids, const Tensor<B>& memory, const Flow<B>& flow, std::vector<KvCache<B>>* caches = nullptr) const {
      return scores(decoded(embed(ids), memory, flow, caches));
    }

    // f(map) for every deep map that has a delta, in the order of the layers.
    template <class F>
    void for_each_deep_map(F&& f) {
      for (auto* blocks : {&deep, &decoder})
        for (auto& block : *blocks) for_each_target(block, [&](const std::string&, auto& map) { f(map); });
    }

    Index layers() const { return 2 * config.decoder_layers; }  // caches: of self-attention, then of cross-attention
    Index vocabulary() const { return config.vocabulary; }
    Index context() const { return config.context; }

    // The same family with one kind of delta and no gate, and the sizes that all its recipes share.
    template <class D>
    using WithDelta = AdaptedT5<Shallow<D>, Deep<D>>;
    using Sizes = T5Config;

    using Backend = B;
    static void visit(auto& self, auto&& v) {
      v("embedding", self.embedding);
      v("encoder_bias", self.encoder_bias);
      std::size_t l = 0;  // layers count on over the boundary: a weight has the same name wherever the boundary lies
      for (auto& block : self.shallow) v(("encoder." + std::to_string(l++)).c_str(), block);
      for (auto& block : self.deep) v(("encoder." + std::to_string(l++)).c_str(), block);
      v("encoder_norm", self.encoder_norm);
      v("gate", self.gate);
      v("decoder_bias", self.decoder_bias);
      v("decoder", self.decoder);
      v("decoder_norm", self.decoder_norm);
      v("head", self.head);
    }

   private:
    static bool continues(const std::vector<KvCache<B>>* caches) { return caches && caches->at(0).length() > 0; }
    static Tensor<B> flat(const Tensor<B>& x) { return reshape(x, {x.shape().rows(), x.shape().cols()}); }
    // Rows of x (N,T,C) by their place among all N·T, laid out as the places are.
    static Tensor<B> taken(const Tensor<B>& x, const std::pair<Shape, std::vector<Id>>& places) {
      return gather_rows(flat(x), Ids<B>(places.first, places.second));
    }

    // The encoder below the boundary, and from it on.  (N,S,C) -> (N,S,C)
    Tensor<B> below(Tensor<B> x, const Ids<B>& last, Flow<B> flow) const {
      if (shallow.empty()) return x;
      flow.last = last;
      const Tensor<B> bias = encoder_bias(x.shape()[1], x.shape()[1]);
      for (const auto& block : shallow) x = block.encode(x, bias, flow);
      return x;
    }
    Tensor<B> above(Tensor<B> x, const Flow<B>& flow) const {
      const Tensor<B> bias = encoder_bias(x.shape()[1], x.shape()[1]);
      for (const auto& block : deep) x = block.encode(x, bias, flow);
      return encoder_norm(x);
    }

    // (N,T,C) -> (N,T,C); flow.last bounds the memory.
    Tensor<B> decoded(Tensor<B> h, const Tensor<B>& memory, const Flow<B>& flow, std::vector<KvCache<B>>* caches) const {
      const std::size_t count = decoder.size();
      check(!caches || caches->size() >= 2 * count, ErrorKind::misuse, "t5: ", caches ? caches->size() : 0, " caches for ", 2 * count, " attentions");
      const Index start = caches ? caches->at(0).length() : 0, t = h.shape()[1];
      const Tensor<B> bias = decoder_bias(t, start + t);
      for (std::size_t l = 0; l < count; ++l)
        h = decoder[l].decode(h, memory, bias, flow, caches ? &caches->at(l) : nullptr, caches ? &caches->at(count + l) : nullptr);
      return decoder_norm(h);
    }

    Tensor<B> scores(const Tensor<B>& h) const {
      const auto scale = static_cast<typename B::Scalar>(1 / std::sqrt(static_cast<double>(config.width)));
      const Tensor<B> x = config.scaled_output ? h * scale : h;
      return config.tied ? embedding.scores(x) : head(x);
    }

    template <class D>
    Block<D> make(const Rng& rng, Pretrained weights, bool crosses) const {
      const Index c = config.width, inner = config.heads * config.head_size;
      const auto map = [&](const char* name, Linear<B>& linear, Index in, Index out) {
        linear = weights == Pretrained::drawn ? Linear<B>(in, out, rng.fork(name)) : Linear<B>(in, out);
      };
      Block<D> block;
      const auto attention = [&](auto& mix, const std::string& name) {
        mix.heads = config.heads;
        mix.head_size = config.head_size;
        map((name + "query").c_str(), mix.query.base, c, inner);
        map((name + "key").c_str(), mix.key.base, c, inner);
        map((name + "value").c_str(), mix.value.base, c, inner);
        map((name + "output").c_str(), mix.output.base, inner, c);
        if (weights == Pretrained::unfilled) return;
        Param<B>& q = mix.query.base.weight;  // scores are not divided by √D, so queries begin smaller
        const auto smaller = static_cast<typename B::Scalar>(1 / std::sqrt(static_cast<double>(config.head_size)));
        B::affine(q.size(), smaller, q.data(), typename B::Scalar(0), q.data());
      };
      block.mix_norm = RmsNorm<B>(c, config.norm_epsilon);
      block.feed_norm = RmsNorm<B>(c, config.norm_epsilon);
      attention(block.mix, "");
      if (crosses) {
        block.cross_norm = RmsNorm<B>(c, config.norm_epsilon);
        attention(block.cross, "cross_");
      }
      block.feed.activation = config.activation;
      if (config.gated) map("gate", block.feed.gate.base, c, config.hidden);
      map("up", block.feed.up.base, c, config.hidden);
      map("down", block.feed.down.base, config.hidden, c);
      return block;
    }

    template <class Blk, class DeltaConfig>
    void grow(Blk& block, const DeltaConfig& delta_config, const Rng& rng) {
      for_each_target(block, [&](const std::string& name, auto& map) {
        map.delta.grow(map.base.in(), map.base.out(), delta_config, rng.fork(name));
      });
    }

    template <class Blk, class F>
    void for_each_target(Blk& block, F&& f) {
      const auto target = [&](const std::string& where, const char* name, auto& map) {
        for (const std::string& wanted : config.targets)
          if (wanted == name && !map.empty()) return f(where + name, map);
      };
      const auto attention = [&](const std::string& where, auto& mix) {
        target(where, "query", mix.query);
        target(where, "key", mix.key);
        target(where, "value", mix.value);
        target(where, "output", mix.output);
      };
      attention("", block.mix);
      attention("cross_", block.cross);
      target("", "gate", block.feed.gate);
      target("", "up", block.feed.up);
      target("", "down", block.feed.down);
    }
  };
};

// T5 without deltas; with one LoRA on every map asked for, trained by all tasks in turn; with one LoRA a task; and with DAPT, whose gate
// reads the largest embedding value of each feature of the prompt, or the mean of the embeddings (ours).   DAPT: arXiv 2401.08295
using T5 = AdaptedT5<Shallow<NoDelta>, Deep<NoDelta>>;
using LoraT5 = AdaptedT5<Shallow<Single<LoRA>>, Deep<Single<LoRA>>>;
using TaskLoraT5 = AdaptedT5<Shallow<NoDelta>, Deep<Mixture<LoRA>>>;
using DaptT5 = AdaptedT5<Shallow<NoDelta>, Deep<Mixture<LoRA>>, Gate<PromptMax, KeyAttention>>;
using DaptMeanT5 = AdaptedT5<Shallow<NoDelta>, Deep<Mixture<LoRA>>, Gate<PromptMean, KeyAttention>>;

}  // namespace cmoe
