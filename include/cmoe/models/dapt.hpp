// DAPT: every task keeps its own block, one attention both learns and selects the blocks. Published later as SAPT.  arXiv 2401.08295
#pragma once

#include "cmoe/models/adapted.hpp"
#include "cmoe/moe/key_attention.hpp"

namespace cmoe {

// LoRA blocks, attended over by the largest embedding value of each feature of the prompt.
using Dapt = Adapted<Shallow<NoDelta>, Deep<Mixture<LoRA>>, Gate<PromptMax, KeyAttention>>;

// The same reading the mean of the prompt's embeddings: the largest values of long prompts hardly differ from prompt to prompt (ours).
using DaptMean = Adapted<Shallow<NoDelta>, Deep<Mixture<LoRA>>, Gate<PromptMean, KeyAttention>>;

// Prompts as what is attended over: the mixed prompt stands in front of the sequence.
using DaptPrompts = Adapted<Shallow<NoDelta>, Deep<NoDelta>, Gate<PromptMean, KeyAttention>, Causal, MixedPrompts>;

// Gates that do not compete in place of the attention.
using DaptIndependent = Adapted<Shallow<NoDelta>, Deep<Mixture<LoRA>>, Gate<PromptMean, IndependentGates>>;

}  // namespace cmoe
