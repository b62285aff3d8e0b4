#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "cmoe/continual/metrics.hpp"
#include "cmoe/continual/text_scores.hpp"
#include "shared_data.hpp"

namespace cmoe::golden_metrics_test {

namespace {

using Json = nlohmann::json;

// The cases of a file; none, and the test noted as skipped, if there is no such file.
Json cases(const std::string& file) {
  const auto path = shared_data("golden/metrics/" + file);
  if (!path) return Json::array();
  std::ifstream in(*path);
  return Json::parse(in);
}

void close(double ours, const Json& theirs) { CHECK(std::abs(ours - theirs.get<double>()) < 1e-9); }

}  // namespace

TEST_CASE("continual-learning metrics equal the reference formulas") {
  for (const Json& one : cases("continual.json")) {
    const auto tasks = static_cast<cmoe::Index>(one["R"].size());
    cmoe::ScoreMatrix scores(tasks);
    for (cmoe::Index i = 0; i < tasks; ++i) {
      scores.set(0, i, one["R0"][static_cast<std::size_t>(i)]);
      for (cmoe::Index t = 0; t < tasks; ++t)
        scores.set(t + 1, i, one["R"][static_cast<std::size_t>(t)][static_cast<std::size_t>(i)]);
    }
    const auto m = cmoe::metrics(scores, {.individual = one["individual"].get<std::vector<double>>()});
    for (const auto& metric : cmoe::named(m)) {
      const std::string name = metric.name == "AP" ? "OP" : std::string(metric.name);
      if (one.contains(name))
        close(metric.value.value(), one[name]);
      else
        CHECK((!metric.value.has_value() || metric.name == "learning_accuracy"));
    }
  }
}

TEST_CASE("text scores equal rouge_score and rapidfuzz") {
  for (const Json& one : cases("text.json")) {
    const std::string prediction = one["prediction"], reference = one["reference"];
    close(cmoe::rouge_l(prediction, reference), one["rougeL"]);
    close(cmoe::rouge_l(prediction, reference, cmoe::Stemming::porter), one["rougeL_stemmed"]);
    close(cmoe::rouge_n(prediction, reference, 1, cmoe::Stemming::porter), one["rouge1_stemmed"]);
    close(cmoe::rouge_n(prediction, reference, 2, cmoe::Stemming::porter), one["rouge2_stemmed"]);
    close(cmoe::edit_similarity(prediction, reference), one["ratio"]);
  }
}

}  // namespace cmoe::golden_metrics_test
