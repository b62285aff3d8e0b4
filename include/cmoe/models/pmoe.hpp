// PMoE: progressive mixture of experts with an asymmetric transformer.                           arXiv 2407.21571
#pragma once

#include "cmoe/models/adapted.hpp"
#include "cmoe/moe/analytic.hpp"

namespace cmoe {

// Shallow layers keep general knowledge in one LoRA, deep layers grow one LoRA expert a task, one router between them reads the
// prompt and weights the experts of all deep layers.
using PMoE = Adapted<Shallow<Single<LoRA>>, Deep<Mixture<LoRA>>, Gate<PromptMean, LinearSoftmax>>;

// The same with the router solved by ridge regression instead of trained: spec/pmoe.md 1.5, after Any-SSR.
using PMoEAnalytic = Adapted<Shallow<Single<LoRA>>, Deep<Mixture<LoRA>>, Gate<PromptMean, LeastSquares>>;

// What may happen to the shallow LoRA. The paper's text was not available; reviews disagree, and this choice decides whether old
// tasks survive (ours, see docs/papers/pmoe.md).
enum class ShallowPolicy {
  frozen,      // there is none
  first_task,  // trained on the first task, then frozen
  anchored,    // trained on every task under a quadratic penalty for leaving what earlier tasks need
  plastic      // trained on every task: unsafe, kept for comparison
};

}  // namespace cmoe
