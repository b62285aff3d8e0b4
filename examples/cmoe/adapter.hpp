// Adapters in the program: put onto a model that --adapter names, and made of what a run has learnt.
#pragma once

#include "backbone.hpp"
#include "cmoe/io/peft.hpp"
#include "method.hpp"

namespace program {

// The model with a LoRA, DoRA or IA3 adapter merged into its weights. throws cmoe::Error
cmoe::Llama::On<Backend> with_adapter(const std::string& folder, const cmoe::Llama::On<Backend>& model);

// Whether the folder holds a tuned prompt, which stands before the tokens and cannot be merged.
bool is_prompt_adapter(const std::string& folder);

// What a learner computes under these gates, as one adapter: all low-rank blocks of a map side by side, each with its gate's weight, or
// the prompts that the gates give. `base`: where the backbone came from.
// throws cmoe::Error (config) where no adapter computes the same
cmoe::PeftAdapter adapter_under(const Built& built, const std::string& method, const cmoe::Tensor<Backend>& gates, const std::string& base);

}  // namespace program
