// A backbone under the deltas of a recipe, and the learners over it.
#pragma once

#include "backbone.hpp"
#include "method.hpp"

namespace program {

// The backbone's weights under the deltas of a recipe; LoRA blocks of the rank asked for, alpha twice the rank.
template <class Recipe, class Plain>
typename Recipe::template On<Backend> adapt(const BackboneOf<Plain>& backbone, const LearnOptions& o, typename Recipe::Config config = {}) {
  static_cast<typename Plain::Sizes&>(config) = backbone.model.config;
  const auto lora = [&](auto& delta) {
    if constexpr (std::is_base_of_v<cmoe::LoRA::Config, std::remove_reference_t<decltype(delta)>>) {
      delta.rank = o.rank > 0 ? o.rank : 8;
      delta.alpha = 2.0 * static_cast<double>(delta.rank);
    }
  };
  lora(config.shallow);
  lora(config.deep);
  typename Recipe::template On<Backend> model(config, cmoe::Rng(o.seed).fork("learner").fork("model"), cmoe::Pretrained::unfilled);
  cmoe::copy_parameters(backbone.model, model);
  return model;
}

// A learner over the model, as the program keeps it; entries: what sparse deltas choose from.
template <class Learner, class Plain>
Built built(Learner learner, const BackboneOf<Plain>& backbone) {
  cmoe::Index entries = 0;
  if constexpr (requires { learner.model().for_each_deep_map([](auto&) {}); })
    learner.model().for_each_deep_map([&](auto& map) { entries += map.base.in() * map.base.out(); });
  return {cmoe::AnyLearner<Backend>(std::move(learner)), backbone.tokenizer, backbone.model.context(), entries};
}

// How most baselines are built: one recipe of LoRA, and make(options) gives what protects old tasks.
template <class Learner, class Recipe>
auto with_lora(auto make) {
  return [make](const LearnOptions& o, Progress& progress) {
    const Backbone backbone = load_backbone(o.source, progress);
    return built(Learner(adapt<Recipe>(backbone, o), make(o), cmoe::Rng(o.seed).fork("learner")), backbone);
  };
}

}  // namespace program
