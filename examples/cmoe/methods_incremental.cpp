// One more LoRA for each task, all added up: IncLoRA, O-LoRA, InfLoRA.
#include "cmoe/continual/baselines/inflora.hpp"
#include "adapt.hpp"

namespace program {

using namespace cmoe;

namespace {

Method inclora() {
  return Method{"inclora", "one more LoRA for each task, the old ones frozen, all added up", {}, {},
                     with_lora<IncLoraLearner<Backend>, TaskLora>([](const LearnOptions&) { return Unprotected{}; })};
}

Method olora() {
  return Method{"olora", "inclora whose new directions keep off the old ones: O-LoRA (arXiv 2310.14152)", {},
                     {{"olora-lambda", "weight of the overlap", 0.5, 0, 1e9, {}},
                      {"olora-norm", "entrywise: sum of absolute values; frobenius: of squares", std::string("entrywise"), 0, 0, {"entrywise", "frobenius"}}},
                     with_lora<OLoraLearner<Backend>, TaskLora>([](const LearnOptions& o) {
                       return OLora{.lambda = o.number("olora-lambda"),
                                    .norm = o.word("olora-norm") == "frobenius" ? OverlapNorm::frobenius : OverlapNorm::entrywise};
                     })};
}

Method inflora() {
  return Method{"inflora", "inclora that moves only directions old inputs do not use: InfLoRA (arXiv 2404.00228)", {.lr_text = 3e-3},
                     {{"inflora-threshold", "share of the inputs' energy that is protected", 0.99, 0, 1, {}},
                      {"inflora-samples", "sequences of a task whose inputs are looked at", Index{128}, 1, 1e9, {}}},
                     with_lora<InfLoraLearner<Backend>, ObservedTaskLora>([](const LearnOptions& o) {
                       return InfLora{.threshold = o.number("inflora-threshold"), .samples = o.count("inflora-samples")};
                     })};
}

}  // namespace

std::vector<Method> incremental_methods() {
  return {inclora(), olora(), inflora()};
}

}  // namespace program
