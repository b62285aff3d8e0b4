// SETA.
#include "cmoe/continual/seta_learner.hpp"
#include "adapt.hpp"

namespace program {

using namespace cmoe;

namespace {

template <class Recipe>
Built with_seta(const LearnOptions& o, Progress& progress) {
  const Backbone backbone = load_backbone(o.source, progress, Weights::unpacked);  // its probe reads gradients of the weights
  SetaConfig config;
  config.density = o.number("seta-density");
  config.coverage = o.number("seta-coverage");
  config.anchor_weight = o.number("seta-anchor");
  config.losses = o.word("seta-losses") == "constant" ? SetaLosses::constant : SetaLosses::adaptive;
  config.freeze_shared = o.word("seta-shared") == "frozen";
  config.split.threshold = o.number("seta-threshold");
  config.split.most = o.count("seta-experts");
  config.memory_share = o.number("seta-memory");
  typename Recipe::Config sizes;
  sizes.boundary = o.count("seta-boundary");
  sizes.top = 1;
  SetaLearner<Backend, Recipe> learner(adapt<Recipe>(backbone, o, sizes), config, Rng(o.seed).fork("learner"));
  return built(std::move(learner), backbone);
}

}  // namespace

std::vector<Method> seta_methods() {
  const std::vector<OptionSpec> options = {
      {"seta-density", "at most this share of each map's entries for a task", 0.1, 1e-6, 1, {}},
      {"seta-coverage", "the share of all sensitivity that a mask holds", 0.9, 1e-6, 1, {}},
      {"seta-threshold", "an expert is split if this share of the mask lies in it", 0.05, 0, 1, {}},
      {"seta-experts", "at most so many experts", Index{64}, 1, 1e6, {}},
      {"seta-anchor", "strength of the anchor on shared entries", 1.0, 0, 1e9, {}},
      {"seta-losses", "the first version's, or the revision's", std::string("adaptive"), 0, 0, {"constant", "adaptive"}},
      {"seta-shared", "shared entries are anchored, or frozen", std::string("anchored"), 0, 0, {"anchored", "frozen"}},
      {"seta-router", "solved by least squares, or trained with remembered queries", std::string("analytic"), 0, 0, {"analytic", "softmax"}},
      {"seta-boundary", "layers without deltas in front of the gate", Index{0}, 0, 1e9, {}},
      {"seta-memory", "share of each task's prompts kept for a trained router", 0.02, 0, 1, {}}};
  const auto build = [](const LearnOptions& o, Progress& progress) {
    return o.word("seta-router") == "softmax" ? with_seta<Seta>(o, progress) : with_seta<SetaAnalytic>(o, progress);
  };
  return {Method{"seta", "SETA: sparse experts, unique and shared, split where tasks overlap (arXiv 2601.17616)", {.mixture = true, .each_task = true, .weighed = true}, options, build}};
}

}  // namespace program
