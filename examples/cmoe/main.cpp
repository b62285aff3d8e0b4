// The program cmoe: the command line, and errors as one line.
#include <CLI/CLI.hpp>
#include <cstdio>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include "cmoe/core/parallel.hpp"
#include "cmoe/cpu/isa.hpp"
#include "colour.hpp"
#include "device.hpp"
#include "interrupt.hpp"
#include "manual.hpp"
#include "method.hpp"
#include "options.hpp"
#include "version.hpp"

namespace {

using namespace program;

void complain(const std::string& what) { std::fprintf(stderr, "%s %s\n", red("cmoe:", STDERR_FILENO).c_str(), what.c_str()); }

void add_model(CLI::App& command, ModelOptions& o) {
  command.add_option("--model", o.model, "builtin, FILE.gguf, a Hugging Face folder, a folder with a ModuleFormer, or a llama2.c FILE.bin")->capture_default_str();
  command.add_option("--tokenizer", o.tokenizer, "a tokenizer file, or a folder that holds one; llama2.c files need it");
  command.add_option("--weights", o.weights, "matrices of a file whose numbers are narrower than 32 bits: stored (as they are, frozen: little memory) or "
                     "unpacked (multiply faster; methods that train or read them do so anyway)")
      ->capture_default_str()->check(CLI::IsMember({"stored", "unpacked"}));
}

void add_learnt(CLI::App& command, auto& o) {
  auto* run = command.add_option("--run", o.run, "a run folder: its model with what it has learnt");
  command.add_option("--adapter", o.source.adapter, "a PEFT adapter's folder, put onto the model")->excludes(run);
}

void add_windows(CLI::App& command, auto& o) {
  command.add_option("--window", o.window, "tokens of a window of plain text")->capture_default_str()->check(CLI::PositiveNumber);
  command.add_option("--prompt-tokens", o.prompt_tokens, "of these the prompt: all that a gate may read")
      ->capture_default_str()->check(CLI::PositiveNumber);
  command.add_option("--max-tokens", o.max_tokens, "cut items to so many tokens; 0: the model's context")
      ->capture_default_str()->check(CLI::NonNegativeNumber);
  command.add_option("--test-limit", o.test_limit, "test items of each task; 0: all")->capture_default_str()->check(CLI::NonNegativeNumber);
}

std::string method_names() {
  std::string names;
  for (const Method& method : methods()) names += (names.empty() ? "" : ", ") + method.name;
  return names;
}

// What learn and compare share.
void add_learning(CLI::App& command, LearnOptions& o) {
  add_model(command, o.source);
  command.add_option("--stream", o.stream, "builtin, or a folder of tasks")->capture_default_str();
  command.add_option("--order", o.order, "names of tasks, separated by commas; default: all");
  auto* epochs = command.add_option("--task-epochs", o.task_epochs, "passes over each task's items")->check(CLI::PositiveNumber);
  command.add_option("--task-steps", o.task_steps, "optimiser steps a task (default 150; plain text 120)")->check(CLI::PositiveNumber)->excludes(epochs);
  command.add_option("--train-limit", o.train_limit, "training items of each task; 0: all")->capture_default_str()->check(CLI::NonNegativeNumber);
  add_windows(command, o);
  command.add_option("--batch", o.batch, "items a step (default 16; plain text 8)")->check(CLI::PositiveNumber);
  command.add_option("--accumulate", o.accumulate, "batches that make one step")->capture_default_str()->check(CLI::PositiveNumber);
  command.add_option("--save-every", o.save_every, "steps between checkpoints")->capture_default_str()->check(CLI::NonNegativeNumber);
  command.add_option("--log-every", o.log_every, "steps between log lines")->capture_default_str()->check(CLI::PositiveNumber);
  command.add_option("--lr", o.lr, "learning rate; 0: the method's default")->check(CLI::NonNegativeNumber);
  auto* rank = command.add_option("--rank", o.rank, "rank of LoRA; 0: 8")->check(CLI::NonNegativeNumber);
  command.add_option("--budget", o.budget, "trainable parameters a task: chooses the rank (seta: the density) that comes nearest")
      ->check(CLI::PositiveNumber)->excludes(rank);
  command.add_option("--ability", o.ability, "text files, separated by commas: scored before and after the stream");
  command.add_flag("--dev", o.dev, "score the dev split and not the test split: for choosing settings");
  command.add_option("--out", o.out, "the folder to write")->required();
  command.add_flag("--resume", o.resume, "go on with what was interrupted");
  command.add_flag("--json", o.json, "results as JSON");
  command.add_flag("--quiet", o.quiet, "no progress");
}

// The options of all methods are known; --help shows those of the methods that were named.
void add_method_options(CLI::App& command, const std::string& named, std::map<std::string, OptionValues>& values) {
  for (const Method& method : methods()) {
    OptionValues& mine = values[method.name] = default_options(method);
    const bool wanted = named.empty() || (',' + named + ',').find(',' + method.name + ',') != std::string::npos;
    for (const OptionSpec& spec : method.options) {
      CLI::Option* option = std::visit(
          [&](auto& value) -> CLI::Option* { return command.add_option("--" + spec.name, value, spec.what)->capture_default_str(); }, mine[spec.name]);
      option->group(wanted ? "Options of " + method.name : std::string());
      if (spec.choices.empty()) {
        if (!std::holds_alternative<std::string>(spec.value)) option->check(CLI::Range(spec.low, spec.high));
      } else {
        option->check(CLI::IsMember(spec.choices));
      }
    }
  }
}

void add_generation(CLI::App& command, GenerateOptions& o) {
  command.add_option("--prompt", o.prompts, "the prompt, several times for several; - reads stdin")->allow_extra_args(false);
  command.add_option("--prompts", o.prompts_file, "a file with one prompt a line; - reads stdin");
  command.add_flag("--chat", o.chat, "a conversation: every line of stdin, or the prompt, is a question");
  command.add_option("--system", o.system, "the message that a conversation begins with");
  command.add_option("--chat-template", o.chat_template, "a file with the template of conversations; default: the model's own");
  command.add_option("--max-tokens", o.max_tokens, "at most so many tokens")->capture_default_str();
  command.add_option("--temperature", o.temperature, "0: the likeliest token")->capture_default_str();
  command.add_option("--top-k", o.top_k, "only the k likeliest; 0: all")->capture_default_str();
  command.add_option("--top-p", o.top_p, "only the likeliest with this mass together")->capture_default_str();
  command.add_option("--repetition-penalty", o.repetition_penalty, "above 1: tokens that were there become less likely")->capture_default_str();
  command.add_option("--stop", o.stops, "a text that ends the continuation and is not shown, several times for several")->allow_extra_args(false);
  command.add_option("--seed", o.seed, "seed of the sampling")->capture_default_str();
  command.add_flag("--json", o.json, "JSON instead of text: one document, in conversations one line a turn");
  command.add_flag("--quiet", o.quiet, "no progress");
}

// --method M --help shows the options of M alone: the name is needed before the options are declared.
std::string value_on_command_line(int argc, char** argv, const std::string& option) {
  for (int i = 1; i + 1 < argc; ++i)
    if (argv[i] == option) return argv[i + 1];
  for (int i = 1; i < argc; ++i)
    if (std::string(argv[i]).rfind(option + "=", 0) == 0) return argv[i] + option.size() + 1;
  return {};
}

std::string command_on_command_line(int argc, char** argv) {
  static constexpr const char* commands[] = {"demo",    "learn",  "compare", "evaluate", "generate",   "tokenize",
                                             "inspect", "export", "prune",   "insert",   "make-stream", "manual"};
  for (int i = 1; i < argc; ++i)
    for (const char* command : commands)
      if (std::string(argv[i]) == command) return command;
  return {};
}

// A configuration file may name the options of the command that runs as they stand on the command line, without a section.
class CommandConfig : public CLI::ConfigTOML {
 public:
  explicit CommandConfig(std::string command) : command_(std::move(command)) {}
  std::vector<CLI::ConfigItem> from_config(std::istream& in) const override {
    std::vector<CLI::ConfigItem> read = CLI::ConfigTOML::from_config(in);
    for (CLI::ConfigItem& item : read) {
      if (item.inputs.size() > 1) {  // a list: one text, as on the command line
        for (std::size_t i = 1; i < item.inputs.size(); ++i) item.inputs[0] += ',' + item.inputs[i];
        item.inputs.resize(1);
      }
      if (item.parents.empty() && item.name != "threads" && item.name != "device" && !command_.empty()) item.parents = {command_};
    }
    return read;
  }

