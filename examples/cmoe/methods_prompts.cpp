// Prompts before a frozen model: progressive prompts and L2P.
#include "cmoe/continual/baselines/l2p.hpp"
#include "cmoe/continual/baselines/progressive_prompts.hpp"
#include "adapt.hpp"

namespace program {

using namespace cmoe;

namespace {

// The size of an embedding's entries: prompts begin as large as the tokens beside them.
double embedding_size(const Backbone& backbone) {
  const auto& table = backbone.model.embedding;
  double squares = 0;
  Index entries = 0;
  for_each_param(table, [&](const std::string&, const Param<Backend>& p) {
    squares += Backend::sum_squares(p.size(), p.data());
    entries += p.size();
  });
  return std::sqrt(squares / static_cast<double>(std::max<Index>(entries, 1)));
}

Method progprompt() {
  const auto build = [](const LearnOptions& o, Progress& progress) {
    const Backbone backbone = load_backbone(o.source, progress);
    PromptedLlama::Config config;
    config.prefix.length = o.count("progprompt-length");
    config.prefix.deviation = embedding_size(backbone);
    ProgressivePrompts<Backend> learner(adapt<PromptedLlama>(backbone, o, config), Rng(o.seed).fork("learner"));
    return built(std::move(learner), backbone);
  };
  return Method{"progprompt", "one prompt a task before all earlier ones, told which task it is (arXiv 2301.12314)", {.lr_answers = 3e-2, .lr_text = 0.3, .each_task = true},
                     {{"progprompt-length", "vectors of a task's prompt", Index{20}, 1, 1e4, {}}}, build};
}

Method l2p() {
  const auto build = [](const LearnOptions& o, Progress& progress) {
    const Backbone backbone = load_backbone(o.source, progress);
    PooledPromptLlama::Config config;
    config.gate.keys = config.prefix.prompts = o.count("l2p-pool");
    config.prefix.length = o.count("l2p-length");
    config.prefix.chosen = o.count("l2p-chosen");
    config.prefix.deviation = embedding_size(backbone);
    L2P<Backend> learner(adapt<PooledPromptLlama>(backbone, o, config),
                         {.lambda = o.number("l2p-lambda"), .diversify = o.word("l2p-choice") == "diverse",
                          .normalise = o.word("l2p-queries") == "normalised"}, Rng(o.seed).fork("learner"));
    return built(std::move(learner), backbone);
  };
  return Method{"l2p", "a pool of prompts chosen by trained keys (arXiv 2112.08654)", {.lr_answers = 3e-2, .lr_text = 0.3, .weighed = true},
                     {{"l2p-pool", "prompts and keys", Index{10}, 1, 1e4, {}},
                      {"l2p-length", "vectors of a prompt", Index{5}, 1, 1e4, {}},
                      {"l2p-chosen", "prompts a sequence gets", Index{3}, 1, 1e4, {}},
                      {"l2p-lambda", "weight of the pull of keys to queries", 0.5, 0, 1e9, {}},
                      {"l2p-choice", "diverse: in training, prompts of earlier tasks seem farther", std::string("diverse"), 0, 0, {"diverse", "nearest"}},
                      {"l2p-queries", "what keys are compared with", std::string("normalised"), 0, 0, {"normalised", "plain"}}},
                     build};
}

}  // namespace

std::vector<Method> prompt_methods() {
  return {progprompt(), l2p()};
}

}  // namespace program
