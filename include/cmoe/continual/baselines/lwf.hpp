// Learning without forgetting: on the new task's items the model must go on saying what it said before the task.
#pragma once

#include "cmoe/continual/regularized.hpp"
#include "cmoe/regularizer/distillation.hpp"

namespace cmoe {

namespace detail {

// While this lives, a model's trained parameters have other values. Between a recorded forward pass and its way back the values
// must be their own again: they are, to the bit, when this ends.
template <class B, class M>
class OtherValues {
 public:
  OtherValues(M& model, const NamedArrays<B>& values) : model_(model), own_(trained_values<B>(model)) { assign(values); }
  ~OtherValues() { assign(own_); }
  OtherValues(const OtherValues&) = delete;
  OtherValues& operator=(const OtherValues&) = delete;

 private:
  void assign(const NamedArrays<B>& values) {
    for_each_param(model_, [&](const std::string& name, Param<B>& p) {
      const auto found = values.find(name);
      if (found != values.end() && found->second.shape() == p.shape()) B::copy(p.size(), found->second.data(), p.data());
    });
  }
  M& model_;
  NamedArrays<B> own_;
};

}  // namespace detail

// L_LM + λ T² KL(p_before ‖ p_now) over the labelled positions of the batch, from the second task on.              arXiv 1606.09282
// ours: the model before the task is kept as its trained parameters and runs beside the new one, so both see the same items whatever
// their order; public code compares with logits stored by step number while the items are shuffled.
struct Lwf {
  double lambda = 1;
  double temperature = 2;

  template <class L>
  void prepare(L& learner, Index task, const EncodedTask&) const {
    if (task > 0) keep(learner.state(), "teacher", trained_values<typename L::Backend>(learner.model()));
  }

  template <class L, class B>
  void add_loss(L& learner, Loss<B>& loss, const Batch<B>& batch, const Flow<B>& flow, const Tensor<B>& logits, Index task) const {
    if (task > 0 && lambda > 0) loss.add("lwf", distillation_loss(teacher_logits(learner, batch, flow), logits, batch.labels, temperature), lambda);
  }

  void consolidate(auto&, Index, const EncodedTask&) const {}

  // What the model said before the task.
  template <class L, class B>
  static Tensor<B> teacher_logits(L& learner, const Batch<B>& batch, Flow<B> flow) {
    const typename Tape<B>::Pause no_recording;
    flow.auxiliary = nullptr;
    const detail::OtherValues<B, std::remove_reference_t<decltype(learner.model())>> before(learner.model(), kept(learner.state(), "teacher"));
    return learner.model()(batch.ids, flow).logits;
  }
};

// LwF on one LoRA that every task trains in turn.
template <class B>
using LwfLearner = Regularized<B, LoraLlama::On<B>, Lwf>;

}  // namespace cmoe
