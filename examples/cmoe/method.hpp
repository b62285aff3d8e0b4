// Methods: what the program knows of a way to learn a stream, whatever its learner's type.
#pragma once

#include <functional>

#include "cmoe/continual/any_learner.hpp"
#include "options.hpp"
#include "run.hpp"

namespace program {

// What the program's defaults need to know of a method.
struct MethodSettings {
  double lr_answers = 5e-3, lr_text = 1e-2;  // found to work on generated skills and on windows of plain text
  bool joint = false;                        // all tasks at once
  bool deltas = true;                        // the backbone stays as it is, so an adapter is all that was learnt
  bool mixture = false;                      // a gate reads the prompt
};

// A learner on its backbone, whatever its type.
struct Built {
  cmoe::AnyLearner<cmoe::Cpu<float>> learner;
  cmoe::Tokenizer tokenizer;
  cmoe::Index context = 0;
  cmoe::Index entries = 0;  // that sparse deltas choose from
};

struct Method {
  std::string name, what;
  MethodSettings settings;
  std::vector<OptionSpec> options;
  std::function<Built(const LearnOptions&, Progress&)> build;
};

// Learns and writes the run folder. throws cmoe::Error
RunResult learn_with(const Method& method, const LearnOptions& asked, Progress& progress);

// What was learnt, ready to be scored and to generate; without a folder the model as it is. throws cmoe::Error
OpenedRun open_with(const Method& method, const LearnOptions& options, const std::string& folder, Progress& progress);

// All methods, the four architectures first.
const std::vector<Method>& methods();

// throws cmoe::Error (config) naming those there are
const Method& find_method(const std::string& name);

// The defaults of the method's options.
OptionValues default_options(const Method& method);

// Whether --model names a folder with a T5, and the learner of a method on it. throws cmoe::Error for a method that takes none
bool is_t5(const ModelOptions& options);
Built build_t5(const LearnOptions& options, Progress& progress);

// One group for each file that declares methods.
std::vector<Method> pmoe_methods();
std::vector<Method> dapt_methods();
std::vector<Method> seta_methods();
std::vector<Method> moduleformer_methods();
std::vector<Method> sequential_methods();
std::vector<Method> regularised_methods();
std::vector<Method> incremental_methods();
std::vector<Method> moelora_methods();
std::vector<Method> prompt_methods();

}  // namespace program
