// PMoE: progressive mixture of experts with an asymmetric transformer.                           arXiv 2407.21571
#pragma once

#include "cmoe/models/adapted.hpp"

namespace cmoe {

// Shallow layers keep general knowledge in one LoRA, deep layers grow one LoRA expert a task, one router between them reads the
// prompt and weights the experts of all deep layers.
using PMoE = Adapted<Shallow<Single<LoRA>>, Deep<Mixture<LoRA>>, Gate<PromptMean, LinearSoftmax>>;

// What may happen to the shallow LoRA. The paper's text was not available; reviews disagree, and this choice decides whether old
// tasks survive (ours, see docs/papers/pmoe.md).
enum class ShallowPolicy {
  frozen,      // there is none
  first_task,  // trained on the first task, then frozen
  plastic      // trained on every task: unsafe, kept for comparison
};

}  // namespace cmoe
