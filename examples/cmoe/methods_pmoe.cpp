// PMoE.
#include "cmoe/continual/pmoe_learner.hpp"
#include "learn_run.hpp"

namespace program {

using namespace cmoe;

std::vector<Method> pmoe_methods() {
  const std::vector<OptionSpec> options = {
      {"pmoe-boundary", "first deep layer; -1: two fifths of the layers", Index{-1}, -1, 1e9, {}},
      {"pmoe-shallow", "the shallow layers' LoRA", std::string("first-task"), 0, 0, {"frozen", "first-task", "plastic"}},
      {"pmoe-top", "experts with the largest gates that are used; 0: all", Index{0}, 0, 1e9, {}},
      {"pmoe-memory", "share of each task's prompts kept for the router", 0.015, 0, 1, {}},
      {"pmoe-memory-batch", "remembered prompts a step", Index{48}, 0, 1e9, {}},
      {"pmoe-router-weight", "weight of the router's cross-entropy", 1.0, 0, 1e9, {}},
      {"pmoe-router-rate", "the router's learning rate over the experts'", 10.0, 0, 1e9, {}}};
  const auto build = [](const LearnOptions& o, Progress& progress, auto&& use) {
    const Backbone backbone = load_backbone(o.source, progress);
    PMoEConfig config;
    const std::string& shallow = o.word("pmoe-shallow");
    config.shallow = shallow == "frozen" ? ShallowPolicy::frozen : shallow == "plastic" ? ShallowPolicy::plastic : ShallowPolicy::first_task;
    config.memory_share = o.number("pmoe-memory");
    config.memory_batch = o.count("pmoe-memory-batch");
    config.router_weight = o.number("pmoe-router-weight");
    config.router_rate = o.number("pmoe-router-rate");
    PMoE::Config sizes;
    sizes.boundary = o.count("pmoe-boundary") >= 0 ? o.count("pmoe-boundary") : 2 * backbone.model.layers() / 5;
    sizes.top = o.count("pmoe-top");
    PMoELearner<Backend> learner(adapt<PMoE>(backbone, o, sizes), config, Rng(o.seed).fork("learner"));
    return use(learner, backbone.tokenizer, backbone.model.context());
  };
  return {make_method("pmoe", "PMoE: one LoRA expert a task in the deep layers, one router (arXiv 2407.21571)", {.mixture = true}, options, build)};
}

}  // namespace program
