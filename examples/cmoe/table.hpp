// Tables of results as text.
#pragma once

#include "cmoe/io/report_data.hpp"
#include "colour.hpp"
#include "progress.hpp"

namespace program {

// One line a method: AP, BWT, forgetting, learning accuracy, routing, AP with perfect routing, parameters, time.
inline std::string summary_table(const std::vector<cmoe::MethodReport>& methods) {
  const auto shown = [](const auto& value) { return padded(value.has_value() ? fixed(value.value(), 1) : "-", 9); };
  bool oracle = false;  // shown for methods that know what perfect routing would give
  for (const cmoe::MethodReport& m : methods) oracle = oracle || m.metrics.oracle_AP.has_value();
  const std::string head = left("method", 14) + padded("AP", 9) + padded("BWT", 9) + padded("forget", 9) + padded("learnt", 9) +
                    padded("routing", 9) + (oracle ? padded("oracle", 9) : "") + padded("trainable", 12) + padded("stored", 12) + padded("seconds", 9);
  std::string out = bold(head, STDOUT_FILENO) + "\n";
  for (const cmoe::MethodReport& m : methods)
    out += left(m.method, 14) + shown(m.metrics.AP) + shown(m.metrics.BWT) + shown(m.metrics.forgetting) +
           shown(m.metrics.learning_accuracy) + shown(m.metrics.routing_accuracy) + (oracle ? shown(m.metrics.oracle_AP) : "") + padded(std::to_string(m.trainable), 12) +
           padded(std::to_string(m.stored), 12) + padded(fixed(m.seconds, 0), 9) + "\n";
  return out;
}

// The score matrix: one line after each task, one column a task.
inline std::string score_table(const cmoe::MethodReport& m) {
  std::string head = left("after", 6);
  for (const std::string& task : m.tasks) head += padded(task.substr(0, 13), 14);
  std::string out = bold(head, STDOUT_FILENO) + "\n";
  for (cmoe::Index after = 0; after <= m.scores.tasks(); ++after) {
    std::string line = left(std::to_string(after), 6);
    bool any = false;
    for (cmoe::Index t = 0; t < m.scores.tasks(); ++t) {
      const auto cell = m.scores.at(after, t);
      any = any || cell.has_value();
      line += padded(cell.has_value() ? fixed(cell.value(), 1) : "", 14);
    }
    if (any) out += line + "\n";
  }
  return out;
}

}  // namespace program
