// cmoe prune and cmoe insert: fewer or more modules in a ModuleFormer, written as a folder that --model reads.
#include "modules.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>

#include "cmoe/io/checkpoint.hpp"
#include "cmoe/io/moduleformer_weights.hpp"
#include "cmoe/io/utf8.hpp"
#include "run.hpp"

namespace program {

using namespace cmoe;
namespace fs = std::filesystem;

namespace {

using Model = ModuleFormer::On<Backend>;

struct ModulesOptions {
  ModelOptions source;
  std::string run, out, text, init = "zero-output";
  Index keep = 0, attention_experts = 0, feed_experts = 0, prompt_tokens = 32, window = 128;
  double threshold = -1;
  bool keep_mass = false, json = false, quiet = false;
  std::uint64_t seed = 1;
};

// The model of a folder, the built-in one, or what a run with method moduleformer has learnt.
Model open_modules(const ModulesOptions& o, ModelOptions& source, Progress& progress) {
  source = o.source;
  if (o.run.empty()) return load_moduleformer(o.source, progress);
  const LearnOptions options = read_run(o.run);
  check(options.method == "moduleformer", ErrorKind::config, "--run ", o.run, " was made with method ", options.method,
        "; only a ModuleFormer has modules to insert or to prune");
  source = options.source;
  const fs::path path = fs::path(o.run) / "checkpoint" / "state.safetensors";
  const RunState state = read_checkpoint_state(path, "");
  ModuleFormerLearner<Backend> learner(load_moduleformer(source, progress), moduleformer_settings(options),
                                       Rng(options.seed).fork("learner"));
  for (Index t = 0; t < state.task + (state.step > 0 ? 1 : 0); ++t) learner.before_task(t, EncodedTask{});
  load_checkpoint(path, learner, static_cast<AdamW<Backend>*>(nullptr));
  return std::move(learner.model());
}

void save(const ModulesOptions& o, const ModelOptions& source, const Model& model) {
  const bool bytes = load_tokenizer(source).size() == ByteTokenizer().size() && source.tokenizer.empty();
  std::map<std::string, std::string> about;
  if (bytes) about["tokenizer"] = "bytes";
  save_moduleformer(o.out, model, about);
}

// The windows of a text: each begins with a prompt, all that the gate of insertions may read.
std::vector<Sequence> windows(const ModulesOptions& o, const Tokenizer& tokenizer) {
  const std::string text = read_file(o.text);
  check_utf8(text, o.text);
  std::vector<Id> ids = tokenizer.encode(text);
  if (tokenizer.bos()) ids.insert(ids.begin(), *tokenizer.bos());
  check(ids.size() >= 2, ErrorKind::format, o.text, ": the text has fewer than two tokens");
  std::vector<Sequence> out;
  const auto length = static_cast<Index>(ids.size());
  for (Index at = 0; at + 1 < length; at += o.window) {
    Sequence s{{ids.begin() + at, ids.begin() + std::min(length, at + o.window + 1)}, 0};
    s.prompt = std::clamp<Index>(o.prompt_tokens, 1, static_cast<Index>(s.ids.size()) - 1);
    out.push_back(std::move(s));
  }
  return out;
}

// Mean −log p of every token of the windows but the first, and how often each expert was chosen.
double run_over(const Model& model, const std::vector<Sequence>& text, std::vector<ExpertUse>* use) {
  double nll = 0;
  Index tokens = 0;
  for (std::size_t begin = 0; begin < text.size(); begin += 32) {
    std::vector<Sequence> whole(text.begin() + static_cast<std::ptrdiff_t>(begin),
                                text.begin() + static_cast<std::ptrdiff_t>(std::min(text.size(), begin + 32)));
    const Batch<Backend> prompts = make_batch<Backend>(whole, 0, whole.size());
    for (Sequence& s : whole) s.prompt = 1;
    const Batch<Backend> batch = make_batch<Backend>(whole, 0, whole.size());
    Flow<Backend> flow = prompts.flow();
    flow.scored = batch.scored;
    std::vector<Routing<Backend>> routings;
    const Tensor<Backend> logits = model(batch.ids, flow, nullptr, &routings).logits;
    const Tensor<Backend> marks = model.marks(batch.ids, flow);
    if (use) use->resize(routings.size());
    for (std::size_t i = 0; use && i < routings.size(); ++i) (*use)[i].add(routings[i], marks);
    for (float loss : cross_entropy_rows(logits, batch.labels).values()) nll += static_cast<double>(loss);
    tokens += batch.labels.size();
  }
  return nll / static_cast<double>(tokens);
}

std::string mixture_name(std::size_t i) { return "block " + std::to_string(i / 2) + (i % 2 == 0 ? " attention" : " feed-forward"); }

int prune(const ModulesOptions& o) {
  check((o.keep > 0) != (o.threshold >= 0), ErrorKind::config, "prune: name either --keep K or --threshold F");
  check(o.window >= 2, ErrorKind::config, "prune: --window ", o.window, " is too small");
  check(!fs::exists(o.out), ErrorKind::config, "--out ", o.out, " is there already; name a folder that is not");
  Progress progress(o.quiet);
  ModelOptions source;
  Model model = open_modules(o, source, progress);
  const std::vector<Sequence> text = windows(o, load_tokenizer(source));
  std::vector<ExpertUse> use;
  const double before = run_over(model, text, &use);
  const Index parameters = parameter_count(model);
  std::vector<std::vector<Index>> kept;
  Json mixtures = Json::array();
  for (std::size_t i = 0; i < use.size(); ++i) {
    const std::vector<double> frequency = use[i].frequency();
    kept.push_back(o.keep > 0 ? most_used(frequency, o.keep) : used_at_least(frequency, o.threshold));
    mixtures.push_back({{"mixture", mixture_name(i)}, {"frequency", frequency}, {"kept", kept.back()}});
  }
  model.keep(kept, o.keep_mass ? Pruning::keep_mass : Pruning::delete_rows);
  const double after = run_over(model, text, nullptr);
  save(o, source, model);
  if (o.json) {
    const Json json = {{"out", o.out}, {"parameters_before", parameters}, {"parameters", parameter_count(model)}, {"nll_before", before},
                       {"nll", after}, {"mixtures", mixtures}};
    std::printf("%s\n", json.dump(1).c_str());
    return 0;
  }
  for (std::size_t i = 0; i < kept.size(); ++i)
    std::printf("%s %2zu of %2zu modules stay\n", left(mixture_name(i), 22).c_str(), kept[i].size(), use[i].frequency().size());
  std::printf("parameters %lld -> %lld, nll on the text %.4f -> %.4f\nwritten: %s\n", static_cast<long long>(parameters),
              static_cast<long long>(parameter_count(model)), before, after, o.out.c_str());
  return 0;
}

int insert(const ModulesOptions& o) {
  check(!fs::exists(o.out), ErrorKind::config, "--out ", o.out, " is there already; name a folder that is not");
  Progress progress(o.quiet);
  ModelOptions source;
  Model model = open_modules(o, source, progress);
  check(model.gate.active == 0, ErrorKind::config, "insert: this model's gate says whose modules take part and would never choose new ones; ",
        "learn with them instead: cmoe learn --method moduleformer");
  const Index parameters = parameter_count(model);
  const Insertion how = o.init == "copies" ? Insertion::copies : o.init == "split" ? Insertion::split
                        : o.init == "random" ? Insertion::random : Insertion::zero_output;
  model.insert(o.attention_experts, o.feed_experts, Rng(o.seed).fork("insert"), how);
  save(o, source, model);
  if (o.json) {
    const Json json = {{"out", o.out}, {"parameters_before", parameters}, {"parameters", parameter_count(model)}, {"init", o.init}};
    std::printf("%s\n", json.dump(1).c_str());
    return 0;
  }
  std::printf("parameters %lld -> %lld\nwritten: %s\n", static_cast<long long>(parameters), static_cast<long long>(parameter_count(model)),
              o.out.c_str());
  return 0;
}

}  // namespace

bool is_moduleformer_folder(const std::string& model) {
  const fs::path config = fs::path(model) / "config.json";
  if (model == "builtin" || !fs::exists(config)) return false;
  return optional<std::string>(read_json(config), "model_type", config.string()).value_or("") == "moduleformer";
}

Model open_moduleformer(const std::string& folder) { return cmoe::load_moduleformer<Backend>(folder); }

Tokenizer open_moduleformer_tokenizer(const ModelOptions& options) {
  if (!options.tokenizer.empty()) return Llama2cTokenizer::open(options.tokenizer);
  const fs::path weights = fs::path(options.model) / "model.safetensors";
  const auto metadata = SafeTensors::open(weights).metadata();
  const auto found = metadata.find("tokenizer");
  check(found != metadata.end() && found->second == "bytes", ErrorKind::config, options.model,
        " holds no tokenizer; name it with --tokenizer FILE");
  return ByteTokenizer();
}

// Declares both commands; running one sets the status.
void add_module_commands(CLI::App& app, int& status) {
  static ModulesOptions pruning, insertion;
  const auto common = [](CLI::App& command, ModulesOptions& o) {
    auto* run = command.add_option("--run", o.run, "a run folder of method moduleformer");
    command.add_option("--model", o.source.model, "builtin, or a folder with a ModuleFormer")->capture_default_str()->excludes(run);
    command.add_option("--tokenizer", o.source.tokenizer, "the tokenizer of a folder that has none");
    command.add_option("--out", o.out, "the folder to write")->required();
    command.add_flag("--json", o.json, "results as JSON");
    command.add_flag("--quiet", o.quiet, "no progress");
  };
  CLI::App* command = app.add_subcommand("prune", "removes modules of a ModuleFormer that a text hardly uses");
  common(*command, pruning);
  command->add_option("--text", pruning.text, "a UTF-8 text file: modules are counted on it")->required();
  auto* keep = command->add_option("--keep", pruning.keep, "so many modules stay in each mixture")->check(CLI::PositiveNumber);
  command->add_option("--threshold", pruning.threshold, "modules with at least this share of the choices stay")->check(CLI::Range(0.0, 1.0))->excludes(keep);
  command->add_flag("--keep-mass", pruning.keep_mass, "removed modules keep their share of the softmax: weights of the others do not grow");
  command->add_option("--window", pruning.window, "tokens that are read together")->capture_default_str();
  command->add_option("--prompt-tokens", pruning.prompt_tokens, "of these the prompt: all that a gate may read")->capture_default_str();
  command->callback([&status] { status = prune(pruning); });

  command = app.add_subcommand("insert", "adds new modules to a ModuleFormer");
  common(*command, insertion);
  command->add_option("--attention-experts", insertion.attention_experts, "new attention modules in each block")->check(CLI::NonNegativeNumber);
  command->add_option("--feed-experts", insertion.feed_experts, "new feed-forward modules in each block")->check(CLI::NonNegativeNumber);
  command->add_option("--init", insertion.init, "zero-output, copies, split or random")->capture_default_str()
      ->check(CLI::IsMember({"zero-output", "copies", "split", "random"}));
  command->add_option("--seed", insertion.seed, "seed of initial values")->capture_default_str();
  command->callback([&status] { status = insert(insertion); });
}

}  // namespace program
