// How ModuleFormer learns a stream: new modules for each task, the old ones frozen, the router's new rows trained with them.
#pragma once

#include "cmoe/continual/replay.hpp"
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
      : model_(std::move(model)), config_(config), rng_(rng), memory_(config.memory_share, config.memory_batch, rng) {}

  void before_task(Index task, const EncodedTask&) {
    freeze(model_);
    model_.insert(config_.attention_experts, config_.feed_experts, rng_.fork("modules").fork(static_cast<std::uint64_t>(task)),
                  config_.insertion);
  }
  void add_parameters(AdamW<B>& optimizer) { optimizer.add_module(model_); }

  Loss<B> loss(const Batch<B>& batch, Index, Index step) const {
    Loss<B> loss = language_loss(model_(batch.ids, batch.flow()), batch);
    memory_.add_loss(loss, model_, step);
    return loss;
  }

  void after_task(Index task, const EncodedTask& data) { memory_.keep(task, data); }

  Flow<B> flow(const Batch<B>& batch, Index) const { return batch.flow(); }
  Tensor<B> gates(const Batch<B>&) const { return {}; }
  const ModuleFormer::On<B>& model() const { return model_; }
  ModuleFormer::On<B>& model() { return model_; }

 private:
  ModuleFormer::On<B> model_;
  ModuleFormerConfig config_;
  Rng rng_;
  ReplayMemory memory_;
};

}  // namespace cmoe
