// Plain sequential learning, replay, and the two upper bounds.
#include "cmoe/continual/per_task.hpp"
#include "cmoe/continual/sequential.hpp"
#include "learn_run.hpp"

namespace program {

using namespace cmoe;

std::vector<Method> sequential_methods() {
  const auto all_weights = [](const LearnOptions& o, Progress& progress, auto&& use) {
    Backbone backbone = load_backbone(o.source, progress);
    const Index context = backbone.model.context();
    SeqFt<Backend> learner(std::move(backbone.model), {}, Rng(o.seed).fork("learner"));
    return use(learner, backbone.tokenizer, context);
  };
  const auto one_lora = [](const LearnOptions& o, Progress& progress, auto&& use) {
    const Backbone backbone = load_backbone(o.source, progress);
    SeqLora<Backend>::Config config;
    if (o.method == "replay") {
      config.memory_share = o.number("replay-memory");
      config.memory_batch = o.count("replay-batch");
    }
    SeqLora<Backend> learner(adapt<LoraLlama>(backbone, o), config, Rng(o.seed).fork("learner"));
    return use(learner, backbone.tokenizer, backbone.model.context());
  };
  const auto lora_each = [](const LearnOptions& o, Progress& progress, auto&& use) {
    const Backbone backbone = load_backbone(o.source, progress);
    PerTask<Backend> learner(adapt<TaskLora>(backbone, o), Rng(o.seed).fork("learner"));
    return use(learner, backbone.tokenizer, backbone.model.context());
  };
  const std::vector<OptionSpec> memory = {{"replay-memory", "share of each task's items kept", 0.02, 0, 1, {}},
                                          {"replay-batch", "old items a step", Index{4}, 0, 1e9, {}}};
  return {make_method("seqft", "all weights, one task after another", {.lr_answers = 1e-3, .lr_text = 1e-3, .deltas = false}, {}, all_weights),
          make_method("seqlora", "one LoRA, one task after another", {}, {}, one_lora),
          make_method("replay", "seqlora with a memory of old items", {}, memory, one_lora),
          make_method("pertask", "one LoRA a task, told which task it is: an upper bound", {}, {}, lora_each),
          make_method("multitask", "one LoRA on all tasks at once: an upper bound", {.joint = true}, {}, one_lora)};
}

}  // namespace program
