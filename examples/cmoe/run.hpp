// Runs: learning a stream into a folder, and opening such a folder again.
#pragma once

#include <functional>

#include "cmoe/continual/evaluate.hpp"
#include "cmoe/continual/task.hpp"
#include "cmoe/io/report.hpp"
#include "cmoe/io/tokenizer.hpp"
#include "device.hpp"
#include "options.hpp"
#include "progress.hpp"

namespace program {

// The stream by its option, in the order asked for. throws cmoe::Error
cmoe::Stream load_stream(const std::string& stream, const std::string& order, std::uint64_t seed);

// A text outside of the stream: share of next tokens predicted (0..100) and mean nll in nats, before and after the stream.
struct Ability {
  std::string text;
  double accuracy_before = 0, accuracy_after = 0, nll_before = 0, nll_after = 0;
};

struct RunResult {
  cmoe::MethodReport report;
  std::vector<Ability> abilities;
  BudgetFit fit;
  std::vector<std::pair<std::string, std::string>> facts;  // what was run on what
  bool finished = true;                                    // false: interrupted, resumable
};

// Learns and writes the run folder. throws cmoe::Error
RunResult run_learning(const LearnOptions& options, Progress& progress);

// The options a run folder was made with, and how many tasks it has learnt. throws cmoe::Error (format) if it is no run folder
LearnOptions read_run(const std::string& folder, std::vector<std::string>* tasks = nullptr);

// What a run has learnt, or a plain model, ready to be scored and to generate. The learner's type is behind the functions.
struct OpenedRun {
  LearnOptions options;
  cmoe::Tokenizer tokenizer;
  cmoe::Index context = 0;
  bool mixture = false;  // a gate reads the prompt
  std::function<cmoe::TaskScore(const cmoe::EncodedTask&, cmoe::Index task)> score;
  std::function<cmoe::detail::BatchCounts(const cmoe::Batch<Backend>&)> count;
  std::function<cmoe::Tensor<Backend>(const cmoe::Batch<Backend>&)> logits;  // (N,T,V), no task told
  // each(prompt, id) says whether a continuation goes on; `read` may be null and is used with one prompt
  std::function<std::vector<std::vector<cmoe::Id>>(const std::vector<std::vector<cmoe::Id>>& prompts, cmoe::Index limit, const cmoe::Sampling&,
                                                   const cmoe::Rng&, const std::function<bool(cmoe::Index, cmoe::Id)>& each,
                                                   cmoe::TextRead<Backend>* read)>
      generate;
};

// With a folder the model is grown as the run grew it and its values are loaded; without one it is the plain model.
OpenedRun open_run(const std::string& folder, const ModelOptions& source, Progress& progress);

}  // namespace program
