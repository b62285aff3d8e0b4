// Methods of others to compare with: regularised, incremental, prompted.
#include "cmoe/continual/baselines/ewc.hpp"
#include "cmoe/continual/baselines/inflora.hpp"
#include "cmoe/continual/baselines/l2p.hpp"
#include "cmoe/continual/baselines/lwf.hpp"
#include "cmoe/continual/baselines/moelora.hpp"
#include "cmoe/continual/baselines/olora.hpp"
#include "cmoe/continual/baselines/progressive_prompts.hpp"
#include "learn_run.hpp"

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

// A builder of a learner over a backbone with LoRA: make(options) gives the regulariser.
template <class Learner, class Recipe>
auto with_lora(auto make) {
  return [make](const LearnOptions& o, Progress& progress, auto&& use) {
    const Backbone backbone = load_backbone(o.source, progress);
    Learner learner(adapt<Recipe>(backbone, o), make(o), Rng(o.seed).fork("learner"));
    return use(learner, backbone.tokenizer, backbone.model.context());
  };
}

FisherLabels fisher_labels(const std::string& word) { return word == "model" ? FisherLabels::model : FisherLabels::data; }

Method ewc() {
  return make_method("ewc", "one LoRA, held where earlier tasks need it: elastic weight consolidation (arXiv 1612.00796)", {},
                     {{"ewc-lambda", "weight of the penalty, for a Fisher information with mean 1", 0.1, 0, 1e9, {}},
                      {"ewc-samples", "sequences of a task for the Fisher information", Index{48}, 1, 1e9, {}},
                      {"ewc-fisher", "labels of the Fisher information", std::string("data"), 0, 0, {"data", "model"}}},
                     with_lora<EwcLearner<Backend>, LoraLlama>([](const LearnOptions& o) {
                       return Ewc{.lambda = o.number("ewc-lambda"), .samples = o.count("ewc-samples"), .labels = fisher_labels(o.word("ewc-fisher"))};
                     }));
}

Method online_ewc() {
  return make_method("online-ewc", "ewc with one anchor that moves along (arXiv 1805.06370)", {},
                     {{"online-ewc-lambda", "weight of the penalty, for a Fisher information with mean 1", 0.1, 0, 1e9, {}},
                      {"online-ewc-gamma", "what is left of the old Fisher information at each task", 0.9, 0, 1, {}},
                      {"online-ewc-samples", "sequences of a task for the Fisher information", Index{48}, 1, 1e9, {}},
                      {"online-ewc-fisher", "labels of the Fisher information", std::string("data"), 0, 0, {"data", "model"}}},
                     with_lora<EwcLearner<Backend>, LoraLlama>([](const LearnOptions& o) {
                       return Ewc{.lambda = o.number("online-ewc-lambda"), .samples = o.count("online-ewc-samples"), .decay = o.number("online-ewc-gamma"),
                                  .centre = AnchorCentre::newest, .labels = fisher_labels(o.word("online-ewc-fisher"))};
                     }));
}

Method lwf() {
  return make_method("lwf", "one LoRA that goes on saying what it said: learning without forgetting (arXiv 1606.09282)", {},
                     {{"lwf-lambda", "weight of the distillation", 1.0, 0, 1e9, {}}, {"lwf-temperature", "of both distributions", 2.0, 1e-3, 1e3, {}}},
                     with_lora<LwfLearner<Backend>, LoraLlama>([](const LearnOptions& o) {
                       return Lwf{.lambda = o.number("lwf-lambda"), .temperature = o.number("lwf-temperature")};
                     }));
}

Method inclora() {
  return make_method("inclora", "one more LoRA for each task, the old ones frozen, all added up", {}, {},
                     with_lora<IncLoraLearner<Backend>, TaskLora>([](const LearnOptions&) { return Unprotected{}; }));
}

Method olora() {
  return make_method("olora", "inclora whose new directions keep off the old ones: O-LoRA (arXiv 2310.14152)", {},
                     {{"olora-lambda", "weight of the overlap", 0.5, 0, 1e9, {}},
                      {"olora-norm", "entrywise: sum of absolute values; frobenius: of squares", std::string("entrywise"), 0, 0, {"entrywise", "frobenius"}}},
                     with_lora<OLoraLearner<Backend>, TaskLora>([](const LearnOptions& o) {
                       return OLora{.lambda = o.number("olora-lambda"),
                                    .norm = o.word("olora-norm") == "frobenius" ? OverlapNorm::frobenius : OverlapNorm::entrywise};
                     }));
}

