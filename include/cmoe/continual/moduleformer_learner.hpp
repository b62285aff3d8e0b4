// How ModuleFormer learns a stream: new modules for each task, the old ones frozen, the router's new rows trained with them.
#pragma once

#include "cmoe/continual/learner.hpp"
#include "cmoe/models/moduleformer.hpp"

namespace cmoe {

struct ModuleFormerConfig {
  Index attention_experts = 1;  // inserted into every layer for each task
  Index feed_experts = 2;
  Insertion insertion = Insertion::copies;
  double memory_share = 0.015;  // of each past task's items: keeps the new rows from taking old tokens
  Index memory_batch = 8;       // old items beside each batch
};

// ours: spec/moduleformer.md section 7, the paper's section was not available. Before each task copies of a few
// experts are inserted (experts with zero output and fresh rows are hardly ever chosen, so they hardly learn); everything else is frozen, the rows of old experts included; remembered items hold the new rows back on old tasks.
template <class B>
class ModuleFormerLearner {
 public:
  ModuleFormerLearner(ModuleFormer::On<B> model, const ModuleFormerConfig& config, const Rng& rng)
      : model_(std::move(model)), config_(config), rng_(rng) {}

  void before_task(Index task, const EncodedTask&) {
    freeze(model_);
    model_.insert(config_.attention_experts, config_.feed_experts, rng_.fork("modules").fork(static_cast<std::uint64_t>(task)),
                  config_.insertion);
  }
  void add_parameters(AdamW<B>& optimizer) { optimizer.add_module(model_); }

  Loss<B> loss(const Batch<B>& batch, Index, Index step) const {
    Loss<B> loss = language_loss(model_(batch.ids, batch.flow()), batch);
    if (memory_.empty() || config_.memory_batch == 0) return loss;
    Rng draw = rng_.fork("replay").fork(static_cast<std::uint64_t>(memory_.size())).fork(static_cast<std::uint64_t>(step));
    std::vector<const Sequence*> old;
    for (Index i = 0; i < config_.memory_batch; ++i) {
      const auto& task = memory_[static_cast<std::size_t>(i) % memory_.size()];
      old.push_back(&task[static_cast<std::size_t>(draw.below(static_cast<Index>(task.size())))]);
    }
    const Batch<B> replayed = make_batch<B>(old);
    loss.add("replay", cross_entropy(model_(replayed.ids, replayed.flow()).logits, replayed.labels));
    return loss;
  }

  void after_task(Index task, const EncodedTask& data) {
    if (config_.memory_share <= 0) return;
    memory_.push_back(draw_memory(data.train, config_.memory_share, rng_.fork("memory").fork(static_cast<std::uint64_t>(task))));
  }

  Flow<B> flow(const Batch<B>& batch, Index) const { return batch.flow(); }
  Tensor<B> gates(const Batch<B>&) const { return {}; }
  const ModuleFormer::On<B>& model() const { return model_; }
  ModuleFormer::On<B>& model() { return model_; }

 private:
  ModuleFormer::On<B> model_;
  ModuleFormerConfig config_;
  Rng rng_;
  std::vector<std::vector<Sequence>> memory_;
};

}  // namespace cmoe
