// Metrics of continual learning: one matrix of scores, and every published number that is computed from it, each under its own
// name.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <string_view>
#include <vector>

#include <xtl/xoptional.hpp>

#include "cmoe/core/error.hpp"
#include "cmoe/core/shape.hpp"

namespace cmoe {

// Scores (0..100) of T tasks, measured before any training and after each task. Every entry may be missing.
// `after` = number of tasks learnt so far, 0..T; `task` = 0..T-1 in the order of learning. So R_{t,i} of the papers, which
// count from 1, is at(t, i-1); the diagonal is at(i+1, i); R0 is row 0; entries above the diagonal are scores of tasks to come.
class ScoreMatrix {
 public:
  ScoreMatrix() = default;
  explicit ScoreMatrix(Index tasks) : tasks_(tasks) {
    check(tasks >= 0, ErrorKind::config, "scores: negative number of tasks ", tasks);
    scores_.resize(static_cast<std::size_t>(checked_product(tasks + 1, tasks)), xtl::missing<double>());
  }

  Index tasks() const { return tasks_; }
  xtl::xoptional<double> at(Index after, Index task) const { return scores_[position(after, task)]; }
  // Throws Error: index outside the matrix; numeric for NaN and infinity (a score that was not measured is simply not set).
  void set(Index after, Index task, double score) {
    check(std::isfinite(score), ErrorKind::numeric, "scores: task ", task, " after ", after, " tasks has no finite score");
    scores_[position(after, task)] = score;
  }

  // Mean score over the tasks learnt so far, 1 <= after <= T; missing if one of them is. The papers' OP_t.
  xtl::xoptional<double> average(Index after) const {
    double sum = 0;
    for (Index task = 0; task < after; ++task) {
      if (!at(after, task).has_value()) return xtl::missing<double>();
      sum += at(after, task).value();
    }
    return after > 0 ? xtl::xoptional<double>(sum / static_cast<double>(after)) : xtl::missing<double>();
  }

 private:
  std::size_t position(Index after, Index task) const {
    check(after >= 0 && after <= tasks_ && task >= 0 && task < tasks_, ErrorKind::index, "scores: no entry for task ", task,
          " after ", after, " of ", tasks_, " tasks");
    return static_cast<std::size_t>(after * tasks_ + task);
  }

