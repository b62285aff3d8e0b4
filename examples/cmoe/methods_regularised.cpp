// One LoRA for all tasks and a penalty that protects the old ones: EWC, online EWC, learning without forgetting.
#include "cmoe/continual/baselines/ewc.hpp"
#include "cmoe/continual/baselines/lwf.hpp"
#include "adapt.hpp"

namespace program {

using namespace cmoe;

namespace {

FisherLabels fisher_labels(const std::string& word) { return word == "model" ? FisherLabels::model : FisherLabels::data; }

Method ewc() {
  return Method{"ewc", "one LoRA, held where earlier tasks need it: elastic weight consolidation (arXiv 1612.00796)", {},
                     {{"ewc-lambda", "weight of the penalty, for a Fisher information with mean 1", 0.1, 0, 1e9, {}},
                      {"ewc-samples", "sequences of a task for the Fisher information", Index{48}, 1, 1e9, {}},
                      {"ewc-fisher", "labels of the Fisher information", std::string("data"), 0, 0, {"data", "model"}}},
                     with_lora<EwcLearner<Backend>, LoraLlama>([](const LearnOptions& o) {
                       return Ewc{.lambda = o.number("ewc-lambda"), .samples = o.count("ewc-samples"), .labels = fisher_labels(o.word("ewc-fisher"))};
                     })};
}

Method online_ewc() {
  return Method{"online-ewc", "ewc with one anchor that moves along (arXiv 1805.06370)", {},
                     {{"online-ewc-lambda", "weight of the penalty, for a Fisher information with mean 1", 0.1, 0, 1e9, {}},
                      {"online-ewc-gamma", "what is left of the old Fisher information at each task", 0.9, 0, 1, {}},
                      {"online-ewc-samples", "sequences of a task for the Fisher information", Index{48}, 1, 1e9, {}},
                      {"online-ewc-fisher", "labels of the Fisher information", std::string("data"), 0, 0, {"data", "model"}}},
                     with_lora<EwcLearner<Backend>, LoraLlama>([](const LearnOptions& o) {
                       return Ewc{.lambda = o.number("online-ewc-lambda"), .samples = o.count("online-ewc-samples"), .decay = o.number("online-ewc-gamma"),
                                  .centre = AnchorCentre::newest, .labels = fisher_labels(o.word("online-ewc-fisher"))};
                     })};
}

Method lwf() {
  return Method{"lwf", "one LoRA that goes on saying what it said: learning without forgetting (arXiv 1606.09282)", {},
                     {{"lwf-lambda", "weight of the distillation", 1.0, 0, 1e9, {}}, {"lwf-temperature", "of both distributions", 2.0, 1e-3, 1e3, {}}},
                     with_lora<LwfLearner<Backend>, LoraLlama>([](const LearnOptions& o) {
                       return Lwf{.lambda = o.number("lwf-lambda"), .temperature = o.number("lwf-temperature")};
                     })};
}

}  // namespace

std::vector<Method> regularised_methods() {
  return {ewc(), online_ewc(), lwf()};
}

}  // namespace program
