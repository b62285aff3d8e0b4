// A learner over a backbone with LoRA on its maps: what most baselines are.
#pragma once

#include "learn_run.hpp"

namespace program {

// A builder of such a learner: make(options) gives what protects old tasks.
template <class Learner, class Recipe>
auto with_lora(auto make) {
  return [make](const LearnOptions& o, Progress& progress, auto&& use) {
    const Backbone backbone = load_backbone(o.source, progress);
    Learner learner(adapt<Recipe>(backbone, o), make(o), cmoe::Rng(o.seed).fork("learner"));
    return use(learner, backbone.tokenizer, backbone.model.context());
  };
}

}  // namespace program
