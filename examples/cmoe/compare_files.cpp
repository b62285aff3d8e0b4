#include "compare_files.hpp"

#include <algorithm>
#include <cmath>

#include "ability.hpp"
#include "budget.hpp"
#include "cmoe/core/parallel.hpp"
#include "cmoe/io/checkpoint.hpp"
#include "cmoe/io/report_comparison.hpp"
#include "cmoe/io/run_folder.hpp"
#include "run_files.hpp"
#include "version.hpp"

namespace program {

using namespace cmoe;
namespace fs = std::filesystem;

namespace {

// Everything that is averaged: the metrics, and what the run cost.
std::map<std::string, double> values_of(const ComparedResult& run) {
  std::map<std::string, double> values;
  if (!run.error.empty()) return values;
  const MethodReport& report = run.result.report;
  for (const NamedMetric& metric : named(report.metrics))
    if (metric.value.has_value() && std::isfinite(metric.value.value())) values[std::string(metric.name)] = metric.value.value();
  values["seconds"] = report.seconds;
  values["trainable"] = static_cast<double>(report.trainable);
  values["stored"] = static_cast<double>(report.stored);
  return values;
}

std::map<std::string, Spread> summary_of(const Comparison& comparison, const std::string& method) {
  std::map<std::string, std::vector<double>> columns;
  for (const auto& [place, run] : comparison.ended)
    if (run.planned.method == method)
      for (const auto& [name, value] : values_of(run)) columns[name].push_back(value);
  std::map<std::string, Spread> summary;
  for (const auto& [name, values] : columns) summary[name] = spread(values);
  return summary;
}

Json run_json(const ComparedResult& run) {
  const PlannedRun& planned = run.planned;
  Json json = {{"method", planned.method}, {"seed", planned.seed}, {"order", planned.order}, {"tasks", planned.tasks},
               {"folder", "runs/" + planned.folder}, {"metrics", Json::object()}, {"seconds", run.seconds}, {"trainable", nullptr}, {"stored", nullptr}};
  if (!run.error.empty()) {
    json["error"] = run.error;
    return json;
  }
  const MethodReport& report = run.result.report;
  json["metrics"] = parse_json(metrics_json(report.metrics), "metrics");
  json["seconds"] = report.seconds;
  json["trainable"] = report.trainable;
  json["stored"] = report.stored;
  if (!run.result.abilities.empty()) json["ability"] = ability_json(run.result.abilities);
  return json;
}

LearnOptions fitted(const ComparedResult& run) {
  LearnOptions o = run.planned.learn;
  o.fit = run.result.fit;
  return o;
}

// The first finished run of a method says how its budget was met: rank and density do not depend on seed and order.
const ComparedResult* first_finished(const Comparison& comparison, const std::string& method) {
  for (const auto& [place, run] : comparison.ended)
    if (run.planned.method == method && run.error.empty()) return &run;
  return nullptr;
}

std::vector<std::string> notes(const Comparison& comparison) {
  std::vector<std::string> lines;
  for (const std::string& method : comparison.plan.methods)
    if (const ComparedResult* run = first_finished(comparison, method); run && run->planned.learn.budget > 0)
      lines.push_back("budget of " + method + ": " + budget_words(fitted(*run)));
  for (const auto& [place, run] : comparison.ended)
    if (!run.error.empty()) lines.push_back("failed: " + run.planned.folder + ": " + run.error);
  return lines;
}

std::string comparison_csv(const Comparison& comparison) {
  std::vector<std::string> columns;
  for (const NamedMetric& metric : named({})) columns.emplace_back(metric.name);
  for (const char* name : {"seconds", "trainable", "stored"}) columns.emplace_back(name);
  std::string out = "method,seed,order";
  for (const std::string& column : columns) out += ',' + column;
  out += ",error\n";
  for (const auto& [place, run] : comparison.ended) {
    out += run.planned.method + ',' + std::to_string(run.planned.seed) + ',' + std::to_string(run.planned.order);
    const auto values = values_of(run);
    for (const std::string& column : columns) out += ',' + (values.contains(column) ? json::number(values.at(column)) : std::string());
    out += ',' + cmoe::detail::csv_field(run.error) + '\n';
  }
  return out;
}

ComparisonReport comparison_report(const Comparison& comparison) {
  const Json& configuration = comparison.plan.configuration;
  ComparisonReport report;
  report.title = "cmoe compare";
  report.subtitle = std::to_string(comparison.ended.size()) + " of " + std::to_string(comparison.plan.runs.size()) + " runs: methods x seeds x orders";
  report.methods = comparison.plan.methods;
  report.notes = notes(comparison);
  report.facts = {{"command", comparison.command}, {"model", configuration["options"]["model"].get<std::string>()},
                  {"stream", configuration["options"]["stream"].get<std::string>()}, {"seeds", configuration["seeds"].dump()},
                  {"orders", std::to_string(configuration["orders"].size())}, {"version", version},
                  {"threads", std::to_string(pool().threads())}, {"machine", machine()}};
  for (const auto& [place, run] : comparison.ended)
    if (run.error.empty())
      report.runs.push_back({run.result.report, "seed " + std::to_string(run.planned.seed) + ", order " + std::to_string(run.planned.order),
                             "runs/" + run.planned.folder + "/report.html", run.planned.order});
  return report;
}

}  // namespace

std::optional<RunResult> read_finished(const LearnOptions& learn) {
  const fs::path out = learn.out;
  if (!fs::exists(out / "run.json") || !fs::exists(out / "report.html")) return std::nullopt;  // the report is what a run writes last
  const Json json = read_json(out / "run.json");
  if (!required<bool>(json, "finished", (out / "run.json").string())) return std::nullopt;
  LearnOptions stored = read_run(learn.out), wanted = learn;
  if (learn.budget > 0) {  // these two were chosen by the run
    wanted.rank = stored.rank;
    if (const std::string density = learn.method + "-density"; wanted.options.contains(density)) wanted.options[density] = stored.options.at(density);
  }
  check(options_json(stored) == options_json(wanted), ErrorKind::config, learn.out, ": holds a run with other options");
  std::vector<std::string> tasks = required<std::vector<std::string>>(json, "tasks", (out / "run.json").string());
  const RunState state = read_checkpoint_state(out / "checkpoint" / "state.safetensors", "");
  Log log;
  log.read(out / "log.jsonl", state);
  RunResult result;
  result.report = make_report(learn, state, tasks, log);
  result.abilities = abilities(learn.ability, state);
  if (json.contains("budget")) result.fit = budget_of(json.at("budget"), (out / "run.json").string());
  return result;
}

Json comparison_json(const Comparison& comparison) {
  Json document = {{"format", "cmoe comparison 1"}, {"version", version}, {"kernel", device_name()},
                   {"threads", pool().threads()}, {"machine", machine()}, {"command", comparison.command},
                   {"configuration", comparison.plan.configuration}, {"finished", comparison.ended.size() == comparison.plan.runs.size()},
                   {"runs", Json::array()}, {"summary", Json::object()}};
  for (const auto& [place, run] : comparison.ended) document["runs"].push_back(run_json(run));
  for (const std::string& method : comparison.plan.methods) {
    for (const auto& [name, s] : summary_of(comparison, method))
      document["summary"][method][name] = {{"mean", s.mean}, {"sd", s.sd.has_value() ? Json(s.sd.value()) : Json(nullptr)}, {"n", s.n}};
    if (const ComparedResult* run = first_finished(comparison, method); run && run->planned.learn.budget > 0)
      document["budget"][method] = budget_json(fitted(*run));
  }
  return document;
}

void write_comparison(const Comparison& comparison) {
  const fs::path out = comparison.out;
  write_file_atomically(out / "compare.csv", comparison_csv(comparison));
  write_file_atomically(out / "report.html", html(comparison_report(comparison)));
  write_file_atomically(out / "compare.json", comparison_json(comparison).dump(1) + "\n");
}

std::string comparison_table(const Comparison& comparison) {
  struct Column {
    const char *name, *head;
    std::size_t width;
    bool always, deviation;
    int digits;
  };
  const Column columns[] = {{"AP", "AP", 16, true, true, 1},           {"forgetting", "forget", 9, true, false, 1},
                            {"BWT", "BWT", 9, true, false, 1},         {"learning_accuracy", "learnt", 9, true, false, 1},
                            {"routing_accuracy", "routing", 9, true, false, 1}, {"oracle_AP", "oracle", 9, false, false, 1},
                            {"ability_delta", "ability", 9, false, false, 2},   {"trainable", "trainable", 12, true, false, 0},
                            {"stored", "stored", 12, true, false, 0},  {"seconds", "seconds", 9, true, false, 1}};
  std::map<std::string, std::map<std::string, Spread>> all;
  for (const std::string& method : comparison.plan.methods) all[method] = summary_of(comparison, method);
  const auto used = [&](const Column& column) {
    return column.always || std::any_of(all.begin(), all.end(), [&](const auto& method) { return method.second.contains(column.name); });
  };
  std::string out = left("method", 14) + padded("runs", 5);
  for (const Column& column : columns)
    if (used(column)) out += padded(column.head, column.width);
  out += "\n";
  for (const std::string& method : comparison.plan.methods) {
    const auto& summary = all[method];
    out += left(method, 14) + padded(std::to_string(summary.contains("seconds") ? summary.at("seconds").n : 0), 5);
    for (const Column& column : columns) {
      if (!used(column)) continue;
      std::string text = "-";
      if (const auto found = summary.find(column.name); found != summary.end()) {
        const Spread& s = found->second;
        text = fixed(s.mean, column.digits) + (column.deviation && s.sd.has_value() ? " +- " + fixed(s.sd.value(), column.digits) : "");
      }
      out += padded(text, column.width);
    }
    out += "\n";
  }
  const std::vector<std::string> lines = notes(comparison);
  for (const std::string& line : lines) out += (&line == &lines.front() ? "\n" : "") + line + "\n";
  return out;
}

}  // namespace program