 private:
  std::string command_;
};

int run(int argc, char** argv) {
  CLI::App app("Continual learning of language models: learns a stream of tasks and shows what was learnt and what was forgotten.");
  app.set_version_flag("--version", [] {
    return std::string("cmoe ") + version + " (kernel " + device_name() + ", " +
           std::to_string(cmoe::pool().threads()) + " threads)";
  });
  app.require_subcommand(1);
  app.fallthrough();
  app.set_config("--config", "", "an ini or TOML file with the same option names");
  app.allow_config_extras(CLI::config_extras_mode::error);  // a misspelt option must not be passed over
  app.config_formatter(std::make_shared<CommandConfig>(command_on_command_line(argc, argv)));
  int threads = 0;
  app.add_option("--threads", threads, "threads; results do not depend on it (default: all cores)")->check(CLI::Range(1, 1024));

#if defined(CMOE_PROGRAM_CUDA)
  std::string device = "cuda";
#else
  std::string device = "cpu";
#endif
  app.add_option("--device", device, "what computes: cpu, cuda, or auto: the GPU if there is one")
      ->capture_default_str()->take_last()->check(CLI::IsMember({"cpu", "cuda", "auto"}));

  LearnOptions learning;
  learning.method = value_on_command_line(argc, argv, "--method");
  CompareOptions comparison;
  DemoOptions demonstration;
  EvaluateOptions evaluation;
  GenerateOptions generation;
  TokenizeOptions tokenization;
  ExportOptions exporting;
  MakeStreamOptions making;
  std::string inspected;
  bool inspect_json = false;
  int status = 0;

  CLI::App* command = app.add_subcommand("demo", "the whole story in a few minutes on the built-in model and stream");
  command->add_option("--out", demonstration.out, "folder of the runs and the report")->capture_default_str();
  command->add_option("--methods", demonstration.methods, "methods to compare")->capture_default_str();
  command->add_option("--task-steps", demonstration.task_steps, "steps a task; 0: 150")->check(CLI::NonNegativeNumber);
  command->add_option("--test-limit", demonstration.test_limit, "test items a task; 0: all")->check(CLI::NonNegativeNumber);
  command->add_option("--seed", demonstration.seed, "seed of items, batches and initial values")->capture_default_str();
  command->add_flag("--json", demonstration.json, "results as JSON");
  command->add_flag("--quiet", demonstration.quiet, "no progress");
  command->callback([&] { status = demo(demonstration); });

  command = app.add_subcommand("learn", "learns one stream with one method into a run folder");
  command->add_option("--method", learning.method, method_names())->required();
  add_learning(*command, learning);
  std::map<std::string, OptionValues> method_options;
  add_method_options(*command, learning.method, method_options);
  command->add_option("--seed", learning.seed, "seed of items, batches and initial values")->capture_default_str();
  command->callback([&] {
    learning.options = method_options[find_method(learning.method).name];
    status = learn(learning);
  });

  command = app.add_subcommand("compare", "methods x seeds x orders, each a run; with mean and deviation");
  command->add_option("--methods", comparison.methods, "separated by commas: " + method_names())->required();
  command->add_option("--seeds", comparison.seeds, "separated by commas")->capture_default_str();
  command->add_option("--orders", comparison.orders, "a file with one order a line: names of tasks, separated by commas");
  command->add_flag("--paired", comparison.paired, "the first seed learns the first order, the second the second, ..., round and round");
  add_learning(*command, comparison.each);
  command->get_option("--orders")->excludes(command->get_option("--order"));
  add_method_options(*command, value_on_command_line(argc, argv, "--methods"), comparison.options);
  comparison.command = "cmoe";  // how it was asked for, without what changes no result
  for (const std::string& argument : std::vector<std::string>(argv + 1, argv + argc))
    if (argument != "--resume" && argument != "--json" && argument != "--quiet") comparison.command += " " + argument;
  command->callback([&] { status = compare(comparison); });

  command = app.add_subcommand("evaluate", "likelihood of a text, or scores on a stream");
  add_model(*command, evaluation.source);
  add_learnt(*command, evaluation);
  command->add_option("--text", evaluation.text, "a UTF-8 text file");
  command->add_option("--stream", evaluation.stream, "builtin, or a folder of tasks");
  command->add_option("--logits", evaluation.logits, "with --text: a .safetensors file for the ids (T) of the first window and their logits (T,V)");
  add_windows(*command, evaluation);
  command->add_flag("--json", evaluation.json, "results as JSON");
  command->add_flag("--quiet", evaluation.quiet, "no progress");
  command->callback([&] { status = evaluate(evaluation); });

  command = app.add_subcommand("generate", "continues prompts, or holds a conversation");
  add_model(*command, generation.source);
  add_learnt(*command, generation);
  add_generation(*command, generation);
  command->callback([&] { status = generate(generation); });

  command = app.add_subcommand("tokenize", "text to ids");
  add_model(*command, tokenization.source);
  command->add_option("--text", tokenization.text, "the text")->required();
  command->add_flag("--special", tokenization.special, "with the tokens that begin and end a text");
  command->add_flag("--json", tokenization.json, "results as JSON");
  command->callback([&] { status = tokenize(tokenization); });

  command = app.add_subcommand("inspect", "what a model file, an adapter or a run holds");
  command->add_option("path", inspected, "a run folder, a model folder, an adapter's folder, a .bin, .gguf or .safetensors file")->required();
  command->add_flag("--json", inspect_json, "results as JSON");
  command->callback([&] { status = inspect(inspected, inspect_json); });

  command = app.add_subcommand("export", "what a run has learnt as PEFT adapters, or merged into its model; or a model in another format");
  add_model(*command, exporting.source);
  add_learnt(*command, exporting);
  command->get_option("--run")->excludes(command->get_option("--model"));
  command->add_option("--format", exporting.format, "peft: adapters; safetensors: a Hugging Face folder; gguf: one file")->required()
      ->check(CLI::IsMember({"peft", "safetensors", "gguf"}));
  command->add_option("--out", exporting.out, "the folder or file to write")->required();
  command->add_option("--task", exporting.task, "this task's part of what was learnt");
  command->add_option("--gates", exporting.gates, "the experts with these weights, one a task, separated by commas");
  command->add_option("--type", exporting.type, "of the weights: f32, f16; bf16 (safetensors), q8_0 (gguf)")->capture_default_str()
      ->check(CLI::IsMember({"f32", "f16", "bf16", "q8_0"}));
  command->add_flag("--json", exporting.json, "results as JSON");
  command->add_flag("--quiet", exporting.quiet, "no progress");
  command->callback([&] { status = export_model(exporting); });

  add_module_commands(app, status);

  command = app.add_subcommand("make-stream", "writes the built-in stream as files in the TRACE layout");
  command->add_option("--out", making.out, "the folder")->required();
  command->add_option("--tasks", making.tasks, "names, separated by commas; default: all");
  command->add_option("--seed", making.seed, "seed of the items")->capture_default_str();
  command->callback([&] { status = make_stream(making); });

  add_manual_command(app);

  app.parse_complete_callback([&] {
    compute_on(device, argv);
    if (threads > 0) cmoe::pool().resize(threads);
  });
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& done) {  // --help, --version
    return app.exit(done);
  } catch (const CLI::ParseError& error) {
    std::string what = error.what();
    const std::string unknown = "INI was not able to parse ";  // CLI11's words for an option that is not there
    if (what.starts_with(unknown)) what = "the configuration file has an option that cmoe has not: " + what.substr(unknown.size());
    for (char& c : what)
      if (c == '\n') c = ' ';
    complain(what + " (see cmoe --help)");
    return 2;
  }
  return status;
}

}  // namespace

int main(int argc, char** argv) {
#if defined(__GLIBC__)
  mallopt(M_MMAP_THRESHOLD, 1 << 20);  // blocks that are given back go to the system: glibc would keep those below 32 MiB among others
#endif
  program::catch_interrupts();
  try {
    return run(argc, argv);
  } catch (const cmoe::Error& error) {
    complain(error.what());
  } catch (const std::exception& error) {
    complain(std::string("unexpected: ") + error.what());
  }
  return 1;
}
