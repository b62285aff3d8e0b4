// DAPT's learner from the options, on a backbone of any family.
#pragma once

#include "adapt.hpp"
#include "cmoe/continual/dapt_learner.hpp"

namespace program {

// `ours` starts from our settings, `paper` from the paper's; options that were given count in both.
inline cmoe::DaptConfig dapt_settings(const LearnOptions& o) {
  using cmoe::PseudoSource;
  cmoe::DaptConfig config = o.word("dapt-preset") == "paper" ? cmoe::DaptConfig::paper() : cmoe::DaptConfig{};
  if (o.number("dapt-kl") >= 0) config.reflection_weight = o.number("dapt-kl");
  if (o.number("dapt-current") >= 0) config.current_weight = o.number("dapt-current");
  if (o.word("dapt-pseudo") != "preset") config.pseudo = o.word("dapt-pseudo") == "generated" ? PseudoSource::generated : PseudoSource::stored;
  config.memory_share = o.number("dapt-memory");
  config.memory_batch = o.count("dapt-memory-batch");
  config.generator.steps = o.count("dapt-generator-steps");
  return config;
}

template <class Recipe, class Plain>
Built with_dapt(const LearnOptions& o, const BackboneOf<Plain>& backbone) {
  const bool paper = o.word("dapt-preset") == "paper";
  typename Recipe::Config sizes;
  sizes.top = o.count("dapt-top");
  sizes.gate.hidden = o.count("dapt-hidden") > 0 ? o.count("dapt-hidden") : paper ? 100 : 48;
  sizes.gate.temperature = o.number("dapt-temperature") > 0 ? o.number("dapt-temperature") : paper ? 0 : 1;
  if constexpr (requires { sizes.prefix.length; }) sizes.prefix.length = o.count("dapt-prompt-length");
  else sizes.deep.stop_gradient_through_old = o.count("dapt-stop-gradient") != 0;
  cmoe::DaptLearner<Backend, Recipe> learner(adapt<Recipe>(backbone, o, sizes), dapt_settings(o), cmoe::Rng(o.seed).fork("learner"));
  return built(std::move(learner), backbone);
}

}  // namespace program
