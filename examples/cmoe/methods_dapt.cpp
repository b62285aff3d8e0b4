// DAPT, in the form of the paper and in ours.
#include "cmoe/continual/dapt_learner.hpp"
#include "adapt.hpp"

namespace program {

using namespace cmoe;

namespace {

// `ours` starts from our settings, `paper` from the paper's; options that were given count in both.
DaptConfig settings(const LearnOptions& o, bool paper) {
  DaptConfig config = paper ? DaptConfig::paper() : DaptConfig{};
  if (o.number("dapt-kl") >= 0) config.reflection_weight = o.number("dapt-kl");
  if (o.number("dapt-current") >= 0) config.current_weight = o.number("dapt-current");
  if (o.word("dapt-pseudo") != "preset") config.pseudo = o.word("dapt-pseudo") == "generated" ? PseudoSource::generated : PseudoSource::stored;
  config.memory_share = o.number("dapt-memory");
  config.memory_batch = o.count("dapt-memory-batch");
  config.generator.steps = o.count("dapt-generator-steps");
  return config;
}

template <class Recipe>
Built with_dapt(const LearnOptions& o, bool paper, Progress& progress) {
  const Backbone backbone = load_backbone(o.source, progress);
  typename Recipe::Config sizes;
  sizes.top = o.count("dapt-top");
  sizes.gate.hidden = o.count("dapt-hidden") > 0 ? o.count("dapt-hidden") : paper ? 100 : 48;
  sizes.gate.temperature = o.number("dapt-temperature") > 0 ? o.number("dapt-temperature") : paper ? 0 : 1;
  if constexpr (std::is_same_v<typename Recipe::Config, DaptPrompts::Config>) sizes.prefix.length = o.count("dapt-prompt-length");
  else sizes.deep.stop_gradient_through_old = o.count("dapt-stop-gradient") != 0;
  DaptLearner<Backend, Recipe> learner(adapt<Recipe>(backbone, o, sizes), settings(o, paper), Rng(o.seed).fork("learner"));
  return built(std::move(learner), backbone);
}

}  // namespace

std::vector<Method> dapt_methods() {
  const std::vector<OptionSpec> options = {
      {"dapt-preset", "ours: mean-pooled, normalised query and a loss on the current task; paper: without", std::string("ours"), 0, 0, {"ours", "paper"}},
      {"dapt-blocks", "what is attended over", std::string("lora"), 0, 0, {"lora", "prompt"}},
      {"dapt-prompt-length", "tokens of a prompt block", Index{8}, 1, 1e6, {}},
      {"dapt-kl", "weight of the reflection; -1: the preset's", -1.0, -1, 1e9, {}},
      {"dapt-current", "weight of -log of the current task's attention; -1: the preset's", -1.0, -1, 1e9, {}},
      {"dapt-pseudo", "pseudo-samples: real ones, or made by a generator", std::string("preset"), 0, 0, {"preset", "stored", "generated"}},
      {"dapt-memory", "pseudo-samples of a task over its items", 0.02, 0, 1, {}},
      {"dapt-memory-batch", "pseudo-samples of each past task a step", Index{8}, 1, 1e9, {}},
      {"dapt-generator-steps", "training steps of the generator", Index{100}, 1, 1e9, {}},
      {"dapt-hidden", "width of the query's projection; 0: the preset's", Index{0}, 0, 1e9, {}},
      {"dapt-temperature", "of the attention; 0: the preset's: 1, in the paper's form the root of the width", 0.0, 0, 1e9, {}},
      {"dapt-top", "blocks with the largest attention that are used; 0: all", Index{0}, 0, 1e9, {}},
      {"dapt-stop-gradient", "1: no gradient through old blocks, as in the released code", Index{0}, 0, 1, {}}};
  const auto build = [](const LearnOptions& o, Progress& progress) {
    const bool paper = o.word("dapt-preset") == "paper";
    if (o.word("dapt-blocks") == "prompt") return with_dapt<DaptPrompts>(o, paper, progress);
    return paper ? with_dapt<Dapt>(o, paper, progress) : with_dapt<DaptMean>(o, paper, progress);
  };
  return {Method{"dapt", "DAPT: a LoRA block and a key a task, one attention over the blocks (arXiv 2401.08295)", {.mixture = true, .each_task = true, .weighed = true}, options, build}};
}

}  // namespace program
