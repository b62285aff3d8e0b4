// ModuleFormer.
#include "cmoe/continual/moduleformer_learner.hpp"
#include "learn_run.hpp"

namespace program {

using namespace cmoe;

std::vector<Method> moduleformer_methods() {
  const std::vector<OptionSpec> options = {
      {"moduleformer-attention-experts", "inserted a layer and task", Index{1}, 1, 1e9, {}},
      {"moduleformer-feed-experts", "inserted a layer and task", Index{2}, 1, 1e9, {}},
      {"moduleformer-memory", "share of each task's items kept", 0.015, 0, 1, {}},
      {"moduleformer-memory-batch", "old items a step", Index{8}, 0, 1e9, {}}};
  const auto build = [](const LearnOptions& o, Progress& progress, auto&& use) {
    ModuleFormerConfig config;
    config.attention_experts = o.count("moduleformer-attention-experts");
    config.feed_experts = o.count("moduleformer-feed-experts");
    config.memory_share = o.number("moduleformer-memory");
    config.memory_batch = o.count("moduleformer-memory-batch");
    ModuleFormerLearner<Backend> learner(load_moduleformer(o.source, progress), config, Rng(o.seed).fork("learner"));
    return use(learner, load_tokenizer(o.source), learner.model().context());
  };
  return {make_method("moduleformer", "ModuleFormer: new modules a task in a sparse modular decoder (arXiv 2306.04640)",
                      {.lr_answers = 3e-3, .lr_text = 3e-3, .deltas = false}, options, build)};
}

}  // namespace program
