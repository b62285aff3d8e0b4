// MoE-LoRA trained on one task after another: routing by token alone does not protect old tasks.
#pragma once

#include "cmoe/continual/regularized.hpp"
#include "cmoe/pet/routed_lora.hpp"

namespace cmoe {

// A decoder with a LoRA of routed experts on every map.
using MoELora = Adapted<Shallow<RoutedLoRA>, Deep<RoutedLoRA>>;

// L_LM + λ · mean over the maps of the experts' imbalance.                       arXiv 2312.09979; ours: without weights by task type
struct BalancedExperts {
  double lambda = 0.01;

  void prepare(auto&, Index, const EncodedTask&) const {}
  void consolidate(auto&, Index, const EncodedTask&) const {}

  template <class L, class B>
  void add_loss(L&, Loss<B>& loss, const Batch<B>&, const Flow<B>& flow, const Tensor<B>&, Index) const {
    if (lambda == 0 || !flow.auxiliary || flow.auxiliary->empty()) return;
    Tensor<B> total = flow.auxiliary->front();
    for (std::size_t i = 1; i < flow.auxiliary->size(); ++i) total = total + (*flow.auxiliary)[i];
    loss.add("balance", total * static_cast<typename B::Scalar>(1 / static_cast<double>(flow.auxiliary->size())), lambda);
  }
};

// MoE-LoRA: the same experts for all tasks, with a loss that keeps them in balance.
template <class B>
using MoELoraLearner = Regularized<B, MoELora::On<B>, BalancedExperts>;

}  // namespace cmoe