Method inflora() {
  return make_method("inflora", "inclora that moves only directions old inputs do not use: InfLoRA (arXiv 2404.00228)", {},
                     {{"inflora-threshold", "share of the inputs' energy that is protected", 0.9, 0, 1, {}},
                      {"inflora-samples", "sequences of a task whose inputs are looked at", Index{128}, 1, 1e9, {}}},
                     with_lora<InfLoraLearner<Backend>, ObservedTaskLora>([](const LearnOptions& o) {
                       return InfLora{.threshold = o.number("inflora-threshold"), .samples = o.count("inflora-samples")};
                     }));
}

Method moelora() {
  const auto build = [](const LearnOptions& o, Progress& progress, auto&& use) {
    const Backbone backbone = load_backbone(o.source, progress);
    MoELora::Config config;
    RoutedLoRA::Config& routed = config.shallow;
    routed.experts = o.count("moelora-experts");
    routed.expert.rank = std::max<Index>(1, (o.rank > 0 ? o.rank : 8) / routed.experts);  // as many weights as one LoRA
    routed.expert.alpha = 2.0 * static_cast<double>(routed.expert.rank * routed.experts);  // at equal gates each weighs what one LoRA does
    config.deep = routed;
    MoELoraLearner<Backend> learner(adapt<MoELora>(backbone, o, config), BalancedExperts{o.number("moelora-balance")}, Rng(o.seed).fork("learner"));
    return use(learner, backbone.tokenizer, backbone.model.context());
  };
  return make_method("moelora", "one mixture of LoRAs, routed by token (arXiv 2312.09979)", {},
                     {{"moelora-experts", "on each map; they share the rank", Index{4}, 1, 64, {}},
                      {"moelora-balance", "weight of the experts' imbalance", 0.01, 0, 1e9, {}}},
                     build);
}

Method progprompt() {
  const auto build = [](const LearnOptions& o, Progress& progress, auto&& use) {
    const Backbone backbone = load_backbone(o.source, progress);
    PromptedLlama::Config config;
    config.prefix.length = o.count("progprompt-length");
    config.prefix.deviation = embedding_size(backbone);
    ProgressivePrompts<Backend> learner(adapt<PromptedLlama>(backbone, o, config), Rng(o.seed).fork("learner"));
    return use(learner, backbone.tokenizer, backbone.model.context());
  };
  return make_method("progprompt", "one prompt a task before all earlier ones, told which task it is (arXiv 2301.12314)", {.lr_answers = 3e-2, .lr_text = 3e-2},
                     {{"progprompt-length", "vectors of a task's prompt", Index{10}, 1, 1e4, {}}}, build);
}

Method l2p() {
  const auto build = [](const LearnOptions& o, Progress& progress, auto&& use) {
    const Backbone backbone = load_backbone(o.source, progress);
    PooledPromptLlama::Config config;
    config.gate.keys = config.prefix.prompts = o.count("l2p-pool");
    config.prefix.length = o.count("l2p-length");
    config.prefix.chosen = o.count("l2p-chosen");
    config.prefix.deviation = embedding_size(backbone);
    L2P<Backend> learner(adapt<PooledPromptLlama>(backbone, o, config),
                         {.lambda = o.number("l2p-lambda"), .diversify = o.word("l2p-choice") == "diverse",
                          .normalise = o.word("l2p-queries") == "normalised"}, Rng(o.seed).fork("learner"));
    return use(learner, backbone.tokenizer, backbone.model.context());
  };
  return make_method("l2p", "a pool of prompts chosen by trained keys (arXiv 2112.08654)", {.lr_answers = 3e-2, .lr_text = 3e-2},
                     {{"l2p-pool", "prompts and keys", Index{10}, 1, 1e4, {}},
                      {"l2p-length", "vectors of a prompt", Index{5}, 1, 1e4, {}},
                      {"l2p-chosen", "prompts a sequence gets", Index{3}, 1, 1e4, {}},
                      {"l2p-lambda", "weight of the pull of keys to queries", 0.5, 0, 1e9, {}},
                      {"l2p-choice", "diverse: in training, prompts of earlier tasks seem farther", std::string("diverse"), 0, 0, {"diverse", "nearest"}},
                      {"l2p-queries", "what keys are compared with", std::string("normalised"), 0, 0, {"normalised", "plain"}}},
                     build);
}

}  // namespace

std::vector<Method> baseline_methods() {
  return {inclora(), olora(), inflora(), ewc(), online_ewc(), lwf(), moelora(), progprompt(), l2p()};
}

}  // namespace program
