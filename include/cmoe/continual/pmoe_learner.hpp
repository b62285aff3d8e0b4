// How PMoE learns a stream: a new expert a task, old experts frozen, the router kept by a small memory of prompts.
#pragma once

#include "cmoe/continual/learner.hpp"
#include "cmoe/models/pmoe.hpp"

namespace cmoe {

struct PMoEConfig {
  ShallowPolicy shallow = ShallowPolicy::first_task;
  double memory_share = 0.015;  // of each past task's items, prompts only: they train the router
  Index memory_batch = 48;      // remembered prompts beside each batch
  double router_weight = 1;     // λ_r of the router's cross-entropy
  double router_rate = 10;      // the router's learning rate over the experts'
};

// L = L_LM + λ_r · mean −log g_task, the second over the batch and as many tasks' remembered prompts.
// ours: spec/pmoe.md section 1.5; the router's gradient is not clipped with the experts'
template <class B>
class PMoELearner {
 public:
  PMoELearner(PMoE::On<B> model, const PMoEConfig& config, const Rng& rng) : model_(std::move(model)), config_(config), rng_(rng) {}

  void before_task(Index task, const EncodedTask&) {
    const bool keep_shallow = task > 0 && config_.shallow == ShallowPolicy::plastic;
    freeze(model_);
    model_.add_task(rng_.fork("deltas").fork(static_cast<std::uint64_t>(task)));
    model_.gate.weight.unfreeze();
    model_.gate.active = task + 1;  // the mask is lifted when training starts: a masked gate gives its expert no gradient
    for (auto& block : model_.shallow) {
      if (config_.shallow == ShallowPolicy::frozen || (task > 0 && !keep_shallow)) freeze(block);
      else if (keep_shallow)
        for_each_param(block, [](const std::string& name, Param<B>& p) {
          if (name.find("delta") != std::string::npos) p.unfreeze();
        });
    }
    remembered_ = {};
  }

  void add_parameters(AdamW<B>& optimizer) {
    for_each_param(model_, [&](const std::string& name, Param<B>& p) {
      const bool router = name.rfind("gate.", 0) == 0;
      optimizer.add(name, p, router ? config_.router_rate : 1, !router);
    });
  }

  Loss<B> loss(const Batch<B>& batch, Index task, Index step) {
    Flow<B> flow = batch.flow();
    const Tensor<B> state = model_.shallow_state(batch.ids, flow);
    const Tensor<B> query = model_.gate.query(state, flow);
    flow.gates = model_.gate.weights(query);
    Loss<B> loss;
    loss.add("lm", cross_entropy(model_.finish(state, flow), batch.labels));
    if (task > 0) loss.add("router", router_loss(query, task, step), config_.router_weight);
    return loss;
  }

  void after_task(Index task, const EncodedTask& data) {
    memory_.push_back(as_prompts(draw_memory(data.train, config_.memory_share, rng_.fork("memory").fork(static_cast<std::uint64_t>(task))),
                                 data.scoring == Scoring::next_token));
  }

  Flow<B> flow(const Batch<B>& batch, Index) const { return batch.flow(); }
  Tensor<B> gates(const Batch<B>& batch) const {
    const Flow<B> flow = batch.flow();
    return model_.gate.active > 0 ? model_.gates(model_.shallow_state(batch.ids, flow), flow) : Tensor<B>();
  }
  const PMoE::On<B>& model() const { return model_; }
  PMoE::On<B>& model() { return model_; }

 private:
  // Cross-entropy of the router on this batch's prompts and on remembered ones, drawn evenly from the past tasks.
  Tensor<B> router_loss(const Tensor<B>& query, Index task, Index step) {
    const Index here = query.shape()[0];
    std::vector<Id> labels(static_cast<std::size_t>(here), static_cast<Id>(task));
    Rng draw = rng_.fork("replay").fork(static_cast<std::uint64_t>(task)).fork(static_cast<std::uint64_t>(step));
    std::vector<Tensor<B>> queries = {query};
    const bool drifting = config_.shallow == ShallowPolicy::plastic;
    if (!drifting && remembered_.empty())
      for (const auto& prompts : memory_) remembered_.push_back(remembered_queries(prompts));
    for (Index i = 0; i < config_.memory_batch; ++i) {
      const auto old = static_cast<std::size_t>(i % task);
      const Index pick = draw.below(static_cast<Index>(memory_[old].size()));
      queries.push_back(drifting ? remembered_queries({memory_[old][static_cast<std::size_t>(pick)]})
                                 : Tensor<B>(remembered_[old].value().rows(pick, pick + 1)));
      labels.push_back(static_cast<Id>(old));
    }
    return cross_entropy(model_.gate.scores(concat_rows(queries)), Ids<B>({static_cast<Index>(labels.size())}, labels));
  }

  // What the gate reads of remembered prompts; the shallow layers are frozen, so it is computed once a task.
  Tensor<B> remembered_queries(const std::vector<Sequence>& prompts) const {
    const typename Tape<B>::Pause no_recording;
    const Batch<B> batch = make_batch<B>(prompts, 0, prompts.size());
    const Flow<B> flow = batch.flow();
    return model_.gate.query(model_.shallow_state(batch.ids, flow), flow);
  }

  PMoE::On<B> model_;
  PMoEConfig config_;
  Rng rng_;
  std::vector<std::vector<Sequence>> memory_;  // one list a task: prompts and one id more
  std::vector<Tensor<B>> remembered_;          // (prompts,C) for each past task
};

}  // namespace cmoe
