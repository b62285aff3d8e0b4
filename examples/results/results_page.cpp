// The page of results, made from what `cmoe compare` has written and never by hand.
//   results_page FILE...          docs/results.md from comparisons or their summaries, in the order of the files' names
//   results_page --summary FILE   a comparison without its single runs: what docs/results/ keeps
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iostream>

#include "cmoe/continual/metrics.hpp"
#include "cmoe/io/json.hpp"

namespace {

using namespace cmoe;
namespace fs = std::filesystem;

struct Column {
  const char *name, *head;
  int digits;
};
constexpr Column columns[] = {{"AP", "AP", 1},
                              {"BWT", "BWT", 1},
                              {"forgetting", "Forgetting", 1},
                              {"learning_accuracy", "Learning accuracy", 1},
                              {"oracle_AP", "Oracle AP", 1},
                              {"routing_accuracy", "Routing accuracy", 1},
                              {"ability_delta", "Ability delta", 2},
                              {"trainable", "Trainable", 0},
                              {"stored", "Stored", 0},
                              {"seconds", "Seconds", 0}};

std::string fixed(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

Json read_comparison(const fs::path& path) {
  const Json document = read_json(path);
  const auto format = optional<std::string>(document, "format", path.string());
  check(format == "cmoe comparison 1", ErrorKind::format, path.string(), ": not a comparison of this version of cmoe");
  check(required<bool>(document, "finished", path.string()), ErrorKind::format, path.string(), ": the comparison is not finished; go on with --resume");
  for (const char* key : {"configuration", "summary"})
    check(document.contains(key) && document[key].is_object(), ErrorKind::format, path.string(), ": '", key, "' is missing");
  return document;
}

Json summary(Json document) {
  Json failed = Json::array();
  if (document.contains("runs"))
    for (const Json& run : document["runs"])
      if (run.contains("error")) failed.push_back(run["method"].get<std::string>() + ": " + run["error"].get<std::string>());
  if (!failed.empty()) document["failed"] = failed;
  document.erase("runs");
  return document;
}

// The summary of a comparison that anyone can run again: its files are named from where it runs, not by places on one machine.
Json summary_to_keep(const std::string& path) {
  Json kept = summary(read_comparison(path));
  const Json& options = kept.at("configuration").at("options");
  const std::string command = required<std::string>(kept, "command", path);
  bool absolute = command.find(" /") != std::string::npos || command.find("=/") != std::string::npos || command.find(",/") != std::string::npos;
  for (const char* key : {"model", "tokenizer", "stream", "ability"}) absolute = absolute || required<std::string>(options, key, path).starts_with('/');
  check(!absolute, ErrorKind::config, path, ": made with absolute paths; run cmoe compare with paths from the working folder");
  return kept;
}

std::string cell(const Json& methods, const std::string& method, const Column& column, const std::string& name) {
  if (!methods.contains(method) || !methods[method].contains(column.name)) return "–";
  const Json& value = methods[method][column.name];
  const auto sd = optional<double>(value, "sd", name);
  const bool show = sd.has_value() && (column.digits > 0 || *sd >= 0.5);
  return fixed(required<double>(value, "mean", name), column.digits) + (show ? " ± " + fixed(*sd, column.digits) : "");
}

std::string section(const fs::path& path) {
  const Json document = summary(read_comparison(path));
  const std::string name = path.string();
  const Json &configuration = document["configuration"], &methods = document["summary"];
  std::string out = "\n## " + path.stem().string() + "\n\n```\n" + required<std::string>(document, "command", name) + "\n```\n\n";
  const auto orders = configuration.at("orders").size(), seeds = configuration.at("seeds").size();
  out += "cmoe " + required<std::string>(document, "version", name) + ", " + required<std::string>(document, "machine", name) + ", kernel " +
         required<std::string>(document, "kernel", name) + ", " + std::to_string(required<Index>(document, "threads", name)) + " threads. " +
         std::to_string(seeds) + (seeds == 1 ? " seed, " : " seeds, ") + std::to_string(orders) + (orders == 1 ? " order" : " orders") + (configuration.value("paired", false) ? ", taken in turn," : "") + " of " +
         std::to_string(configuration.at("orders").at(0).size()) + " tasks.\n\n";
  std::string list;
  for (std::size_t k = 0; orders > 1 && k < orders; ++k) {
    std::string names;
    for (const auto& task : configuration.at("orders").at(k)) names += (names.empty() ? "" : ", ") + task.get<std::string>();
    list += std::to_string(k + 1) + ". " + names + "\n";
  }
  if (!list.empty()) out += "Orders:\n\n" + list + "\n";
  const auto used = [&](const Column& column) {
    return std::any_of(methods.begin(), methods.end(), [&](const Json& method) { return method.contains(column.name); });
  };
  std::string line = "| Method | Runs |", rule = "|---|---:|";
  for (const Column& column : columns)
    if (used(column)) line += std::string(" ") + column.head + " |", rule += "---:|";
  out += line + "\n" + rule + "\n";
  for (const auto& method : required<std::vector<std::string>>(configuration, "methods", name)) {
    const Index runs = methods.contains(method) ? required<Index>(methods[method].at("seconds"), "n", name) : 0;
    out += "| " + method + " | " + std::to_string(runs) + " |";
    for (const Column& column : columns)
      if (used(column)) out += " " + cell(methods, method, column, name) + " |";
    out += "\n";
  }
  std::string notes;
  if (document.contains("budget"))
    for (const auto& [method, budget] : document["budget"].items()) {
      const auto by = optional<std::string>(budget, "by", name);
      const double value = required<double>(budget, "value", name);
      notes += "- " + method + ": " + (by ? *by + " " + fixed(value, *by == "rank" ? 0 : 6) : std::string("has neither rank nor density")) + " for a budget of " +
               std::to_string(required<Index>(budget, "asked", name)) + " trainable parameters a task\n";
    }
  if (document.contains("failed"))
    for (const Json& failed : document["failed"]) notes += "- failed: " + failed.get<std::string>() + "\n";
  return out + (notes.empty() ? "" : "\n" + notes);
}

std::string page(std::vector<fs::path> files) {
  std::sort(files.begin(), files.end(), [](const fs::path& a, const fs::path& b) { return a.filename() < b.filename(); });
  std::string out =
      "# Results\n\nMade by `scripts/results` from `cmoe compare`; do not edit. Mean ± sample standard deviation over runs; scores in points of 0 to "
      "100.\n";
  for (const fs::path& file : files) out += section(file);
  out += "\n## Definitions\n\n";
  for (const NamedMetric& metric : named({}))
    if (std::any_of(std::begin(columns), std::end(columns), [&](const Column& column) { return column.name == metric.name; }))
      out += "- " + std::string(metric.name) + ": " + std::string(metric.definition) + "\n";
  return out + "- trainable: parameters trained in the last task; stored: parameters kept at the end; seconds: training and scoring of a run\n";
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  try {
    if (arguments.size() == 2 && arguments[0] == "--summary") {
      std::cout << summary_to_keep(arguments[1]).dump(1) << "\n";
    } else if (!arguments.empty() && arguments[0].front() != '-') {
      std::cout << page({arguments.begin(), arguments.end()});
    } else {
      std::cerr << "results_page: give FILE..., or --summary FILE\n";
      return 2;
    }
  } catch (const std::exception& error) {
    std::cerr << "results_page: " << error.what() << "\n";
    return 1;
  }
  return std::cout.flush() ? 0 : 1;
}
