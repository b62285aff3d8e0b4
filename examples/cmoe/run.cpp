#include "run.hpp"

#include <filesystem>

#include "ability.hpp"
#include "adapter.hpp"
#include "budget.hpp"
#include "cmoe/io/run_folder.hpp"
#include "method.hpp"
#include "modules.hpp"
#include "run_files.hpp"
#include "version.hpp"

namespace program {

using namespace cmoe;

MethodReport make_report(const LearnOptions& o, const RunState& state, const std::vector<std::string>& tasks, const Log& log) {
  MethodReport report;
  report.method = o.method;
  report.scores = state.scores;
  report.tasks = tasks;
  MetricSources sources;
  sources.routing_accuracy = state.routing_accuracy;
  sources.oracle_AP = state.oracle_AP;
  if (!state.ability_after.score.empty()) {
    sources.ability_before = state.ability_before.score;
    sources.ability_after = state.ability_after.score;
  }
  report.metrics = metrics(state.scores, sources);
  report.seconds = state.seconds;
  report.trainable = state.trainable;
  report.stored = state.growth.empty() ? 0 : state.growth.back();
  for (const Log::Line& line : log.lines)
    for (const auto& [name, value] : line.values)
      if (name != "lr" && name != "grad_norm" && name != "tokens_per_second") report.curves[name].push_back({line.task, line.step, value});
  report.routing = state.routing;
  report.growth = state.growth;
  return report;
}

void write_run_json(const LearnOptions& o, const RunOutline& outline, const RunConfig& config, const RunState& state) {
  Json json = {{"version", version}, {"options", options_json(o)}, {"tasks", outline.tasks}, {"threads", pool().threads()},
               {"kernel", device_name()}, {"machine", machine()}, {"seconds", state.seconds},
               {"finished", outline.finished}, {"trainable", state.trainable}, {"parameters", outline.parameters},
               {"parameters_hash", hex(outline.hash)}, {"method", o.method}, {"model", o.source.model}, {"stream", o.stream},
               {"seed", o.seed}, {"tasks_learnt", state.task},
               {"optimizer", {{"lr", config.optimizer.lr}, {"beta1", config.optimizer.beta1}, {"beta2", config.optimizer.beta2},
                              {"clip", config.optimizer.clip}, {"batch", config.batch}, {"task_steps", config.task_steps}}}};
  if (const std::vector<Ability> texts = abilities(o.ability, state); !texts.empty()) json["ability"] = ability_json(texts);
  if (o.budget > 0) json["budget"] = budget_json(o);
  write_file_atomically(std::filesystem::path(o.out) / "run.json", json.dump(1) + "\n");
}

std::vector<std::pair<std::string, std::string>> run_facts(const LearnOptions& o) {
  std::vector<std::pair<std::string, std::string>> facts = {
      {"model", o.source.model}, {"stream", o.stream}, {"seed", std::to_string(o.seed)}, {"version", version},
      {"kernel", device_name()}, {"threads", std::to_string(pool().threads())}, {"machine", machine()}};
  if (o.budget > 0) facts.emplace_back("budget", budget_words(o));
  return facts;
}

void write_results(const LearnOptions& o, const RunResult& result) {
  const std::filesystem::path out = o.out;
  write_file_atomically(out / "metrics.json", metrics_json(result.report.metrics));
  write_file_atomically(out / "report.html", html({"cmoe learn " + o.method, "One stream, one method", {result.report}, result.facts}));
}

void show_step(const LearnOptions& o, const StepLog& step, Index stages, Progress& progress) {
  std::string shown = o.method + "  task " + std::to_string(step.task + 1) + "/" + std::to_string(stages) + " step " +
                      std::to_string(step.step) + "/" + std::to_string(step.steps);
  for (const auto& [name, value] : step.result.terms) shown += "  " + name + " " + fixed(value, 3);
  shown += "  " + fixed(step.tokens_per_second, 0) + " tokens/s";
  if (step.tokens_per_second > 0) {
    const double done = static_cast<double>(step.task) + static_cast<double>(step.step) / static_cast<double>(step.steps);
    shown += "  eta " + fixed(progress.seconds() * (static_cast<double>(stages) - done) / std::max(done, 1e-9), 0) + " s";
  }
  progress.update(shown);
}

void show_row(const LearnOptions& o, const ScoreMatrix& scores, const std::vector<std::string>& names, Index after, Progress& progress) {
  write_file_atomically(std::filesystem::path(o.out) / "scores.csv", scores_csv(scores, names));
  std::string row = o.method + "  after " + std::to_string(after) + (after == 1 ? " task :" : " tasks:");
  for (Index t = 0; t < scores.tasks(); ++t) row += padded(fixed(scores.at(after, t).value(), 1), 7);
  progress.keep(row);
}

RunResult run_learning(const LearnOptions& o, Progress& progress) { return learn_with(find_method(o.method), o, progress); }

namespace {

// A model under a tuned prompt: what progressive prompts are after one task.
OpenedRun open_prompt(LearnOptions o, Progress& progress) {
  const std::string folder = std::exchange(o.source.adapter, "");
  o.method = "progprompt";
  const Method& method = find_method(o.method);
  o.options = default_options(method);
  const Path config = Path(folder) / "adapter_config.json";
  o.options["progprompt-length"] = peft_config(read_json(config), config.string()).prompt_length;
  auto kept = std::make_shared<Built>(method.build(o, progress));
  const PeftAdapter adapter = read_peft_adapter(folder, kept->exported.sizes);
  kept->learner.before_task(0, EncodedTask{});
  for_each_param(kept->learner.model(), [&](const std::string& name, auto& p) {
    if (name == "prefix.prompts.0.rows") p.assign(std::vector<float>(adapter.prompt.begin(), adapter.prompt.end()));
  });
  OpenedRun run = opened(method, o, kept);
  run.score = [score = run.score](const EncodedTask& data, Index) { return score(data, -1); };  // the prompt belongs to no task
  return run;
}

}  // namespace

OpenedRun open_run(const std::string& folder, const ModelOptions& source, Progress& progress) {
  if (!folder.empty()) {
    const LearnOptions options = read_run(folder);
    return open_with(find_method(options.method), options, folder, progress);
  }
  LearnOptions plain;
  plain.method = is_moduleformer_folder(source.model) ? "moduleformer" : "seqft";  // a plain model is a learner that has learnt nothing
  plain.source = source;
  plain.learns = false;
  if (!source.adapter.empty()) {
    check(plain.method == "seqft", ErrorKind::config, "--adapter: adapters belong to decoders of the Llama family, which ", source.model, " is not");
    if (is_prompt_adapter(source.adapter)) return open_prompt(plain, progress);
  }
  plain.options = default_options(find_method(plain.method));
  return open_with(find_method(plain.method), plain, folder, progress);
}

}  // namespace program
