#include "cmoe/io/run_folder.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <nlohmann/json.hpp>

namespace cmoe::run_folder_test {

namespace {
const double not_a_number = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();
}

TEST_CASE("scores.csv has a row before training and an empty cell for what was not measured") {
  cmoe::ScoreMatrix scores(2);
  scores.set(0, 0, 1.5), scores.set(1, 0, 90), scores.set(2, 0, 1.0 / 3), scores.set(2, 1, 100);
  CHECK(cmoe::scores_csv(scores, {"a,b", "say \"x\""}) ==
        "after,\"a,b\",\"say \"\"x\"\"\"\n0,1.5,\n1,90,\n2,0.3333333333333333,100\n");
  CHECK_THROWS_AS(cmoe::scores_csv(scores, {"a"}), cmoe::Error);
}

TEST_CASE("metrics.json leaves out what is undefined") {
  cmoe::ScoreMatrix scores(1);
  scores.set(1, 0, 0.1 + 0.2);
  const auto read = nlohmann::json::parse(cmoe::metrics_json(cmoe::metrics(scores)));
  CHECK(read["AP"].get<double>() == 0.1 + 0.2);
  CHECK(read["BWT"] == 0);
  CHECK(!read.contains("forgetting"));
  CHECK(nlohmann::json::parse(cmoe::metrics_json({})) == nlohmann::json::object());
}

TEST_CASE("a log line is one line of JSON, and says what was no finite number") {
  const std::string line =
      cmoe::log_line(3, 17, {{"loss", 0.25}, {"odd \"name\"\n", 1e-300}, {"grad_norm", not_a_number}, {"lr", -infinity}});
  CHECK(line.find('\n') == line.size() - 1);
  const auto read = nlohmann::json::parse(line);
  CHECK(read["task"] == 3);
  CHECK(read["step"] == 17);
  CHECK(read["loss"] == 0.25);
  CHECK(read["odd \"name\"\n"] == 1e-300);
  CHECK(read["grad_norm"].is_null());
  CHECK(read["not_finite"] == nlohmann::json{{"grad_norm", "nan"}, {"lr", "-inf"}});
  CHECK(!nlohmann::json::parse(cmoe::log_line(0, 0, {})).contains("not_finite"));
}

TEST_CASE("numbers come back as the same double, strings as the same text") {
  for (double value : {0.0, -0.0, 0.1, 1.0 / 3, 1e300, 5e-324, -123456789.125, 9007199254740993.0})
    CHECK(nlohmann::json::parse(cmoe::json::number(value)).get<double>() == value);
  CHECK_THROWS_AS(cmoe::json::number(not_a_number), cmoe::Error);
  std::string every;
  for (int c = 0; c < 128; ++c) every += static_cast<char>(c);
  every += "\xC3\xA9";
  CHECK(nlohmann::json::parse(cmoe::json::string(every)).get<std::string>() == every);
}

}  // namespace cmoe::run_folder_test
