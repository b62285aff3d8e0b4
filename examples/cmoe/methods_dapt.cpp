// DAPT, in the form of the paper and in ours.
#include "dapt.hpp"

namespace program {

using namespace cmoe;

std::vector<Method> dapt_methods() {
  const std::vector<OptionSpec> options = {
      {"dapt-preset", "ours: mean-pooled, normalised query and a loss on the current task; paper: without", std::string("ours"), 0, 0, {"ours", "paper"}},
      {"dapt-blocks", "what is attended over", std::string("lora"), 0, 0, {"lora", "prompt"}},
      {"dapt-prompt-length", "tokens of a prompt block", Index{8}, 1, 1e6, {}},
      {"dapt-kl", "weight of the reflection; -1: the preset's", -1.0, -1, 1e9, {}},
      {"dapt-current", "weight of -log of the current task's attention; -1: the preset's", -1.0, -1, 1e9, {}},
      {"dapt-pseudo", "pseudo-samples: real ones, or made by a generator", std::string("preset"), 0, 0, {"preset", "stored", "generated"}},
      {"dapt-memory", "pseudo-samples of a task over its items", 0.02, 0, 1, {}},
      {"dapt-memory-batch", "pseudo-samples of each past task a step", Index{8}, 1, 1e9, {}},
      {"dapt-generator-steps", "training steps of the generator", Index{100}, 1, 1e9, {}},
      {"dapt-hidden", "width of the query's projection; 0: the preset's", Index{0}, 0, 1e9, {}},
      {"dapt-temperature", "of the attention; 0: the preset's: 1, in the paper's form the root of the width", 0.0, 0, 1e9, {}},
      {"dapt-top", "blocks with the largest attention that are used; 0: all", Index{0}, 0, 1e9, {}},
      {"dapt-stop-gradient", "1: no gradient through old blocks, as in the released code", Index{0}, 0, 1, {}}};
  const auto build = [](const LearnOptions& o, Progress& progress) {
    const Backbone backbone = load_backbone(o.source, progress);
    if (o.word("dapt-blocks") == "prompt") return with_dapt<DaptPrompts>(o, backbone);
    return o.word("dapt-preset") == "paper" ? with_dapt<Dapt>(o, backbone) : with_dapt<DaptMean>(o, backbone);
  };
  return {Method{"dapt", "DAPT: a LoRA block and a key a task, one attention over the blocks (arXiv 2401.08295)", {.mixture = true, .each_task = true, .weighed = true}, options, build}};
}

}  // namespace program
