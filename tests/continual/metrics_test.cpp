#include "cmoe/continual/metrics.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <set>

namespace cmoe::metrics_test {

using cmoe::Index;
using cmoe::ScoreMatrix;
using doctest::Approx;

namespace {

// Rows after each task, from task 1 on; row 0 as `before`. Short rows leave the upper triangle missing.
ScoreMatrix matrix(const std::vector<std::vector<double>>& rows, const std::vector<double>& before = {}) {
  ScoreMatrix scores(static_cast<Index>(rows.size()));
  for (std::size_t i = 0; i < before.size(); ++i) scores.set(0, static_cast<Index>(i), before[i]);
  for (std::size_t t = 0; t < rows.size(); ++t)
    for (std::size_t i = 0; i < rows[t].size(); ++i) scores.set(static_cast<Index>(t + 1), static_cast<Index>(i), rows[t][i]);
  return scores;
}

}  // namespace

TEST_CASE("the metrics of a full matrix worked by hand") {
  const auto m = cmoe::metrics(matrix({{80, 25, 0}, {70, 90, 40}, {60, 85, 75}}, {10, 20, 30}), {.individual = {82, 88, 78}});
  CHECK(m.AP.value() == Approx(220.0 / 3));
  CHECK(m.BWT.value() == Approx(-25.0 / 3));
  CHECK(m.BWT_GEM.value() == Approx(-12.5));
  CHECK(m.BWT_clamped.value() == Approx(-25.0 / 3));
  CHECK(m.forgetting.value() == Approx(12.5));
  CHECK(m.average_incremental.value() == Approx(700.0 / 9));  // (80 + 80 + 73.33) / 3
  CHECK(m.FWT_GEM.value() == Approx(7.5));                    // ((25 - 20) + (40 - 30)) / 2
  CHECK(m.FWT_SAPT.value() == Approx(-1));                    // 245/3 - 248/3
  CHECK(m.learning_accuracy.value() == Approx(245.0 / 3));
  CHECK(!m.routing_accuracy.has_value());
  CHECK(!m.ability_delta.has_value());
}

TEST_CASE("positive transfer shows in BWT and is hidden by the clamped variant") {
  const auto m = cmoe::metrics(matrix({{80}, {70, 60}, {75, 50, 90}}), {.individual = {78, 62, 88}});
  CHECK(m.AP.value() == Approx(215.0 / 3));
  CHECK(m.forgetting.value() == Approx(7.5));  // worked example of SAPT
  CHECK(m.FWT_SAPT.value() == Approx(2.0 / 3));
  CHECK(m.BWT.value() == Approx(-5));
  CHECK(m.BWT_GEM.value() == Approx(-7.5));
  CHECK(!m.FWT_GEM.has_value());  // needs the upper triangle and row 0
  const auto gain = cmoe::metrics(matrix({{50}, {70, 60}}));
  CHECK(gain.BWT.value() == Approx(10));
  CHECK(gain.BWT_clamped.value() == 0);
  CHECK(gain.forgetting.value() == Approx(-20));
}

TEST_CASE("the log of a published run gives the published metrics") {
  const auto m =
      cmoe::metrics(matrix({{98.7105}, {98.5526, 57.7632}, {97.4079, 57.4079, 71.9079}, {97.7368, 56.0658, 71.0395, 88.6184}}));
  CHECK(m.AP.value() == Approx(78.3651).epsilon(1e-6));
  CHECK(m.forgetting.value() == Approx(1.1798).epsilon(1e-4));
  CHECK(m.learning_accuracy.value() == Approx(79.25).epsilon(1e-6));
  CHECK(m.BWT.value() == Approx(-0.8849).epsilon(1e-4));
}

TEST_CASE("the ability delta of two rows of TRACE comes out as printed there") {
  const std::vector<double> base = {46.56, 26.08, 40.23, 23.47, 70.55, 76.22};
  const auto delta = [&](std::vector<double> after) {
    return cmoe::metrics(ScoreMatrix(0), {.ability_before = base, .ability_after = std::move(after)}).ability_delta.value();
  };
  CHECK(std::abs(delta({46.43, 3.49, 30.11, 33.23, 77.89, 76.5}) + 2.58) < 0.01);
  CHECK(std::abs(delta({42.28, 14.71, 33.61, 21.72, 53.43, 75.19}) + 7.03) < 0.01);
}

TEST_CASE("a missing score makes exactly the metrics missing that need it") {
  ScoreMatrix scores(2);
  scores.set(1, 0, 90), scores.set(2, 1, 80);
  auto m = cmoe::metrics(scores);
  CHECK(m.learning_accuracy.value() == Approx(85));
  CHECK(!m.AP.has_value());
  CHECK(!m.BWT.has_value());
  CHECK(!m.forgetting.has_value());
  scores.set(2, 0, 70);
  m = cmoe::metrics(scores);
  CHECK(m.AP.value() == Approx(75));
  CHECK(m.forgetting.value() == Approx(20));
  CHECK(!m.FWT_GEM.has_value());
}

TEST_CASE("one task has no forgetting and no tasks have no metrics") {
  const auto one = cmoe::metrics(matrix({{90}}, {5}));
  CHECK(one.AP.value() == 90);
  CHECK(one.BWT.value() == 0);
  CHECK(!one.BWT_GEM.has_value());
  CHECK(!one.forgetting.has_value());
  CHECK(!one.FWT_GEM.has_value());
  const auto none = cmoe::metrics(ScoreMatrix());
  for (const auto& metric : cmoe::named(none)) CHECK(!metric.value.has_value());
}

TEST_CASE("the average after each task counts only tasks learnt so far") {
  const auto scores = matrix({{80, 25, 0}, {70, 90, 40}, {60, 85, 75}});
  CHECK(scores.average(1).value() == 80);
  CHECK(scores.average(2).value() == 80);
  CHECK(scores.average(3).value() == Approx(220.0 / 3));
  CHECK(!scores.average(0).has_value());
}

TEST_CASE("wrong places and scores that are no numbers are refused") {
  ScoreMatrix scores(3);
  CHECK_THROWS_AS(scores.set(4, 0, 1), cmoe::Error);
  CHECK_THROWS_AS(scores.at(0, 3), cmoe::Error);
  CHECK_THROWS_AS(scores.set(1, 0, std::numeric_limits<double>::quiet_NaN()), cmoe::Error);
  CHECK_THROWS_AS(cmoe::metrics(scores, {.individual = {1, 2}}), cmoe::Error);
  CHECK_THROWS_AS(cmoe::metrics(scores, {.ability_before = {1}}), cmoe::Error);
}

TEST_CASE("every metric is listed once with a definition") {
  std::set<std::string_view> names;
  for (const auto& metric : cmoe::named({})) {
    CHECK(names.insert(metric.name).second);
    CHECK(metric.definition.size() > 20);
    CHECK(!metric.value.has_value());
  }
  CHECK(names.size() == 12);
}

}  // namespace cmoe::metrics_test
