// L2P: a pool of prompts with trained keys; each sequence takes the prompts whose keys point its way.
#pragma once

#include "cmoe/continual/kept_arrays.hpp"
#include "cmoe/models/llama.hpp"
#include "cmoe/moe/cosine_keys.hpp"
#include "cmoe/pet/prompt_pool.hpp"

namespace cmoe {

// A frozen decoder with a pool of prompts in front, chosen by the prompt's nearness to keys.
using PooledPromptLlama = Adapted<Shallow<NoDelta>, Deep<NoDelta>, Gate<PromptMean, CosineKeys>, Causal, PromptPool>;

// L_LM − λ · mean over the sequences of Σ_chosen cos(q(x), key)                                   arXiv 2112.08654
// q: the mean of the frozen embeddings of the prompt's tokens. Prompts learn by L_LM, keys by the second term; the choice itself has no
// gradient. Public code for language models fixes the keys when the pool is made; here they are trained.
// In training the distance 1 − cos is multiplied by how often earlier tasks chose the prompt, so that a new task takes prompts that are
// still free; at test time the cosine alone decides.      ours: the frequency plus 1/prompts, so that of free prompts the nearest is taken
template <class B>
class L2P {
 public:
  struct Config {
    double lambda = 0.5;
    bool diversify = true;  // prompts of earlier tasks seem farther in training
    bool normalise = true;  // queries by dimension, with statistics of the first task's prompts (ours)
    Index samples = 256;    // prompts for these statistics
    double key_rate = 1;    // the keys' learning rate over the prompts'
  };

  L2P(PooledPromptLlama::On<B> model, const Config& config, const Rng& rng) : model_(std::move(model)), config_(config), rng_(rng) {
    check(model_.config.boundary == 0, ErrorKind::config, "l2p: prompts enter before block 0, the boundary is ", model_.config.boundary);
    check(model_.config.gate.keys == model_.config.prefix.prompts, ErrorKind::config, "l2p: ", model_.config.gate.keys, " keys for ",
          model_.config.prefix.prompts, " prompts");
  }

  void before_task(Index task, const EncodedTask&) {
    if (task > 0) return;
    freeze(model_);
    model_.add_task(rng_.fork("pool"));
  }

  // The statistics that make queries comparable: of the first task, before it is learnt.
  void prepare(Index task, const EncodedTask& data) {
    if (task > 0 || !config_.normalise) return;
    const typename Tape<B>::Pause no_recording;
    Shuffled order(data.train.size(), rng_.fork("queries"));
    std::vector<const Sequence*> chosen;
    for (Index i = 0; i < std::min(config_.samples, static_cast<Index>(data.train.size())); ++i) chosen.push_back(&data.train[order(i)]);
    const Tensor<B> queries = query(make_batch<B>(chosen));
    const auto values = queries.values();
    const auto n = static_cast<std::size_t>(queries.shape()[0]), c = static_cast<std::size_t>(queries.shape()[1]);
    std::vector<typename B::Scalar> mean(c), deviation(c);
    for (std::size_t j = 0; j < c; ++j) {
      double total = 0, squares = 0;
      for (std::size_t i = 0; i < n; ++i) total += static_cast<double>(values[i * c + j]);
      total /= static_cast<double>(n);
      for (std::size_t i = 0; i < n; ++i) squares += std::pow(static_cast<double>(values[i * c + j]) - total, 2);
      mean[j] = static_cast<typename B::Scalar>(total);
      deviation[j] = static_cast<typename B::Scalar>(std::sqrt(squares / static_cast<double>(n)) + 1e-3);
    }
    model_.gate.mean.assign(mean);
    model_.gate.deviation.assign(deviation);
  }

  void add_parameters(AdamW<B>& optimizer) {
    for_each_param(model_, [&](const std::string& name, Param<B>& p) { optimizer.add(name, p, name.starts_with("gate.") ? config_.key_rate : 1); });
  }

  Loss<B> loss(const Batch<B>& batch, Index, Index) const {
    Flow<B> flow = batch.flow();
    const Tensor<B> embedded = model_.embed(batch.ids);
    const Tensor<B> cosines = model_.gate.scores(model_.gate.query(embedded, flow));  // (N,prompts)
    flow.gates = nearness(cosines.detach());
    Loss<B> loss;
    loss.add("lm", cross_entropy(model_.finish(embedded, flow), batch.labels));
    loss.add("pull", pull(cosines, top_k(flow.gates, model_.config.prefix.chosen).ids), config_.lambda);
    return loss;
  }

  // Counts how often the task chose each prompt.
  void consolidate(Index, const EncodedTask& data) {
    if (!config_.diversify) return;
    const typename Tape<B>::Pause no_recording;
    std::vector<typename B::Scalar> counts(static_cast<std::size_t>(model_.config.prefix.prompts), 0);
    if (const auto found = state_.arrays.find("chosen"); found != state_.arrays.end()) counts = found->second.values();
    for (std::size_t at = 0; at < data.train.size(); at += 64) {
      const Tensor<B> cosines = model_.gate.scores(query(make_batch<B>(data.train, at, at + 64)));
      for (Id id : top_k(nearness(cosines), model_.config.prefix.chosen).ids.values()) ++counts[static_cast<std::size_t>(id)];
    }
    state_.arrays["chosen"] = Array<B>({model_.config.prefix.prompts}, std::span<const typename B::Scalar>(counts));
  }
  void after_task(Index, const EncodedTask&) {}

  // −mean_n Σ of the cosines of the chosen keys.                                          cosines (N,prompts), chosen (N,k) -> scalar
  static Tensor<B> pull(const Tensor<B>& cosines, const Ids<B>& chosen) {
    return sum(take_columns(cosines, chosen)) * (typename B::Scalar(-1) / static_cast<typename B::Scalar>(cosines.shape()[0]));
  }

  // What decides in training: the cosines, or −(1 − cos) · (frequency + 1/prompts) once earlier tasks have chosen.
  Tensor<B> nearness(const Tensor<B>& cosines) const {
    const auto found = state_.arrays.find("chosen");
    if (!config_.diversify || found == state_.arrays.end()) return cosines;
    std::vector<typename B::Scalar> factor = found->second.values();
    double total = 0;
    for (auto count : factor) total += static_cast<double>(count);
    for (auto& f : factor) f = static_cast<typename B::Scalar>(static_cast<double>(f) / total + 1 / static_cast<double>(factor.size()));
    return (cosines - typename B::Scalar(1)) * Tensor<B>({static_cast<Index>(factor.size())}, std::span<const typename B::Scalar>(factor));
  }

  Flow<B> flow(const Batch<B>& batch, Index) const { return batch.flow(); }  // the model's gate chooses
  Tensor<B> gates(const Batch<B>&) const { return {}; }                      // prompts belong to no task
  Tensor<B> query(const Batch<B>& batch) const { return model_.gate.query(model_.embed(batch.ids), batch.flow()); }
  const PooledPromptLlama::On<B>& model() const { return model_; }
  PooledPromptLlama::On<B>& model() { return model_; }
  LearnerState<B>& state() { return state_; }

 private:
  PooledPromptLlama::On<B> model_;
  Config config_;
  Rng rng_;
  LearnerState<B> state_;  // "chosen": how often each prompt was; the queries' statistics are frozen parameters of the gate
};

}  // namespace cmoe
