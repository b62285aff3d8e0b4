// How DAPT learns a stream: a block and a key a task, one attention over the blocks, held by reflection on pseudo-samples.
#pragma once

#include "cmoe/continual/pseudo_samples.hpp"
#include "cmoe/models/dapt.hpp"
#include "cmoe/regularizer/reflection.hpp"

namespace cmoe {

// Where the prompts of past tasks come from.
enum class PseudoSource { stored, generated };

// How DAPT learns: docs/papers/dapt.md says what is the paper's and what ours.
struct DaptConfig {
  double reflection_weight = 1;      // λ of the KL on pseudo-samples of past tasks
  bool sum_over_tasks = false;       // one KL for each past task, summed as in the released code; else their mean
  double current_weight = 1;         // of −log a_t on the current batch (ours); 0 in the paper's form
  bool normalise_query = true;       // by mean and deviation over the first task's prompts (ours)
  double key_rate = 10, projection_rate = 1;  // learning rates over the blocks'
  double memory_share = 0.02;        // pseudo-samples of a task over its items
  Index memory_batch = 8;            // of each past task a step
  PseudoSource pseudo = PseudoSource::stored;
  PseudoConfig generator = {};

  // The form of spec/dapt.md sections 3 and 4. Starves new tasks in short schedules.
  static DaptConfig paper() {
    return {.reflection_weight = 0.5, .sum_over_tasks = true, .current_weight = 0, .normalise_query = false, .key_rate = 1,
            .pseudo = PseudoSource::generated};
  }
};

// L = L_LM + λ mean_i KL(ā_i ‖ a(pseudo-samples of i)) − w log a_t(batch).                                        spec/dapt.md sections 3-5
// ā_i is the mean attention on task i's held-out items when it was learnt, with 0 for later tasks. The KL evaluates embeddings,
// pool, projection and keys only, so it costs no pass through the model.
// Recipe: Dapt, DaptT5 or another whose gate reads the embeddings and scores by KeyAttention.
template <class B, class Recipe = Dapt>
class DaptLearner {
  using Model = typename Recipe::template On<B>;

 public:
  DaptLearner(Model model, const DaptConfig& config, const Rng& rng) : model_(std::move(model)), config_(config), rng_(rng) {
    check(model_.config.boundary == 0, ErrorKind::config, "dapt: the gate reads the embeddings, so the boundary is 0 and not ",
          model_.config.boundary);
    check(config.memory_share >= 0 && config.memory_share <= 1 && config.memory_batch >= 0, ErrorKind::config, "dapt: memory share ",
          config.memory_share, ", batch ", config.memory_batch);
  }

  void before_task(Index task, const EncodedTask&) {
    freeze(model_);
    model_.add_task(rng_.fork("deltas").fork(static_cast<std::uint64_t>(task)));
    unfreeze(model_.gate.down);
    unfreeze(model_.gate.up);
    unfreeze(model_.gate.norm);
    model_.gate.active = task + 1;
    remembered_ = {};
  }

  void prepare(Index task, const EncodedTask& data) {
    if (task > 0 || !config_.normalise_query) return;
    const std::size_t count = std::min<std::size_t>(256, data.train.size());
    std::vector<Tensor<B>> parts;
    for (std::size_t at = 0; at < count; at += 64) parts.push_back(queries({data.train.begin() + static_cast<std::ptrdiff_t>(at),
        data.train.begin() + static_cast<std::ptrdiff_t>(std::min(at + 64, count))}));
    model_.gate.normalise_by(concat_rows(parts));
  }

  void add_parameters(AdamW<B>& optimizer) {
    for_each_param(model_, [&](const std::string& name, Param<B>& p) {
      const bool gate = name.rfind("gate.", 0) == 0, key = name.rfind("gate.keys", 0) == 0;
      optimizer.add(name, p, key ? config_.key_rate : gate ? config_.projection_rate : 1, !gate);
    });
  }

  Loss<B> loss(const Batch<B>& batch, Index task, Index step) {
    Flow<B> flow = batch.flow();
    const Tensor<B> state = model_.embed(batch.ids);
    const Tensor<B> scores = model_.gate.scores(model_.gate.query(state, flow));
    flow.gates = dispatched(softmax(scores), model_.config.top);
    Loss<B> loss;
    loss.add("lm", cross_entropy(model_.finish(state, flow), batch.labels));
    if (task == 0) return loss;
    const Index n = scores.shape()[0];
    if (config_.current_weight > 0)
      loss.add("attention", cross_entropy(scores, Ids<B>({n}, std::vector<Id>(static_cast<std::size_t>(n), static_cast<Id>(task)))),
               config_.current_weight);
    if (config_.reflection_weight > 0) loss.add("reflection", reflection(task, step), config_.reflection_weight);
    return loss;
  }

