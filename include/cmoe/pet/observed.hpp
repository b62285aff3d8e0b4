// Observed deltas: a mixture that shows its inputs to whoever runs the model and asks.
#pragma once

#include "cmoe/pet/lora.hpp"

namespace cmoe {

// Mixture<Kind>, whose maps call the flow's observer with the newest block's down-projection (which says the map) and the input x.
template <class Kind>
struct ObservedMixture {
  using Config = typename Mixture<Kind>::Config;

  template <class B>
  struct On : Mixture<Kind>::template On<B> {
    Tensor<B> add(const Tensor<B>& y, const Tensor<B>& x, const Flow<B>& flow) const {
      if (flow.observer && !this->blocks.empty()) (*flow.observer)(this->blocks.back().a, x);
      return Mixture<Kind>::template On<B>::add(y, x, flow);
    }
  };
};

}  // namespace cmoe
