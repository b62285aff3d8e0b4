// IA3: the features that enter or leave a frozen map are each scaled by one trained number.               arXiv 2205.05638
#pragma once

#include <algorithm>
#include <vector>

#include "cmoe/pet/delta.hpp"

namespace cmoe {

// y = l ∘ (W x + b), or y = W (l ∘ x) + b for the maps in `inputs`. l starts at one: a fresh delta changes nothing.
// The paper scales keys, values and the feed-forward layer's inner features: Adapted's `targets` = {"key", "value", "down"}.
struct IA3 {
  struct Config {
    std::vector<std::string> inputs = {"down"};  // maps whose input is scaled; of the others the output
  };

  template <class B>
  struct On {
    Param<B> factor;  // (in) or (out)
    bool at_input = false;

    Tensor<B> apply(const Linear<B>& base, const Tensor<B>& x, const Flow<B>&) const {
      if (!factor) return base(x);
      return at_input ? base(x * factor) : base(x) * factor;
    }

    void grow(const Linear<B>& base, const std::string& name, const Config& config, const Rng&) {
      if (factor) return;
      at_input = std::find(config.inputs.begin(), config.inputs.end(), name) != config.inputs.end();
      factor = Param<B>({at_input ? base.in() : base.out()}, 1);
    }

    using Backend = B;
    static void visit(auto& self, auto&& v) { v("factor", self.factor); }
  };
};

}  // namespace cmoe