  // Mean attention on what the task held out, and generated prompts: both look at the weights.
  void consolidate(Index task, const EncodedTask& data) {
    const std::vector<Sequence>& held = data.dev.empty() ? data.train : data.dev;
    const typename Tape<B>::Pause no_recording;
    Tensor<B> total;
    const std::size_t count = std::min<std::size_t>(held.size(), 256);
    for (std::size_t at = 0; at < count; at += 64) {
      const Tensor<B> part = sum_rows(model_.gate.weights(queries({held.begin() + static_cast<std::ptrdiff_t>(at),
          held.begin() + static_cast<std::ptrdiff_t>(std::min(at + 64, count))})));
      total = total ? total + part : part;
    }
    state_.arrays["attention." + std::to_string(task)] = (total * (typename B::Scalar(1) / static_cast<typename B::Scalar>(count))).value();
    if (config_.pseudo == PseudoSource::generated) {
      const std::vector<Sequence> made = pseudo_prompts<B>(model_, data.train, memory_count(data), config_.generator,
                                                           rng_.fork("generator").fork(static_cast<std::uint64_t>(task)));
      std::vector<Id>& list = state_.lists["pseudo." + std::to_string(task)];
      for (const Sequence& s : made) {
        list.push_back(static_cast<Id>(s.prompt));
        list.insert(list.end(), s.ids.begin(), s.ids.begin() + s.prompt);
      }
    }
  }

  void after_task(Index task, const EncodedTask& data) {
    if (config_.pseudo == PseudoSource::stored)
      stored_.push_back(as_prompts(draw_memory(data.train, config_.memory_share, rng_.fork("memory").fork(static_cast<std::uint64_t>(task))),
                                   data.scoring == Scoring::next_token));
  }

  // The pseudo-samples of a past task: real prompts, or generated ones.
  std::vector<Sequence> pseudo_samples(Index task) const {
    if (config_.pseudo == PseudoSource::stored) return stored_.at(static_cast<std::size_t>(task));
    std::vector<Sequence> made;
    const std::vector<Id>& list = state_.list("pseudo." + std::to_string(task));
    for (std::size_t at = 0; at < list.size();) {
      const auto length = static_cast<std::size_t>(list[at]);
      check(list[at] > 0 && at + 1 + length <= list.size(), ErrorKind::format, "dapt: the pseudo-samples of task ", task, " are damaged");
      const auto begin = list.begin() + static_cast<std::ptrdiff_t>(at) + 1;
      made.push_back({{begin, begin + static_cast<std::ptrdiff_t>(length)}, static_cast<Index>(length)});
      made.back().ids.push_back(0);
      at += 1 + length;
    }
    return made;
  }

  // max(1, floor(share · n)): how many pseudo-samples a task of n items leaves.
  Index memory_count(const EncodedTask& data) const {
    return std::max<Index>(1, static_cast<Index>(config_.memory_share * static_cast<double>(data.train.size())));
  }

  LearnerState<B>& state() { return state_; }
  Flow<B> flow(const Batch<B>& batch, Index) const { return batch.flow(); }
  // The same with the task known: what perfect routing would score.
  Flow<B> oracle_flow(const Batch<B>& batch, Index task) const {
    Flow<B> flow = batch.flow();
    if (task < model_.gate.active) flow.gates = oracle_gates<B>(batch.ids.shape()[0], model_.gate.active, task);
    return flow;
  }
  Tensor<B> gates(const Batch<B>& batch) const {
    const Flow<B> flow = batch.flow();
    return model_.gate.active > 0 ? model_.gates(model_.embed(batch.ids), flow) : Tensor<B>();
  }
  const Model& model() const { return model_; }
  Model& model() { return model_; }

 private:
  // What the gate reads of prompts; embeddings are frozen, so it never changes.
  Tensor<B> queries(const std::vector<Sequence>& prompts) const {
    const typename Tape<B>::Pause no_recording;
    const Batch<B> batch = make_batch<B>(prompts, 0, prompts.size());
    return model_.gate.query(model_.embed(batch.ids), batch.flow());
  }

  // KL on `memory_batch` pseudo-samples of each past task against its mean attention, extended by zeros.
  Tensor<B> reflection(Index task, Index step) {
    for (auto t = static_cast<Index>(remembered_.size()); t < task; ++t) remembered_.push_back(queries(pseudo_samples(t)));
    Rng draw = rng_.fork("replay").fork(static_cast<std::uint64_t>(task)).fork(static_cast<std::uint64_t>(step));
    std::vector<Tensor<B>> rows;
    std::vector<typename B::Scalar> targets;
    for (Index t = 0; t < task; ++t) {
      const Tensor<B>& pool = remembered_[static_cast<std::size_t>(t)];
      const auto mean = state_.array("attention." + std::to_string(t)).values();
      for (Index i = 0; i < config_.memory_batch; ++i) {
        const Index pick = draw.below(pool.shape()[0]);
        rows.emplace_back(pool.value().rows(pick, pick + 1));
        targets.insert(targets.end(), mean.begin(), mean.end());
        targets.insert(targets.end(), static_cast<std::size_t>(task + 1) - mean.size(), 0);
      }
    }
    const Tensor<B> target({static_cast<Index>(rows.size()), task + 1}, std::span<const typename B::Scalar>(targets));
    const Tensor<B> mean = reflection_loss(model_.gate.scores(concat_rows(rows)), target);
    return config_.sum_over_tasks ? mean * static_cast<typename B::Scalar>(task) : mean;
  }

  Model model_;
  DaptConfig config_;
  Rng rng_;
  LearnerState<B> state_;
  std::vector<std::vector<Sequence>> stored_;
  std::vector<Tensor<B>> remembered_;  // (samples,C) for each past task
};

}  // namespace cmoe
