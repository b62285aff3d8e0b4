// Plain sequential learning, replay, and the two upper bounds.
#include "cmoe/continual/per_task.hpp"
#include "cmoe/continual/sequential.hpp"
#include "adapt.hpp"

namespace program {

using namespace cmoe;

std::vector<Method> sequential_methods() {
  const auto all_weights = [](const LearnOptions& o, Progress& progress) {
    Backbone backbone = load_backbone(o.source, progress, o.learns ? Weights::unpacked : Weights::stored);
    SeqFt<Backend> learner(std::move(backbone.model), {}, Rng(o.seed).fork("learner"));
    return built(std::move(learner), backbone);
  };
  const auto one_lora = [](const LearnOptions& o, Progress& progress) {
    const Backbone backbone = load_backbone(o.source, progress);
    SeqLora<Backend>::Config config;
    if (o.method == "replay") {
      config.memory_share = o.number("replay-memory");
      config.memory_batch = o.count("replay-batch");
    }
    SeqLora<Backend> learner(adapt<LoraLlama>(backbone, o), config, Rng(o.seed).fork("learner"));
    return built(std::move(learner), backbone);
  };
  const auto lora_each = [](const LearnOptions& o, Progress& progress) {
    const Backbone backbone = load_backbone(o.source, progress);
    PerTask<Backend> learner(adapt<TaskLora>(backbone, o), Rng(o.seed).fork("learner"));
    return built(std::move(learner), backbone);
  };
  const std::vector<OptionSpec> memory = {{"replay-memory", "share of each task's items kept", 0.02, 0, 1, {}},
                                          {"replay-batch", "old items a step", Index{4}, 0, 1e9, {}}};
  return {Method{"seqft", "all weights, one task after another", {.lr_answers = 1e-3, .lr_text = 1e-3, .deltas = false}, {}, all_weights},
          Method{"seqlora", "one LoRA, one task after another", {}, {}, one_lora},
          Method{"replay", "seqlora with a memory of old items", {}, memory, one_lora},
          Method{"pertask", "one LoRA a task, told which task it is: an upper bound", {.each_task = true, .weighed = true}, {}, lora_each},
          Method{"multitask", "one LoRA on all tasks at once: an upper bound", {.joint = true}, {}, one_lora}};
}

}  // namespace program