  Index tasks_ = 0;
  std::vector<xtl::xoptional<double>> scores_;
};

// All in score points (0..100). A metric is missing if an entry it needs is missing or it is undefined for one task.
struct Metrics {
  using Value = xtl::xoptional<double>;
  Value AP = xtl::missing<double>(), average_incremental = AP, BWT = AP, BWT_GEM = AP, BWT_clamped = AP, forgetting = AP,
        FWT_GEM = AP, FWT_SAPT = AP, learning_accuracy = AP, routing_accuracy = AP, oracle_AP = AP, ability_delta = AP;
};

// What some metrics need beside the score matrix; leave out what was not measured.
struct MetricSources {
  std::vector<double> individual = {};  // score of each task learnt alone, in the order of the stream
  xtl::xoptional<double> routing_accuracy = xtl::missing<double>();  // percent of prompts sent to their own task's expert
  xtl::xoptional<double> oracle_AP = xtl::missing<double>();         // AP with every item sent to its own task's expert
  std::vector<double> ability_before = {}, ability_after = {};       // scores of general benchmarks before and after the stream
};

// A metric as it is shown.
struct NamedMetric {
  std::string_view name;
  xtl::xoptional<double> value;
  std::string_view definition;
};

// Every metric with its name and its definition in a line: what is printed, drawn and written to metrics.json.
inline std::vector<NamedMetric> named(const Metrics& m) {
  return {
      {"AP", m.AP, "average performance: mean score over all tasks after the last one (also OP, Last)"},
      {"average_incremental", m.average_incremental, "mean over t of the average score on the first t tasks after learning t"},
      {"BWT", m.BWT, "backward transfer: mean over all T tasks of final score minus score just after learning it (TRACE, SAPT)"},
      {"BWT_GEM", m.BWT_GEM, "the same sum over the first T-1 tasks divided by T-1 (GEM)"},
      {"BWT_clamped", m.BWT_clamped, "BWT with gains counted as 0, divided by T: hides positive transfer"},
      {"forgetting", m.forgetting,
       "mean over the first T-1 tasks of the best score since learning it minus the final score (F.Ra)"},
      {"FWT_GEM", m.FWT_GEM,
       "forward transfer: mean over tasks 2..T of score just before learning it minus score before any training"},
      {"FWT_SAPT", m.FWT_SAPT, "mean score just after learning a task minus mean score of tasks learnt alone"},
      {"learning_accuracy", m.learning_accuracy, "mean score of each task just after learning it: the diagonal (ours)"},
      {"routing_accuracy", m.routing_accuracy,
       "percent of prompts for which the gate prefers the expert of their own task (ours)"},
      {"oracle_AP", m.oracle_AP, "AP if every item were routed to its own task's expert: AP below it is lost by routing (ours)"},
      {"ability_delta", m.ability_delta, "mean change of general benchmarks over the stream (TRACE)"}};
}

namespace detail {

// Mean of term(i) for i = first..last-1 over `count`; missing if a term is missing or nothing is counted.
inline Metrics::Value mean_of(Index first, Index last, Index count, const std::function<Metrics::Value(Index)>& term) {
  if (count <= 0) return xtl::missing<double>();
  double sum = 0;
  for (Index i = first; i < last; ++i) {
    const Metrics::Value value = term(i);
    if (!value.has_value()) return xtl::missing<double>();
    sum += value.value();
  }
  return sum / static_cast<double>(count);
}

}  // namespace detail

// Every variant found in papers and code (GEM, arXiv 1706.08840; TRACE, 2310.06762; SAPT, 2401.08295 with its score.py;
// TreeLoRA's code for the clamped one), because "BWT" alone does not say which. throws Error (shape) if the individual scores or
// the abilities do not fit
inline Metrics metrics(const ScoreMatrix& scores, const MetricSources& sources = {}) {
  using Value = Metrics::Value;
  const Index T = scores.tasks();
  const auto final_score = [&](Index i) { return scores.at(T, i); };
  const auto learnt = [&](Index i) { return scores.at(i + 1, i); };
  const auto change = [&](Index i) -> Value { return final_score(i) - learnt(i); };
  const auto loss = [&](Index i) -> Value { return change(i).has_value() ? Value(std::min(change(i).value(), 0.0)) : change(i); };
  const auto forgotten = [&](Index i) -> Value {  // best score of task i since it was learnt, the last row not counted
    Value best = learnt(i);
    for (Index t = i + 1; t < T && best.has_value(); ++t)
      best = scores.at(t, i).has_value() ? Value(std::max(best.value(), scores.at(t, i).value())) : scores.at(t, i);
    return best - final_score(i);
  };
  const auto ahead = [&](Index i) -> Value { return scores.at(i, i) - scores.at(0, i); };

  Metrics m;
  m.AP = detail::mean_of(0, T, T, final_score);
  m.average_incremental = detail::mean_of(0, T, T, [&](Index i) { return scores.average(i + 1); });
  m.BWT = detail::mean_of(0, T, T, change);
  m.BWT_GEM = detail::mean_of(0, T - 1, T - 1, change);
  m.BWT_clamped = detail::mean_of(0, T, T, loss);
  m.forgetting = detail::mean_of(0, T - 1, T - 1, forgotten);
  m.FWT_GEM = detail::mean_of(1, T, T - 1, ahead);
  m.learning_accuracy = detail::mean_of(0, T, T, learnt);
  m.routing_accuracy = sources.routing_accuracy;
  m.oracle_AP = sources.oracle_AP;
  if (!sources.individual.empty()) {
    check(static_cast<Index>(sources.individual.size()) == T, "metrics: ", sources.individual.size(), " individual scores for ",
          T, " tasks");
    m.FWT_SAPT =
        detail::mean_of(0, T, T, [&](Index i) -> Value { return learnt(i) - sources.individual[static_cast<std::size_t>(i)]; });
  }
  check(sources.ability_before.size() == sources.ability_after.size(), "metrics: ", sources.ability_before.size(),
        " abilities before, ", sources.ability_after.size(), " after");
  const auto abilities = static_cast<Index>(sources.ability_before.size());
  m.ability_delta = detail::mean_of(0, abilities, abilities, [&](Index i) -> Value {
    return sources.ability_after[static_cast<std::size_t>(i)] - sources.ability_before[static_cast<std::size_t>(i)];
  });
  return m;
}

// A value over several runs: its mean, and the deviation with n-1 below the root, which one run alone does not have.
struct Spread {
  Index n = 0;
  double mean = 0;
  xtl::xoptional<double> sd = xtl::missing<double>();
};

// The spread of values; without any, all of it is 0 and missing.
inline Spread spread(const std::vector<double>& values) {
  Spread s;
  s.n = static_cast<Index>(values.size());
  if (values.empty()) return s;
  for (const double v : values) s.mean += v / static_cast<double>(s.n);
  double squares = 0;
  for (const double v : values) squares += (v - s.mean) * (v - s.mean);
  if (s.n > 1) s.sd = std::sqrt(squares / static_cast<double>(s.n - 1));
  return s;
}

}  // namespace cmoe
