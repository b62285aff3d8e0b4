// What the commands are asked to do, as plain structs; the command line fills them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "cmoe/core/shape.hpp"

namespace CLI {
class App;
}

namespace program {

using cmoe::Index;

struct ModelOptions {
  std::string model = "builtin";
  std::string tokenizer;  // a file or a folder; llama2.c files need it
  std::string weights = "stored";  // matrices of files with narrow numbers: as they are stored, or unpacked
  std::string adapter;    // a folder that PEFT wrote: put onto the model
};

// An option of a method, declared once where the method is; the command line, --help, run.json and the learner's settings come
// from the declaration. Its name has the method's in front: pmoe-boundary.
using OptionValue = std::variant<Index, double, std::string>;
struct OptionSpec {
  std::string name, what;
  OptionValue value;                 // the default, and with it the type
  double low = 0, high = 1e9;        // numbers: the range allowed
  std::vector<std::string> choices;  // words: those allowed
};
using OptionValues = std::map<std::string, OptionValue>;

// What an equal budget came to: the rank or the density that was chosen, and the parameters a task it is expected to train.
struct BudgetFit {
  std::string by;  // "rank" or "density"; empty if the method has neither, so that its number of parameters stays what it is
  double value = 0;
  Index expected = 0;
};

struct LearnOptions {
  std::string method;
  ModelOptions source;
  std::string stream = "builtin", order, out;
  Index task_epochs = 0, task_steps = 0, train_limit = 0, test_limit = 0;
  Index window = 128, prompt_tokens = 32, max_tokens = 0;
  Index batch = 0, accumulate = 1, save_every = 50, log_every = 10;
  std::uint64_t seed = 1;
  bool resume = false, quiet = false, json = false;
  bool learns = true;    // false: the model is used as it is
  Index rank = 0;        // of LoRA; 0: 8
  Index budget = 0;      // trainable parameters a task that rank or density is chosen for; 0: as they are
  BudgetFit fit;         // how the budget was met
  double lr = 0;         // 0: the method's default for the stream
  bool dev = false;      // score the dev split: for choosing settings
  std::string ability;   // text files outside of the stream, separated by commas: scored before and after it
  OptionValues options;  // those of the method, complete

  const OptionValue& option(const std::string& name) const {
    const auto found = options.find(name);
    cmoe::check(found != options.end(), cmoe::ErrorKind::misuse, "the method ", method, " has no option ", name);
    return found->second;
  }
  Index count(const std::string& name) const { return std::get<Index>(option(name)); }
  double number(const std::string& name) const { return std::get<double>(option(name)); }
  const std::string& word(const std::string& name) const { return std::get<std::string>(option(name)); }
};

struct EvaluateOptions {
  ModelOptions source;
  std::string run, text, stream, logits;
  Index test_limit = 0, window = 128, prompt_tokens = 32, max_tokens = 0;
  bool json = false, quiet = false;
};

struct GenerateOptions {
  ModelOptions source;
  std::string run, prompts_file, system, chat_template;
  std::vector<std::string> prompts, stops;
  Index max_tokens = 64, top_k = 0;
  double temperature = 0, top_p = 1, repetition_penalty = 1;
  std::uint64_t seed = 1;
  bool chat = false, json = false, quiet = false;
};

struct TokenizeOptions {
  ModelOptions source;
  std::string text;
  bool special = false, json = false;
};

struct DemoOptions {
  std::string out = "out/demo", methods = "seqft,seqlora,pmoe,dapt,seta,moduleformer";
  Index task_steps = 0, test_limit = 0;
  std::uint64_t seed = 1;
  bool json = false, quiet = false;
};

struct CompareOptions {
  LearnOptions each;  // for all runs; method, seed, order and out are the run's own
  std::string methods, seeds = "1", orders, command;
  bool paired = false;
  std::map<std::string, OptionValues> options;  // of every method
};

struct ExportOptions {
  ModelOptions source;
  std::string run, format, out, task, gates, type = "f32";
  bool json = false, quiet = false;
};

struct MakeStreamOptions {
  std::string out, tasks;
  std::uint64_t seed = 1;
};

int learn(const LearnOptions& options);
int compare(const CompareOptions& options);
int demo(const DemoOptions& options);
int evaluate(const EvaluateOptions& options);
int generate(const GenerateOptions& options);
int tokenize(const TokenizeOptions& options);
int inspect(const std::string& path, bool json);
int export_model(const ExportOptions& options);
int make_stream(const MakeStreamOptions& options);
void add_module_commands(CLI::App& app, int& status);  // prune and insert

}  // namespace program
