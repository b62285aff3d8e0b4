// MoE-LoRA.
#include "cmoe/continual/baselines/moelora.hpp"
#include "adapt.hpp"

namespace program {

using namespace cmoe;

namespace {

Method moelora() {
  const auto build = [](const LearnOptions& o, Progress& progress) {
    const Backbone backbone = load_backbone(o.source, progress);
    MoELora::Config config;
    RoutedLoRA::Config& routed = config.shallow;
    routed.experts = o.count("moelora-experts");
    routed.expert.rank = std::max<Index>(1, (o.rank > 0 ? o.rank : 8) / routed.experts);  // as many weights as one LoRA
    routed.expert.alpha = 2.0 * static_cast<double>(routed.expert.rank * routed.experts);  // at equal gates each weighs what one LoRA does
    config.deep = routed;
    MoELoraLearner<Backend> learner(adapt<MoELora>(backbone, o, config), BalancedExperts{o.number("moelora-balance")}, Rng(o.seed).fork("learner"));
    return built(std::move(learner), backbone);
  };
  return Method{"moelora", "one mixture of LoRAs, routed by token (arXiv 2312.09979)", {},
                     {{"moelora-experts", "on each map; they share the rank", Index{4}, 1, 64, {}},
                      {"moelora-balance", "weight of the experts' imbalance", 0.01, 0, 1e9, {}}},
                     build};
}

}  // namespace

std::vector<Method> moelora_methods() {
  return {moelora()};
}

}  // namespace program
