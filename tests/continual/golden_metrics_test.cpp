#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "cmoe/continual/metrics.hpp"
#include "cmoe/continual/text_scores.hpp"

namespace {

using Json = nlohmann::json;

std::filesystem::path golden(const char* file) {  // $CMOE_SHARED/golden, else ../shared/golden beside the checkout
  const char* shared = std::getenv("CMOE_SHARED");
  const auto checkout = std::filesystem::path(__FILE__).parent_path().parent_path().parent_path();
  return std::filesystem::absolute(shared ? std::filesystem::path(shared) : checkout / "../shared") / "golden/metrics" / file;
}

// The cases of a file; none, with a message that ctest reports as skipped, if there is no such file.
Json cases(const char* file) {
  std::ifstream in(golden(file));
  if (in) return Json::parse(in);
  MESSAGE("skipped: no reference data at ", golden(file).string());
  return Json::array();
}

void close(double ours, const Json& theirs) { CHECK(std::abs(ours - theirs.get<double>()) < 1e-9); }

}  // namespace

TEST_CASE("continual-learning metrics equal the reference formulas") {
  for (const Json& one : cases("continual.json")) {
    const auto tasks = static_cast<cmoe::Index>(one["R"].size());
    cmoe::ScoreMatrix scores(tasks);
    for (cmoe::Index i = 0; i < tasks; ++i) {
      scores.set(0, i, one["R0"][static_cast<std::size_t>(i)]);
      for (cmoe::Index t = 0; t < tasks; ++t) scores.set(t + 1, i, one["R"][static_cast<std::size_t>(t)][static_cast<std::size_t>(i)]);
    }
    const auto m = cmoe::metrics(scores, {.individual = one["individual"].get<std::vector<double>>()});
    for (const auto& metric : cmoe::named(m)) {
      const std::string name = metric.name == "AP" ? "OP" : std::string(metric.name);
      if (one.contains(name)) close(metric.value.value(), one[name]);
      else CHECK((!metric.value.has_value() || metric.name == "learning_accuracy"));
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
