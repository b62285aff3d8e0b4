// The tables of a report: the summary, the heat maps of scores and routing, and every metric with its definition.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "cmoe/io/html.hpp"
#include "cmoe/io/report_data.hpp"
#include "cmoe/io/report_style.hpp"

namespace cmoe::detail::page {

using html_text::compact;
using html_text::decimal;
using html_text::escape;
using Value = xtl::xoptional<double>;

inline std::string shown(const Value& value) { return value.has_value() ? decimal(value.value(), 1) : "–"; }

// A table with its caption. It may be wider than a telephone: it then scrolls alone, also by keyboard, under a caption that
// stays.
inline std::string scrolling(const std::string& table, const std::string& label, const std::string& caption) {
  const std::string note = caption.empty() ? "" : "<p class=\"caption\">" + caption + "</p>";
  return note + "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"" + escape(label) + "\">" + table + "</div>\n";
}

// The value to be printed bold in a column: the highest, or the lowest where less is better. No bold for a single method.
inline Value best(const std::vector<MethodReport>& methods, Value Metrics::*member, bool least) {
  Value found = xtl::missing<double>();
  for (const MethodReport& m : methods) {
    const Value value = m.metrics.*member;
    if (!value.has_value()) continue;
    if (!found.has_value() || (least ? value.value() < found.value() : value.value() > found.value())) found = value;
  }
  return methods.size() > 1 ? found : xtl::missing<double>();
}

inline std::string_view definition(std::string_view name) {
  for (const NamedMetric& metric : named({}))
    if (metric.name == name) return metric.definition;
  return {};
}

inline std::string summary(const Report& report) {
  struct Column {
    std::string_view name, head;
    Value Metrics::*member;
    bool least;
  };
  const Column columns[] = {{"AP", "AP", &Metrics::AP, false},
                            {"BWT", "BWT", &Metrics::BWT, false},
                            {"forgetting", "Forgetting", &Metrics::forgetting, true},
                            {"learning_accuracy", "Learning accuracy", &Metrics::learning_accuracy, false},
                            {"routing_accuracy", "Routing accuracy", &Metrics::routing_accuracy, false}};
  std::string out = "<table class=\"summary\"><thead><tr><th scope=\"col\" class=\"left\">Method</th>";
  for (const Column& column : columns)
    out += "<th scope=\"col\"><abbr title=\"" + escape(definition(column.name)) + "\">" + escape(column.head) + "</abbr></th>";
  out += "<th scope=\"col\">Trainable</th><th scope=\"col\">Stored</th><th scope=\"col\">Time</th></tr></thead><tbody>";
  for (std::size_t i = 0; i < report.methods.size(); ++i) {
    const MethodReport& m = report.methods[i];
    out += "<tr><th scope=\"row\"><a href=\"#m" + std::to_string(i) + "\">" + escape(m.method) + "</a></th>";
    for (const Column& column : columns) {
      const Value value = m.metrics.*(column.member), leader = best(report.methods, column.member, column.least);
      const bool leads = value.has_value() && leader.has_value() && shown(value) == shown(leader);
      out += (leads ? "<td class=\"best\">" : "<td>") + shown(value) + "</td>";
    }
    out += "<td>" + compact(m.trainable) + "</td><td>" + compact(m.stored) + "</td><td>" + html_text::duration(m.seconds) +
           "</td></tr>";
  }
  return scrolling(out + "</tbody></table>", "Summary of methods",
                   "Scores in points of 0 to 100; the best of a column is bold. Definitions are at the end of the page.");
}

inline std::string definitions(const Report& report) {
  std::string out = "<table class=\"all\"><thead><tr><th scope=\"col\" class=\"left\">Metric</th>";
  for (const MethodReport& m : report.methods) out += "<th scope=\"col\">" + escape(m.method) + "</th>";
  out += "</tr></thead><tbody>";
  const std::vector<NamedMetric> names = named({});
  for (std::size_t row = 0; row < names.size(); ++row) {
    out += "<tr><th scope=\"row\">" + escape(names[row].name) + "<span class=\"words\">" + escape(names[row].definition) +
           "</span></th>";
    for (const MethodReport& m : report.methods) out += "<td>" + shown(named(m.metrics)[row].value) + "</td>";
    out += "</tr>";
  }
  return "<h2>Every metric and its definition</h2>" + scrolling(out + "</tbody></table>", "All metrics", "") +
         "<p class=\"quiet\">A dash: not measured, or undefined for this stream.</p>";
}

// A cell of a heat map: `share` 0..1 is its colour, `content` its number.
inline std::string cell(double share, const std::string& content, const std::string& kind) {
  return "<td class=\"h" + std::to_string(report_style::level_of(share)) + kind + "\">" + content + "</td>";
}

inline std::string score_table(const MethodReport& m) {
  const auto name = [&](Index task) {
    const auto i = static_cast<std::size_t>(task);
    return i < m.tasks.size() ? m.tasks[i] : "task " + std::to_string(task + 1);
  };
  std::string out = "<table class=\"heat\"><thead><tr><th scope=\"col\" class=\"left\">after</th>";
  for (Index task = 0; task < m.scores.tasks(); ++task) out += "<th scope=\"col\">" + escape(name(task)) + "</th>";
  out += "</tr></thead><tbody>";
  for (Index after = 0; after <= m.scores.tasks(); ++after) {
    out +=
        "<tr><th scope=\"row\">" + (after == 0 ? "no training" : std::to_string(after) + " " + escape(name(after - 1))) + "</th>";
    for (Index task = 0; task < m.scores.tasks(); ++task) {
      const Value score = m.scores.at(after, task);
      if (!score.has_value())
        out += "<td class=\"none\">–</td>";
      else
        out += cell(score.value() / 100, decimal(score.value(), 1), task + 1 == after ? " own" : task >= after ? " ahead" : "");
    }
    out += "</tr>";
  }
  return "<h3>Scores</h3>" + scrolling(out + "</tbody></table>", "Score matrix of " + m.method,
                                       "Score of each task (columns) after each step of the stream (rows). Outlined: just after "
                                       "learning it; italic: not learnt yet.");
}

inline std::string routing_table(const MethodReport& m) {
  std::size_t experts = 0;
  for (const auto& row : m.routing) experts = std::max(experts, row.size());
  if (experts == 0) return {};
  std::string out = "<table class=\"heat\"><thead><tr><th scope=\"col\" class=\"left\">task</th>";
  for (std::size_t e = 0; e < experts; ++e) out += "<th scope=\"col\">expert " + std::to_string(e + 1) + "</th>";
  out += "</tr></thead><tbody>";
  for (std::size_t task = 0; task < m.routing.size(); ++task) {
    out +=
        "<tr><th scope=\"row\">" + escape(task < m.tasks.size() ? m.tasks[task] : "task " + std::to_string(task + 1)) + "</th>";
    for (std::size_t e = 0; e < experts; ++e) {
      const bool known = e < m.routing[task].size() && std::isfinite(m.routing[task][e]);
      if (known)
        out += cell(m.routing[task][e], decimal(100 * m.routing[task][e], 1), e == task ? " own" : "");
      else
        out += "<td class=\"none\">–</td>";
    }
    out += "</tr>";
  }
  return "<h3>Routing</h3>" + scrolling(out + "</tbody></table>", "Routing of " + m.method,
                                        "Percent of each task's gate weight (rows) that goes to each expert (columns).");
}

}  // namespace cmoe::detail::page
