// A backbone under the deltas of a recipe, and the learners over it.
#pragma once

#include "backbone.hpp"
#include "cmoe/models/merged.hpp"
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
  cmoe::share_parameters(backbone.model, model);
  return model;
}

// What can leave a decoder that a learner has adapted.
template <class Learner>
Exported what_leaves(const std::shared_ptr<Learner>& kept) {
  const auto& model = kept->model();
  Exported exported;
  exported.sizes = model.config;
  exported.boundary = model.config.boundary;
  if constexpr (requires { model.config.deep.scale(); }) exported.scale = model.config.deep.scale();
  exported.merged = [kept](const cmoe::Tensor<Backend>& gates) { return cmoe::merged(std::as_const(kept->model()), gates); };
  exported.expanded = [kept](const cmoe::Tensor<Backend>& weights) { return kept->model().expanded(weights); };
  exported.prompts = [kept](const cmoe::Tensor<Backend>& gates) {
    cmoe::Flow<Backend> flow;
    flow.gates = gates;
    return kept->model().prefix.prompts(flow, 1);
  };
  return exported;
}

// A learner over the model, as the program keeps it; entries: what sparse deltas choose from.
template <class Learner, class Plain>
Built built(Learner learner, const BackboneOf<Plain>& backbone) {
  const auto kept = std::make_shared<Learner>(std::move(learner));  // the functions refer to it
  auto& model = kept->model();
  cmoe::Index entries = 0;
  model.for_each_deep_map([&](auto& map) { entries += map.base.in() * map.base.out(); });
  Exported exported;
  if constexpr (std::is_base_of_v<cmoe::DecoderConfig, typename std::remove_cvref_t<decltype(model.config)>>) exported = what_leaves(kept);
  return {cmoe::AnyLearner<Backend>(*kept), backbone.tokenizer, model.context(), entries, std::move(exported), kept};
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
