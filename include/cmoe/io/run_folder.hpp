// The text files of a run folder, as strings: the program decides where they go.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cmoe/continual/metrics.hpp"
#include "cmoe/core/error.hpp"
#include "cmoe/io/json_text.hpp"

namespace cmoe {

namespace detail {

inline std::string csv_field(std::string_view text) {  // quoted if it has to be, RFC 4180
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string out = "\"";
  for (char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + '"';
}

}  // namespace detail

// scores.csv: `after` (tasks learnt so far, 0 = before any training), then one column a task; not measured: an empty cell.
// throws Error (shape) if there is not one name a task
inline std::string scores_csv(const ScoreMatrix& scores, const std::vector<std::string>& tasks) {
  check(static_cast<Index>(tasks.size()) == scores.tasks(), "scores.csv: ", tasks.size(), " names for ", scores.tasks(),
        " tasks");
  std::string out = "after";
  for (const std::string& task : tasks) out += ',' + detail::csv_field(task);
  out += '\n';
  for (Index after = 0; after <= scores.tasks(); ++after) {
    out += std::to_string(after);
    for (Index task = 0; task < scores.tasks(); ++task) {
      const auto score = scores.at(after, task);
      out += ',' + (score.has_value() ? json::number(score.value()) : std::string());
    }
    out += '\n';
  }
  return out;
}

// metrics.json: one object; a metric that is undefined or was not measured is absent.
inline std::string metrics_json(const Metrics& metrics) {
  std::string out;
  for (const NamedMetric& metric : named(metrics))
    if (metric.value.has_value() && std::isfinite(metric.value.value()))
      out += (out.empty() ? "" : ",\n  ") + json::string(metric.name) + ": " + json::number(metric.value.value());
  return out.empty() ? "{}\n" : "{\n  " + out + "\n}\n";
}

// One line of log.jsonl: task, step, then every value by name. A value that is no finite number is null, and the line's
// "not_finite" says for each of these what it was: "nan", "inf" or "-inf".
inline std::string log_line(Index task, Index step, const std::map<std::string, double>& values) {
  std::string out = "{\"task\":" + json::number(task) + ",\"step\":" + json::number(step), broken;
  for (const auto& [name, value] : values) {
    const bool finite = std::isfinite(value);
    out += ',' + json::string(name) + ':' + (finite ? json::number(value) : "null");
    if (!finite)
      broken += (broken.empty() ? "" : ",") + json::string(name) + ':' +
                (std::isnan(value) ? "\"nan\""
                 : value > 0       ? "\"inf\""
                                   : "\"-inf\"");
  }
  return out + (broken.empty() ? "" : ",\"not_finite\":{" + broken + "}") + "}\n";
}

}  // namespace cmoe
