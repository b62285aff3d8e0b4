// The charts of a report: methods compared after each task, and the loss terms and the growth of one method.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "cmoe/io/html.hpp"
#include "cmoe/io/report_data.hpp"
#include "cmoe/io/svg.hpp"

namespace cmoe::detail::page {

using html_text::decimal;
using html_text::escape;

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
      const xtl::xoptional<double> value = m.scores.average(after);
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
  svg::Chart chart{wide ? "overw" : "overn", "Average score after each task", description, wide ? 900.0 : 390.0,
                   std::max(wide ? 340.0 : 300.0, rows + 70)};
  chart.x = {0.8, static_cast<double>(most) + 0.1, {}, "tasks learnt"};
  const Index every = 1 + (most - 1) / (wide ? 25 : 8);
  for (Index n = 1; n <= most; n += every) chart.x.ticks.emplace_back(static_cast<double>(n), std::to_string(n));
  chart.y = svg::round_axis(std::min(0.0, low), std::max(100.0, high));
  return std::string("<div class=\"") + (wide ? "wide" : "narrow") + "\">" + svg::line_chart(chart, lines, room) + "</div>";
}

inline std::string comparison(const Report& report) {
  std::string legend = "<ul class=\"legend\">";
  for (std::size_t i = 0; i < report.methods.size(); ++i)
    legend += "<li><svg viewBox=\"0 0 28 10\" aria-hidden=\"true\"><path class=\"" + svg::line_class(i) +
              "\" d=\"M0 5H28\"/></svg>" + escape(report.methods[i].method) + "</li>";
  return "<h2>Average score over the tasks learnt so far</h2><figure>" + comparison_chart(report, true) +
         comparison_chart(report, false) + legend +
         "</ul><figcaption>After each task, the mean score on all tasks up to it: a method that forgets falls, one that keeps "
         "what it learnt stays up."
         "</figcaption></figure>\n";
}

// One loss term over the stream: every task gets the same width, and neighbouring steps are averaged down to 40 points a task.
inline std::string curve(const MethodReport& m, const std::string& term, const std::vector<MethodReport::Point>& points,
                         const std::string& id) {
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
  svg::Chart chart{id, term + " of " + m.method,
                   term + " while learning " + std::to_string(tasks) + " tasks, from " +
                       decimal(line.pieces.front().front().second, 3) + " to " + decimal(last, 3) + ".",
                   390, 210};
  chart.x = {0, static_cast<double>(tasks), {}, "task being learnt"};
  for (Index task = 0; task < tasks; ++task) {
    if (tasks <= 16 || task % 5 == 0) chart.x.ticks.emplace_back(static_cast<double>(task) + 0.5, std::to_string(task + 1));
    if (task > 0) chart.x.dividers.push_back(static_cast<double>(task));
  }
  chart.y = svg::round_axis(low, high);
  return "<figure><figcaption>" + escape(term) + "</figcaption>" + svg::line_chart(chart, {line}) + "</figure>";
}

inline std::string growth(const MethodReport& m, const std::string& id) {
  svg::Chart chart{id, "Stored parameters of " + m.method,
                   "Stored parameters after each task, at the end " + std::to_string(m.growth.back()) + ".", 390, 210};
  chart.x.label = "tasks learnt";
  return "<figure>" + svg::bar_chart(chart, m.growth) + "</figure>";
}

}  // namespace cmoe::detail::page
