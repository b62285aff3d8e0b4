// Regularised sequential learning: one model, one task after another, and a regulariser that protects what was learnt.
#pragma once

#include "cmoe/continual/kept_arrays.hpp"
#include "cmoe/models/llama.hpp"

namespace cmoe {

// What protects old tasks. A regulariser is settings only: what it finds out goes into the learner's state. Its hooks get the learner L:
//   prepare      before training, may look at the weights         (once: not repeated on resuming)
//   add_loss     its named terms for one batch; the model has just given `logits` for `flow`
//   consolidate  after training, may look at the weights          (once)
//   before_task  if it has one: freezing, repeated on resuming
template <class R, class L>
concept Regularizer = requires(const R& regularizer, L& learner, const EncodedTask& data, Loss<typename L::Backend>& loss,
                               const Batch<typename L::Backend>& batch, const Flow<typename L::Backend>& flow,
                               const Tensor<typename L::Backend>& logits, Index task) {
  regularizer.prepare(learner, task, data);
  regularizer.add_loss(learner, loss, batch, flow, logits, task);
  regularizer.consolidate(learner, task, data);
};

// No protection at all.
struct Unprotected {
  void prepare(auto&, Index, const EncodedTask&) const {}
  void add_loss(auto&, auto&, const auto&, const auto&, const auto&, Index) const {}
  void consolidate(auto&, Index, const EncodedTask&) const {}
};

// L = L_LM + the regulariser's terms.
// each_task false: one set of deltas (or, in a model without deltas, all weights) is trained by every task in turn.
// each_task true:  every task adds deltas, the old ones are frozen, and all have weight 1: y = W x + Σ_e Δ_e(x)  (IncLoRA)
template <class B, class Model, class R, bool each_task = false>
class Regularized {
 public:
  using Backend = B;

  Regularized(Model model, const R& regularizer, const Rng& rng) : model_(std::move(model)), regularizer_(regularizer), rng_(rng) {
    static_assert(Regularizer<R, Regularized>);
  }

  void before_task(Index task, const EncodedTask&) {
    tasks_ = task + 1;
    if (has_deltas && (each_task || task == 0)) {
      freeze(model_);
      model_.add_task(each_task ? rng_.fork("deltas").fork(static_cast<std::uint64_t>(task)) : rng_.fork("deltas"));
    }
    if constexpr (requires { regularizer_.before_task(*this, task); }) regularizer_.before_task(*this, task);
  }

  void prepare(Index task, const EncodedTask& data) { regularizer_.prepare(*this, task, data); }
  void add_parameters(AdamW<B>& optimizer) { optimizer.add_module(model_); }

  Loss<B> loss(const Batch<B>& batch, Index task, Index) {
    std::vector<Tensor<B>> auxiliary;
    Flow<B> flow = this->flow(batch, task);
    flow.auxiliary = &auxiliary;
    const Scores<B> scores = model_(batch.ids, flow);
    Loss<B> loss = language_loss(scores, batch);
    regularizer_.add_loss(*this, loss, batch, flow, scores.logits, task);
    return loss;
  }

  void consolidate(Index task, const EncodedTask& data) { regularizer_.consolidate(*this, task, data); }
  void after_task(Index, const EncodedTask&) {}

  Flow<B> flow(const Batch<B>& batch, Index) const {
    Flow<B> flow = batch.flow();
    if (each_task && tasks_ > 0) flow.gates = Tensor<B>({batch.ids.shape()[0], tasks_}, typename B::Scalar(1));
    return flow;
  }
  Tensor<B> gates(const Batch<B>&) const { return {}; }
  const Model& model() const { return model_; }
  Model& model() { return model_; }
  LearnerState<B>& state() { return state_; }
  const LearnerState<B>& state() const { return state_; }
  const Rng& rng() const { return rng_; }

 private:
  static constexpr bool has_deltas = !std::is_same_v<Model, Llama::On<B>>;
  Model model_;
  R regularizer_;
  Rng rng_;
  Index tasks_ = 0;  // begun so far
  LearnerState<B> state_;
};

}  // namespace cmoe
