// A finished run opened again, or a plain model dressed as a learner, for evaluation and generation.
#pragma once

#include <filesystem>

#include "cmoe/io/checkpoint.hpp"
#include "methods.hpp"
#include "run.hpp"

namespace program {

// Calls use(learner, tokenizer, context, options). With a run folder the model is grown as it was and its values are loaded;
// without one the learner is the plain model.
template <class F>
int with_run_or_model(const std::string& folder, const ModelOptions& source, Progress& progress, F&& use) {
  using namespace cmoe;
  if (folder.empty()) {
    LearnOptions plain;
    plain.method = "seqft";
    plain.source = source;
    return with_learner(plain, progress, [&](auto& learner, const Tokenizer& tokenizer, Index context) {
      return use(learner, tokenizer, context, plain);
    });
  }
  const LearnOptions run = read_run(folder);
  const auto path = std::filesystem::path(folder) / "checkpoint" / "state.safetensors";
  const RunState state = read_checkpoint_state(path, "");
  return with_learner(run, progress, [&](auto& learner, const Tokenizer& tokenizer, Index context) {
    for (Index t = 0; t < state.task + (state.step > 0 ? 1 : 0); ++t) learner.before_task(t, EncodedTask{});
    load_checkpoint(path, learner.model(), static_cast<AdamW<Backend>*>(nullptr));
    return use(learner, tokenizer, context, run);
  });
}

}  // namespace program
