// Replay: a few items of past tasks, kept and trained on again beside new ones.
#pragma once

#include "cmoe/continual/learner.hpp"

namespace cmoe {

// Items of past tasks, one list a task. What is kept and what is drawn are functions of the seed, the task and the step.
class ReplayMemory {
 public:
  ReplayMemory(double share, Index batch, const Rng& rng) : share_(share), batch_(batch), rng_(rng) {}

  // Keeps the share of a task's training items; a share of 0 keeps nothing.
  void keep(Index task, const EncodedTask& data) {
    if (share_ > 0) tasks_.push_back(draw_memory(data.train, share_, rng_.fork("memory").fork(static_cast<std::uint64_t>(task))));
  }

  // Adds the loss on items drawn evenly from the past tasks; nothing before there are any.
  template <class B, class Model>
  void add_loss(Loss<B>& loss, const Model& model, Index step, double weight = 1) const {
    if (tasks_.empty() || batch_ == 0) return;
    Rng draw = rng_.fork("replay").fork(static_cast<std::uint64_t>(tasks_.size())).fork(static_cast<std::uint64_t>(step));
    std::vector<const Sequence*> old;
    for (Index i = 0; i < batch_; ++i) {
      const std::vector<Sequence>& task = tasks_[static_cast<std::size_t>(i) % tasks_.size()];
      old.push_back(&task[static_cast<std::size_t>(draw.below(static_cast<Index>(task.size())))]);
    }
    const Batch<B> batch = make_batch<B>(old);
    loss.add("replay", cross_entropy(model(batch.ids, batch.flow()).logits, batch.labels), weight);
  }

 private:
  double share_;
  Index batch_;
  Rng rng_;
  std::vector<std::vector<Sequence>> tasks_;
};

}  // namespace cmoe
