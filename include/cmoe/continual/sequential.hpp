// Learning one task after another without any protection, and with replay: what everything else is compared with.
#pragma once

#include "cmoe/continual/replay.hpp"
#include "cmoe/models/llama.hpp"

namespace cmoe {

// Trains one set of weights on every task in turn: all weights of the model (SeqFT) or, if the model has deltas, one LoRA on the
// frozen backbone (SeqLoRA). With a memory share above zero each batch is joined by old items (replay). Trained on the union of
// all tasks it is the multitask bound.
template <class B, class Model>
class Sequential {
 public:
  struct Config {
    double memory_share = 0;  // of each past task's training items
    Index memory_batch = 0;   // old items beside each batch
  };

  Sequential(Model model, const Config& config, const Rng& rng) : model_(std::move(model)), rng_(rng), memory_(config.memory_share, config.memory_batch, rng) {}

  void before_task(Index task, const EncodedTask&) {
    if (task > 0 || !has_deltas) return;
    freeze(model_);
    model_.add_task(rng_.fork("deltas"));
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
  const Model& model() const { return model_; }
  Model& model() { return model_; }

 private:
  static constexpr bool has_deltas = !std::is_same_v<Model, typename Model::template WithDelta<NoDelta>::template On<B>>;
  Model model_;
  Rng rng_;
  ReplayMemory memory_;
};

// All weights, trained by every task in turn.
template <class B>
using SeqFt = Sequential<B, Llama::On<B>>;
// One LoRA, trained by every task in turn.
template <class B>
using SeqLora = Sequential<B, LoraLlama::On<B>>;

}  // namespace cmoe
