// ModuleFormer in the program: models in folders, and the learner's settings.
#pragma once

#include "backbone.hpp"
#include "cmoe/continual/moduleformer_learner.hpp"

namespace program {

// Whether --model names a folder whose config.json says model_type moduleformer.
bool is_moduleformer_folder(const std::string& model);

// The model and the tokenizer of such a folder. throws cmoe::Error
cmoe::ModuleFormer::On<Backend> open_moduleformer(const std::string& folder);
cmoe::Tokenizer open_moduleformer_tokenizer(const ModelOptions& options);

// What the options say to the learner.
inline cmoe::ModuleFormerConfig moduleformer_settings(const LearnOptions& o) {
  cmoe::ModuleFormerConfig config;
  config.attention_experts = o.count("moduleformer-attention-experts");
  config.feed_experts = o.count("moduleformer-feed-experts");
  config.memory_share = o.number("moduleformer-memory");
  config.memory_batch = o.count("moduleformer-memory-batch");
  config.gated = o.word("moduleformer-gate") == "prompt";
  return config;
}

}  // namespace program
