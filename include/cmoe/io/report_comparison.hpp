// report.html of a comparison: many runs of several methods over seeds and orders, as means and deviations on one page.
#pragma once

#include "cmoe/io/report.hpp"

namespace cmoe {

// One run that came to its end. Runs of one method stand together in the page, in the order of `methods`.
struct ComparedRun {
  MethodReport report;
  std::string name, link;  // "seed 1, order 2", and where its own page is
  std::size_t order = 0;   // runs with the same number learnt the same tasks in the same order
};

// A comparison as its page shows it.
struct ComparisonReport {
  std::string title, subtitle;
  std::vector<std::string> methods;
  std::vector<ComparedRun> runs;
  std::vector<std::string> notes;  // what a reader has to know: runs that failed, budgets that could not be matched
  std::vector<std::pair<std::string, std::string>> facts;
};

namespace detail::page {

using Chosen = std::vector<const ComparedRun*>;

inline Chosen runs_of(const ComparisonReport& report, const std::string& method) {
  Chosen chosen;
  for (const ComparedRun& run : report.runs)
    if (run.report.method == method) chosen.push_back(&run);
  return chosen;
}

// "61.2 ± 1.3"; without ± for one run, a dash for none.
inline std::string shown(const Spread& s) {
  if (s.n == 0) return "–";
  return decimal(s.mean, 1) + (s.sd.has_value() ? " ± " + decimal(s.sd.value(), 1) : "");
}

template <class F>
Spread spread_over(const Chosen& runs, F&& value) {
  std::vector<double> values;
  for (const ComparedRun* run : runs)
    if (const Value v = value(run->report); v.has_value()) values.push_back(v.value());
  return spread(values);
}

// The mean of the score matrices by position, as far as all runs have an entry.
inline ScoreMatrix mean_scores(const Chosen& runs) {
  const Index tasks = runs.empty() ? 0 : runs.front()->report.scores.tasks();
  ScoreMatrix mean(tasks);
  for (Index after = 0; after <= tasks; ++after)
    for (Index task = 0; task < tasks; ++task) {
      const Spread s = spread_over(runs, [&](const MethodReport& m) { return m.scores.tasks() == tasks ? m.scores.at(after, task) : xtl::missing<double>(); });
      if (s.n == static_cast<Index>(runs.size())) mean.set(after, task, s.mean);
    }
  return mean;
}

inline std::string spread_table(const ComparisonReport& report) {
  struct Column {
    std::string_view name, head;
    Value Metrics::*member;
  };
  std::vector<Column> columns = {{"AP", "AP", &Metrics::AP},
                                 {"forgetting", "Forgetting", &Metrics::forgetting},
                                 {"BWT", "BWT", &Metrics::BWT},
                                 {"learning_accuracy", "Learning accuracy", &Metrics::learning_accuracy},
                                 {"routing_accuracy", "Routing accuracy", &Metrics::routing_accuracy},
                                 {"oracle_AP", "Oracle AP", &Metrics::oracle_AP},
                                 {"ability_delta", "Ability delta", &Metrics::ability_delta}};
  std::erase_if(columns, [&](const Column& column) {  // what no run has measured
    return std::none_of(report.runs.begin(), report.runs.end(),
                        [&](const ComparedRun& run) { return (run.report.metrics.*(column.member)).has_value(); });
  });
  std::string out = "<table class=\"summary\"><thead><tr><th scope=\"col\" class=\"left\">Method</th><th scope=\"col\">Runs</th>";
  for (const Column& column : columns)
    out += "<th scope=\"col\"><abbr title=\"" + escape(definition(column.name)) + "\">" + escape(column.head) + "</abbr></th>";
  out += "<th scope=\"col\">Trainable</th><th scope=\"col\">Stored</th><th scope=\"col\">Time</th></tr></thead><tbody>";
  for (std::size_t i = 0; i < report.methods.size(); ++i) {
    const Chosen runs = runs_of(report, report.methods[i]);
    out += "<tr><th scope=\"row\"><a href=\"#m" + std::to_string(i) + "\">" + escape(report.methods[i]) + "</a></th><td>" + std::to_string(runs.size()) + "</td>";
    for (const Column& column : columns)
      out += "<td>" + shown(spread_over(runs, [&](const MethodReport& m) { return m.metrics.*(column.member); })) + "</td>";
    const auto mean = [&](auto&& value) { return spread_over(runs, [&](const MethodReport& m) { return Value(static_cast<double>(value(m))); }).mean; };
    if (runs.empty()) out += "<td>–</td><td>–</td><td>–</td></tr>";
    else
      out += "<td>" + compact(std::llround(mean([](const auto& m) { return m.trainable; }))) + "</td><td>" +
             compact(std::llround(mean([](const auto& m) { return m.stored; }))) + "</td><td>" +
             html_text::duration(mean([](const auto& m) { return m.seconds; })) + "</td></tr>";
  }
  return scrolling(out + "</tbody></table>", "Summary of methods",
                   "Mean ± sample standard deviation over runs (seeds and orders), scores in points of 0 to 100. Definitions are at the end of the page.");
}

inline std::string spread_definitions(const ComparisonReport& report) {
  std::string out = "<table class=\"all\"><thead><tr><th scope=\"col\" class=\"left\">Metric</th>";
  for (const std::string& method : report.methods) out += "<th scope=\"col\">" + escape(method) + "</th>";
  out += "</tr></thead><tbody>";
  const std::vector<NamedMetric> names = named({});
  for (std::size_t row = 0; row < names.size(); ++row) {
    out += "<tr><th scope=\"row\">" + escape(names[row].name) + "<span class=\"words\">" + escape(names[row].definition) + "</span></th>";
    for (const std::string& method : report.methods)
      out += "<td>" + shown(spread_over(runs_of(report, method), [&](const MethodReport& m) { return named(m.metrics)[row].value; })) + "</td>";
    out += "</tr>";
  }
  return "<h2>Every metric and its definition</h2>" + scrolling(out + "</tbody></table>", "All metrics", "") +
         "<p class=\"quiet\">A dash: not measured, or undefined for this stream.</p>";
}

// The mean matrix of each order, the curves of the first run, and the way to each run's own page.
inline std::string compared_method(const ComparisonReport& report, std::size_t number) {
  const std::string id = "m" + std::to_string(number);
  const Chosen runs = runs_of(report, report.methods[number]);
  std::string out = "<section id=\"" + id + "\"><h2>" + escape(report.methods[number]) + "</h2>";
  if (runs.empty()) return out + "<p class=\"quiet\">No run came to its end.</p></section>\n";
  std::map<std::size_t, Chosen> orders;
  for (const ComparedRun* run : runs) orders[run->order].push_back(run);
  for (const auto& [order, same] : orders) {
    MethodReport mean = same.front()->report;
    mean.scores = mean_scores(same);
    out += "<p class=\"caption\">Order " + std::to_string(order) + ", mean of " + std::to_string(same.size()) + (same.size() == 1 ? " run" : " runs") + "</p>" + score_table(mean);
  }
  const MethodReport& first = runs.front()->report;
  out += routing_table(first);
  std::string charts;
  std::size_t term = 0;
  for (const auto& [name, points] : first.curves) charts += curve(first, name, points, id + "c" + std::to_string(term++));
  if (!charts.empty()) out += "<h3>Loss terms of " + escape(runs.front()->name) + "</h3><div class=\"charts\">" + charts + "</div>";
  if (!first.growth.empty()) out += "<h3>Stored parameters after each task</h3><div class=\"charts\">" + growth(first, id + "g") + "</div>";
  out += "<h3>Runs</h3><ul>";
  for (const ComparedRun* run : runs) out += "<li><a href=\"" + escape(run->link) + "\">" + escape(run->name) + "</a>: AP " + shown(run->report.metrics.AP) + "</li>";
  return out + "</ul></section>\n";
}

}  // namespace detail::page

// The page as text, under the same rules as that of a single run.
inline std::string html(const ComparisonReport& report) {
  std::string out = detail::page::head(report.title, report.subtitle, report.facts);
  for (const std::string& note : report.notes) out += "<p>" + html_text::escape(note) + "</p>\n";
  if (report.runs.empty()) return out + "</main></body></html>\n";
  Report means;
  for (const std::string& method : report.methods) {
    MethodReport mean;
    mean.method = method;
    mean.scores = detail::page::mean_scores(detail::page::runs_of(report, method));
    means.methods.push_back(std::move(mean));
  }
  out += "<h2>Summary</h2>" + detail::page::spread_table(report) + detail::page::comparison(means);
  for (std::size_t i = 0; i < report.methods.size(); ++i) out += detail::page::compared_method(report, i);
  return out + detail::page::spread_definitions(report) + "</main></body></html>\n";
}

}  // namespace cmoe
