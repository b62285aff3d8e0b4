// One LoRA a task, chosen by the task's number: the bound that no task-free method passes.
#pragma once

#include "cmoe/continual/learner.hpp"
#include "cmoe/models/adapted.hpp"

namespace cmoe {

// A decoder with one LoRA for each task.
using TaskLora = Adapted<Shallow<NoDelta>, Deep<Mixture<LoRA>>>;

// Recipe: TaskLora or another whose deltas are one a task and whose gates are given.
template <class B, class Recipe = TaskLora>
class PerTask {
  using Model = typename Recipe::template On<B>;

 public:
  PerTask(Model model, const Rng& rng) : model_(std::move(model)), rng_(rng) {}

  void before_task(Index task, const EncodedTask&) {
    freeze(model_);
    model_.add_task(rng_.fork("deltas").fork(static_cast<std::uint64_t>(task)));
    ++experts_;
  }
  void add_parameters(AdamW<B>& optimizer) { optimizer.add_module(model_); }
  Loss<B> loss(const Batch<B>& batch, Index task, Index) const { return language_loss(model_(batch.ids, flow(batch, task)), batch); }
  void after_task(Index, const EncodedTask&) {}

  // A task without an expert runs on the backbone alone.
  Flow<B> flow(const Batch<B>& batch, Index task) const {
    Flow<B> flow = batch.flow();
    if (task >= 0 && task < experts_) flow.gates = oracle_gates<B>(batch.ids.shape()[0], experts_, task);
    return flow;
  }
  Tensor<B> gates(const Batch<B>&) const { return {}; }
  const Model& model() const { return model_; }
  Model& model() { return model_; }

 private:
  Model model_;
  Rng rng_;
  Index experts_ = 0;
};

}  // namespace cmoe
