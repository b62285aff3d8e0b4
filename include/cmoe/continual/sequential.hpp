// Learning one task after another without any protection, and with replay: what everything else is compared with.
#pragma once

#include "cmoe/continual/learner.hpp"
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

  Sequential(Model model, const Config& config, const Rng& rng) : model_(std::move(model)), config_(config), rng_(rng) {}

  void before_task(Index task, const EncodedTask&) {
    if (task > 0 || !has_deltas) return;
    freeze(model_);
    model_.add_task(rng_.fork("deltas"));
  }

  void add_parameters(AdamW<B>& optimizer) { optimizer.add_module(model_); }

  Loss<B> loss(const Batch<B>& batch, Index, Index step) const {
    Loss<B> loss = language_loss(model_(batch.ids, batch.flow()), batch);
    if (memory_.empty() || config_.memory_batch == 0) return loss;
    Rng draw = rng_.fork("replay").fork(static_cast<std::uint64_t>(memory_.size())).fork(static_cast<std::uint64_t>(step));
    std::vector<const Sequence*> old;
    for (Index i = 0; i < config_.memory_batch; ++i)
      old.push_back(&memory_[static_cast<std::size_t>(draw.below(static_cast<Index>(memory_.size())))]);
    const Batch<B> replayed = make_batch<B>(old);
    loss.add("replay", cross_entropy(model_(replayed.ids, replayed.flow()).logits, replayed.labels));
    return loss;
  }

  void after_task(Index task, const EncodedTask& data) {
    if (config_.memory_share <= 0) return;
    for (Sequence& s : draw_memory(data.train, config_.memory_share, rng_.fork("memory").fork(static_cast<std::uint64_t>(task))))
      memory_.push_back(std::move(s));
  }

  Flow<B> flow(const Batch<B>& batch, Index) const { return batch.flow(); }
  Tensor<B> gates(const Batch<B>&) const { return {}; }
  const Model& model() const { return model_; }
  Model& model() { return model_; }

 private:
  static constexpr bool has_deltas = !std::is_same_v<Model, Llama::On<B>>;
  Model model_;
  Config config_;
  Rng rng_;
  std::vector<Sequence> memory_;
};

template <class B>
using SeqFt = Sequential<B, Llama::On<B>>;
template <class B>
using SeqLora = Sequential<B, LoraLlama::On<B>>;

}  // namespace cmoe
