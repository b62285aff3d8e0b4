// report.html: what a run or a comparison of methods found, as one page that needs neither scripts nor a network.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "cmoe/continual/metrics.hpp"
#include "cmoe/core/error.hpp"
#include "cmoe/io/html.hpp"
#include "cmoe/io/report_style.hpp"
#include "cmoe/io/svg.hpp"

namespace cmoe {

// What one method did on one stream. What was not measured stays empty and is left out of the page.
struct MethodReport {
  struct Point {
    Index task = 0, step = 0;  // task 0.., step within the task or over the whole run
    double value = 0;
  };
  std::string method;
  ScoreMatrix scores;
  std::vector<std::string> tasks;  // names, in the order of learning
  Metrics metrics;
  double seconds = 0;
  Index trainable = 0, stored = 0;                   // parameters: trained per task at most, kept at the end
  std::map<std::string, std::vector<Point>> curves;  // loss terms by name
  std::vector<std::vector<double>> routing;          // row: true task, column: share (0..1) of an expert
  std::vector<Index> growth;                         // stored parameters after each task
};

struct Report {
  std::string title, subtitle;
  std::vector<MethodReport> methods;
  std::vector<std::pair<std::string, std::string>> facts;  // model, stream, seed, version, machine
};

namespace detail::page {

using html_text::compact;
using html_text::decimal;
using html_text::escape;
using Value = xtl::xoptional<double>;

inline std::string shown(const Value& value) { return value.has_value() ? decimal(value.value(), 1) : "–"; }

// Tables may be wider than a telephone: they scroll alone, also by keyboard.
inline std::string scrolling(const std::string& table, const std::string& label) {
  return "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"" + escape(label) + "\">" + table + "</div>\n";
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

inline std::string summary(const Report& report) {
  struct Column {
    const char* head;
    Value Metrics::*member;
    bool least;
  };
  const Column columns[] = {{"AP", &Metrics::AP, false},
                            {"BWT", &Metrics::BWT, false},
                            {"Forgetting", &Metrics::forgetting, true},
                            {"Learning accuracy", &Metrics::learning_accuracy, false},
                            {"Routing accuracy", &Metrics::routing_accuracy, false}};
  std::string out = "<table class=\"summary\"><caption>Scores in points of 0 to 100; the best of a column is bold. Definitions are at the end of the page."
                    "</caption><thead><tr><th scope=\"col\" class=\"left\">Method</th>";
  for (const Column& column : columns) out += std::string("<th scope=\"col\">") + column.head + "</th>";
  out += "<th scope=\"col\">Trainable</th><th scope=\"col\">Stored</th><th scope=\"col\">Time</th></tr></thead><tbody>";
  for (std::size_t i = 0; i < report.methods.size(); ++i) {
    const MethodReport& m = report.methods[i];
    out += "<tr><th scope=\"row\"><a href=\"#m" + std::to_string(i) + "\">" + escape(m.method) + "</a></th>";
    for (const Column& column : columns) {
      const Value value = m.metrics.*(column.member), leader = best(report.methods, column.member, column.least);
      const bool leads = value.has_value() && leader.has_value() && shown(value) == shown(leader);
      out += (leads ? "<td class=\"best\">" : "<td>") + shown(value) + "</td>";
    }
    out += "<td>" + compact(m.trainable) + "</td><td>" + compact(m.stored) + "</td><td>" + html_text::duration(m.seconds) + "</td></tr>";
  }
  return scrolling(out + "</tbody></table>", "Summary of methods");
}

inline std::string definitions(const Report& report) {
  std::string out = "<table class=\"all\"><thead><tr><th scope=\"col\" class=\"left\">Metric</th>";
  for (const MethodReport& m : report.methods) out += "<th scope=\"col\">" + escape(m.method) + "</th>";
  out += "<th scope=\"col\" class=\"left\">Definition</th></tr></thead><tbody>";
  const std::vector<NamedMetric> names = named({});
  for (std::size_t row = 0; row < names.size(); ++row) {
    out += "<tr><th scope=\"row\">" + escape(names[row].name) + "</th>";
    for (const MethodReport& m : report.methods) out += "<td>" + shown(named(m.metrics)[row].value) + "</td>";
    out += "<td class=\"words\">" + escape(names[row].definition) + "</td></tr>";
  }
  return "<h2>Every metric and its definition</h2>" + scrolling(out + "</tbody></table>", "All metrics") +
         "<p class=\"quiet\">A dash: not measured, or undefined for this stream.</p>";
}

inline std::string comparison_chart(const Report& report, bool wide) {
  Index most = 1;
  std::size_t longest = 0;
  double low = 100, high = 0;
  std::vector<svg::Line> lines;
  std::string description = "Average score over the tasks learnt so far.";
  for (std::size_t i = 0; i < report.methods.size(); ++i) {
    const MethodReport& m = report.methods[i];
    svg::Line line{m.method, i, {}, true};
    bool joined = false;
    for (Index after = 1; after <= m.scores.tasks(); ++after) {
      const Value value = m.scores.average(after);
      if (value.has_value()) {
        if (!joined) line.pieces.emplace_back();
        line.pieces.back().emplace_back(static_cast<double>(after), value.value());
        low = std::min(low, value.value()), high = std::max(high, value.value());
      }
      joined = value.has_value();
    }
    if (!line.pieces.empty()) description += " " + m.method + " ends at " + decimal(line.pieces.back().back().second, 1) + ".";
    most = std::max(most, m.scores.tasks());
    longest = std::max(longest, m.method.size());
    lines.push_back(std::move(line));
  }
  const double room = std::min(170.0, 30 + 6.3 * static_cast<double>(longest)), rows = 14.0 * static_cast<double>(lines.size());
  svg::Chart chart{wide ? "overw" : "overn", "Average score after each task", description, wide ? 900.0 : 390.0, std::max(wide ? 340.0 : 300.0, rows + 70)};
  chart.x = {0.8, static_cast<double>(most) + 0.1, {}, "tasks learnt"};
  const Index every = 1 + (most - 1) / (wide ? 25 : 8);
  for (Index n = 1; n <= most; n += every) chart.x.ticks.emplace_back(static_cast<double>(n), std::to_string(n));
  chart.y = svg::round_axis(std::min(0.0, low), std::max(100.0, high));
  return std::string("<div class=\"") + (wide ? "wide" : "narrow") + "\">" + svg::line_chart(chart, lines, room) + "</div>";
}

inline std::string comparison(const Report& report) {
  std::string legend = "<ul class=\"legend\">";
  for (std::size_t i = 0; i < report.methods.size(); ++i)
    legend += "<li><svg viewBox=\"0 0 28 10\" aria-hidden=\"true\"><path class=\"" + svg::line_class(i) + "\" d=\"M0 5H28\"/></svg>" +
              escape(report.methods[i].method) + "</li>";
  return "<h2>Average score over the tasks learnt so far</h2><figure>" + comparison_chart(report, true) + comparison_chart(report, false) + legend +
         "</ul><figcaption>After each task, the mean score on all tasks up to it: a method that forgets falls, one that keeps what it learnt stays up."
         "</figcaption></figure>\n";
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
  std::string out = "<table class=\"heat\"><caption>Score of each task (columns) after each step of the stream (rows). "
                    "Outlined: just after learning it; italic: not learnt yet.</caption><thead><tr><th scope=\"col\" class=\"left\">after</th>";
  for (Index task = 0; task < m.scores.tasks(); ++task) out += "<th scope=\"col\">" + escape(name(task)) + "</th>";
  out += "</tr></thead><tbody>";
  for (Index after = 0; after <= m.scores.tasks(); ++after) {
    out += "<tr><th scope=\"row\">" + (after == 0 ? "no training" : std::to_string(after) + " " + escape(name(after - 1))) + "</th>";
    for (Index task = 0; task < m.scores.tasks(); ++task) {
      const Value score = m.scores.at(after, task);
      if (!score.has_value()) out += "<td class=\"none\">–</td>";
      else out += cell(score.value() / 100, decimal(score.value(), 1), task + 1 == after ? " own" : task >= after ? " ahead" : "");
    }
    out += "</tr>";
  }
  return "<h3>Scores</h3>" + scrolling(out + "</tbody></table>", "Score matrix of " + m.method);
}

inline std::string routing_table(const MethodReport& m) {
  std::size_t experts = 0;
  for (const auto& row : m.routing) experts = std::max(experts, row.size());
  if (experts == 0) return {};
  std::string out = "<table class=\"heat\"><caption>Percent of each task's gate weight (rows) that goes to each expert (columns).</caption>"
                    "<thead><tr><th scope=\"col\" class=\"left\">task</th>";
  for (std::size_t e = 0; e < experts; ++e) out += "<th scope=\"col\">expert " + std::to_string(e + 1) + "</th>";
  out += "</tr></thead><tbody>";
  for (std::size_t task = 0; task < m.routing.size(); ++task) {
    out += "<tr><th scope=\"row\">" + escape(task < m.tasks.size() ? m.tasks[task] : "task " + std::to_string(task + 1)) + "</th>";
    for (std::size_t e = 0; e < experts; ++e) {
      const bool known = e < m.routing[task].size() && std::isfinite(m.routing[task][e]);
      if (known) out += cell(m.routing[task][e], decimal(100 * m.routing[task][e], 1), e == task ? " own" : "");
      else out += "<td class=\"none\">–</td>";
    }
    out += "</tr>";
  }
  return "<h3>Routing</h3>" + scrolling(out + "</tbody></table>", "Routing of " + m.method);
}

// One loss term over the stream: every task gets the same width, and neighbouring steps are averaged down to 40 points a task.
inline std::string curve(const MethodReport& m, const std::string& term, const std::vector<MethodReport::Point>& points, const std::string& id) {
  constexpr Index bins = 40;
  std::map<Index, std::pair<Index, Index>> steps;  // first and last step of each task
  for (const auto& p : points) {
    auto& [first, last] = steps.try_emplace(p.task, p.step, p.step).first->second;
    first = std::min(first, p.step), last = std::max(last, p.step);
  }
  std::map<std::pair<Index, Index>, std::pair<double, double>> sums;  // (task, bin) -> sum, count
  for (const auto& p : points) {
    if (!std::isfinite(p.value)) continue;
    const auto [first, last] = steps.at(p.task);
    auto& [sum, count] = sums[{p.task, std::min(bins - 1, (p.step - first) * bins / (last - first + 1))}];
    sum += p.value, count += 1;
  }
  if (sums.empty()) return {};
  svg::Line line{term, 0};
  double low = 0, high = sums.begin()->second.first / sums.begin()->second.second;
  Index before = -1;
  for (const auto& [place, total] : sums) {
    if (place.first != before) line.pieces.emplace_back();
    before = place.first;
    const double value = total.first / total.second;
    line.pieces.back().emplace_back(static_cast<double>(place.first) + (static_cast<double>(place.second) + 0.5) / bins, value);
    low = std::min(low, value), high = std::max(high, value);
  }
  const Index tasks = std::max<Index>(steps.rbegin()->first + 1, m.scores.tasks());
  const double last = line.pieces.back().back().second;
  svg::Chart chart{id, term + " of " + m.method, term + " while learning " + std::to_string(tasks) + " tasks, from " +
                   decimal(line.pieces.front().front().second, 3) + " to " + decimal(last, 3) + ".", 390, 210};
  chart.x = {0, static_cast<double>(tasks), {}, "task being learnt"};
  for (Index task = 0; task < tasks; ++task) {
    if (tasks <= 16 || task % 5 == 0) chart.x.ticks.emplace_back(static_cast<double>(task) + 0.5, std::to_string(task + 1));
    if (task > 0) chart.x.dividers.push_back(static_cast<double>(task));
  }
  chart.y = svg::round_axis(low, high);
  return "<figure><figcaption>" + escape(term) + "</figcaption>" + svg::line_chart(chart, {line}) + "</figure>";
}

inline std::string method(const MethodReport& m, std::size_t number) {
  const std::string id = "m" + std::to_string(number);
  std::string out = "<section id=\"" + id + "\"><h2>" + escape(m.method) + "</h2>";
  if (m.scores.tasks() > 0) out += score_table(m);
  out += routing_table(m);
  std::string charts;
  std::size_t term = 0;
  for (const auto& [name, points] : m.curves) charts += curve(m, name, points, id + "c" + std::to_string(term++));
  if (!charts.empty()) out += "<h3>Loss terms</h3><div class=\"charts\">" + charts + "</div>";
  if (!m.growth.empty()) {
    svg::Chart chart{id + "g", "Stored parameters of " + m.method, "Stored parameters after each task, at the end " + std::to_string(m.growth.back()) + ".", 390, 210};
    chart.x.label = "tasks learnt";
    out += "<h3>Stored parameters after each task</h3><div class=\"charts\"><figure>" + svg::bar_chart(chart, m.growth) + "</figure></div>";
  }
  return out + "</section>\n";
}

}  // namespace detail::page

// The page as text. Every name is escaped; values that are no finite numbers are left out. Colours follow the reader's light or
// dark setting, text on every colour has a contrast of at least 4.5, charts carry a title and a description.
inline std::string html(const Report& report) {
  using html_text::escape;
  std::string out = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>" +
                    escape(report.title) + "</title><style>\n" + report_style::sheet() + "</style></head><body><main>\n<header><h1>" +
                    escape(report.title) + "</h1>" + (report.subtitle.empty() ? "" : "<p class=\"quiet\">" + escape(report.subtitle) + "</p>") + "</header>\n";
  if (!report.facts.empty()) {
    out += "<dl class=\"facts\">";
    for (const auto& [name, value] : report.facts) out += "<div><dt>" + escape(name) + "</dt><dd>" + escape(value) + "</dd></div>";
    out += "</dl>\n";
  }
  if (!report.methods.empty()) {
    out += "<h2>Summary</h2>" + detail::page::summary(report) + detail::page::comparison(report);
    for (std::size_t i = 0; i < report.methods.size(); ++i) out += detail::page::method(report.methods[i], i);
    out += detail::page::definitions(report);
  }
  return out + "</main></body></html>\n";
}

}  // namespace cmoe
