// PMoE.
#include "cmoe/continual/pmoe_learner.hpp"
#include "adapt.hpp"

namespace program {

using namespace cmoe;

namespace {

PMoEConfig settings(const LearnOptions& o) {
  PMoEConfig config;
  const std::string& shallow = o.word("pmoe-shallow");
  config.shallow = shallow == "frozen"     ? ShallowPolicy::frozen
                   : shallow == "anchored" ? ShallowPolicy::anchored
                   : shallow == "plastic"  ? ShallowPolicy::plastic
                                           : ShallowPolicy::first_task;
  config.memory_share = o.number("pmoe-memory");
  config.memory_batch = o.count("pmoe-memory-batch");
  config.router_weight = o.number("pmoe-router-weight");
  config.router_rate = o.number("pmoe-router-rate");
  config.router_gradient = o.word("pmoe-router-gradient") == "ce" ? RouterGradient::ce_only : RouterGradient::lm_and_ce;
  config.phase = o.word("pmoe-phase") == "oracle" ? ExpertPhase::oracle : ExpertPhase::routed;
  config.replay_weight = o.number("pmoe-replay");
  config.orthogonal_weight = o.number("pmoe-orthogonal");
  config.orthogonal_norm = o.word("pmoe-orthogonal-norm") == "l1" ? OverlapNorm::entrywise : OverlapNorm::frobenius;
  config.anchor_weight = o.number("pmoe-anchor");
  return config;
}

template <class Recipe>
Built with_pmoe(const LearnOptions& o, Progress& progress) {
  const Backbone backbone = load_backbone(o.source, progress);
  typename Recipe::Config sizes;
  sizes.boundary = o.count("pmoe-boundary") >= 0 ? o.count("pmoe-boundary") : 2 * backbone.model.layers() / 5;
  sizes.top = o.count("pmoe-top") >= 0 ? o.count("pmoe-top") : o.word("pmoe-router") == "analytic" ? 1 : 0;
  PMoELearner<Backend, Recipe> learner(adapt<Recipe>(backbone, o, sizes), settings(o), Rng(o.seed).fork("learner"));
  return built(std::move(learner), backbone);
}

}  // namespace

std::vector<Method> pmoe_methods() {
  const std::vector<OptionSpec> options = {
      {"pmoe-boundary", "first deep layer; -1: two fifths of the layers", Index{-1}, -1, 1e9, {}},
      {"pmoe-shallow", "the shallow layers' LoRA", std::string("first-task"), 0, 0, {"frozen", "first-task", "anchored", "plastic"}},
      {"pmoe-router", "trained with remembered prompts, or solved by least squares", std::string("softmax"), 0, 0, {"softmax", "analytic"}},
      {"pmoe-top", "experts with the largest gates that are used; 0: all; -1: all, or 1 with the analytic router", Index{-1}, -1, 1e9, {}},
      {"pmoe-memory", "share of each task's prompts kept for the router", 0.015, 0, 1, {}},
      {"pmoe-memory-batch", "remembered prompts a step", Index{48}, 0, 1e9, {}},
      {"pmoe-router-weight", "weight of the router's cross-entropy", 1.0, 0, 1e9, {}},
      {"pmoe-router-rate", "the router's learning rate over the experts'", 10.0, 0, 1e9, {}},
      {"pmoe-router-gradient", "what trains the router", std::string("lm-and-ce"), 0, 0, {"lm-and-ce", "ce"}},
      {"pmoe-phase", "a new expert learns under the router's weights, or alone", std::string("routed"), 0, 0, {"routed", "oracle"}},
      {"pmoe-replay", "weight of the language loss on remembered items", 0.0, 0, 1e9, {}},
      {"pmoe-orthogonal", "weight of the overlap of the experts' A", 0.0, 0, 1e9, {}},
      {"pmoe-orthogonal-norm", "squared Frobenius norm, or sum of absolute entries", std::string("frobenius"), 0, 0, {"frobenius", "l1"}},
      {"pmoe-anchor", "strength of the anchored shallow LoRA's penalty", 1.0, 0, 1e9, {}}};
  const auto build = [](const LearnOptions& o, Progress& progress) {
    return o.word("pmoe-router") == "analytic" ? with_pmoe<PMoEAnalytic>(o, progress) : with_pmoe<PMoE>(o, progress);
  };
  return {Method{"pmoe", "PMoE: one LoRA expert a task in the deep layers, one router (arXiv 2407.21571)", {.mixture = true, .each_task = true, .weighed = true}, options, build}};
}

}  // namespace program
