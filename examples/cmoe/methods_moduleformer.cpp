// ModuleFormer.
#include "adapt.hpp"
#include "cmoe/io/moduleformer_weights.hpp"
#include "modules.hpp"

namespace program {

using namespace cmoe;

std::vector<Method> moduleformer_methods() {
  const std::vector<OptionSpec> options = {
      {"moduleformer-attention-experts", "inserted a layer and task", Index{2}, 1, 1e9, {}},
      {"moduleformer-feed-experts", "inserted a layer and task", Index{4}, 1, 1e9, {}},
      {"moduleformer-memory", "share of each task's items kept", 0.015, 0, 1, {}},
      {"moduleformer-memory-batch", "remembered prompts a step, for the gate", Index{48}, 0, 1e9, {}},
      {"moduleformer-gate", "prompt: whose modules take part is read from the prompt; none: token routers alone", std::string("prompt"), 0, 0, {"prompt", "none"}}};
  const auto build = [](const LearnOptions& o, Progress& progress) {
    ModuleFormerLearner<Backend> learner(load_moduleformer(o.source, progress), moduleformer_settings(o), Rng(o.seed).fork("learner"));
    const auto kept = std::make_shared<ModuleFormerLearner<Backend>>(std::move(learner));
    Tokenizer tokenizer = load_tokenizer(o.source);
    Exported exported;
    exported.write = [kept, bytes = std::holds_alternative<ByteTokenizer>(tokenizer.kind())](const std::string& folder) {
      std::map<std::string, std::string> about;
      if (bytes) about["tokenizer"] = "bytes";
      save_moduleformer(folder, kept->model(), about);
    };
    return Built{AnyLearner<Backend>(*kept), std::move(tokenizer), kept->model().context(), 0, std::move(exported)};
  };
  return {Method{"moduleformer", "ModuleFormer: new modules a task in a sparse modular decoder (arXiv 2306.04640)",
                      {.lr_answers = 3e-3, .lr_text = 3e-3, .deltas = false, .mixture = true}, options, build}};
}

}  // namespace program
