// Methods: what the program knows of a way to learn a stream, whatever its learner's type.
#pragma once

#include <functional>
#include <memory>

#include "cmoe/continual/any_learner.hpp"
#include "cmoe/models/llama.hpp"
#include "options.hpp"
#include "run.hpp"

namespace program {

// What the program's defaults need to know of a method.
struct MethodSettings {
  double lr_answers = 5e-3, lr_text = 1e-2;  // found to work on generated skills and on windows of plain text
  bool joint = false;                        // all tasks at once
  bool deltas = true;                        // the backbone stays as it is, so an adapter is all that was learnt
  bool mixture = false;                      // a gate reads the prompt
  bool each_task = false;                    // an expert or a prompt a task: they are exported one by one
  bool weighed = false;                      // gates weigh experts or choose prompts: `cmoe export --gates` may say them
};

// What an export needs of a learner's model, whose type only its method knows. Gates are those of a flow, (1,E), or empty.
struct Exported {
  cmoe::DecoderConfig sizes;
  double scale = 0;          // of the low-rank blocks
  cmoe::Index boundary = 0;  // prompts enter before this block
  std::function<cmoe::Llama::On<Backend>(const cmoe::Tensor<Backend>& gates)> merged;
  std::function<cmoe::Tensor<Backend>(const cmoe::Tensor<Backend>& gates)> prompts;      // (1,M,C), or empty
  std::function<cmoe::Tensor<Backend>(const cmoe::Tensor<Backend>& weights)> expanded;  // of tasks -> of experts
  std::function<void(const std::string& folder)> write;  // instead of all these: the model's own folder, of safetensors too
};

// A learner on its backbone, whatever its type.
struct Built {
  cmoe::AnyLearner<Backend> learner;
  cmoe::Tokenizer tokenizer;
  cmoe::Index context = 0;
  cmoe::Index entries = 0;  // that sparse deltas choose from
  Exported exported = {};   // what of it can leave
  std::shared_ptr<void> held = {};  // what the learner refers to
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

// The learner as the run left it; `tasks`: how many it has begun. throws cmoe::Error
std::shared_ptr<Built> open_learner(const Method& method, const LearnOptions& options, const std::string& folder, Progress& progress,
                                    cmoe::Index* tasks = nullptr);

// A learner ready to be scored and to generate.
OpenedRun opened(const Method& method, const LearnOptions& options, const std::shared_ptr<Built>& learner);

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
