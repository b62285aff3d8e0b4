// Progressive prompts: every task adds a prompt in front of the frozen prompts of the tasks before it.
#pragma once

#include "cmoe/continual/learner.hpp"
#include "cmoe/models/llama.hpp"
#include "cmoe/pet/joined_prompts.hpp"

namespace cmoe {

// A frozen decoder with the prompts of all tasks in front of its input.
using PromptedLlama = Adapted<Shallow<NoDelta>, Deep<NoDelta>, NoGate, Causal, JoinedPrompts>;

// Input [P_t; …; P_1; x]; only P_t is trained. Task t runs with its own and the earlier prompts, so it must be told which task it is
// and forgets nothing.                                                                          arXiv 2301.12314
template <class B>
class ProgressivePrompts {
 public:
  ProgressivePrompts(PromptedLlama::On<B> model, const Rng& rng) : model_(std::move(model)), rng_(rng) {}

  void before_task(Index task, const EncodedTask&) {
    freeze(model_);
    model_.add_task(rng_.fork("prompts").fork(static_cast<std::uint64_t>(task)));
    tasks_ = task + 1;
  }
  void add_parameters(AdamW<B>& optimizer) { optimizer.add_module(model_); }
  Loss<B> loss(const Batch<B>& batch, Index task, Index) const { return language_loss(model_(batch.ids, flow(batch, task)), batch); }
  void after_task(Index, const EncodedTask&) {}

  // A task that was not learnt runs without prompts; a task that is not known (negative) with all of them.
  Flow<B> flow(const Batch<B>& batch, Index task) const {
    Flow<B> flow = batch.flow();
    const Index joined = task < 0 ? tasks_ : task < tasks_ ? task + 1 : 0;
    if (joined > 0) flow.gates = Tensor<B>({batch.ids.shape()[0], joined}, typename B::Scalar(1));
    return flow;
  }
  Tensor<B> gates(const Batch<B>&) const { return {}; }
  const PromptedLlama::On<B>& model() const { return model_; }
  PromptedLlama::On<B>& model() { return model_; }

 private:
  PromptedLlama::On<B> model_;
  Rng rng_;
  Index tasks_ = 0;
};

}  // namespace cmoe
