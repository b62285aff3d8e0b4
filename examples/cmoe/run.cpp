#include "run.hpp"

#include <filesystem>

#include "method.hpp"
#include "modules.hpp"
#include "run_files.hpp"

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

RunResult run_learning(const LearnOptions& o, Progress& progress) { return find_method(o.method).learn(o, progress); }

OpenedRun open_run(const std::string& folder, const ModelOptions& source, Progress& progress) {
  if (!folder.empty()) {
    const LearnOptions options = read_run(folder);
    return find_method(options.method).open(options, folder, progress);
  }
  LearnOptions plain;
  plain.method = is_moduleformer_folder(source.model) ? "moduleformer" : "seqft";  // a plain model is a learner that has learnt nothing
  plain.source = source;
  return find_method(plain.method).open(plain, folder, progress);
}

}  // namespace program
