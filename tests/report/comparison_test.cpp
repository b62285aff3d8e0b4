#include "cmoe/io/report_comparison.hpp"

#include <doctest/doctest.h>

namespace cmoe::comparison_test {

using cmoe::ComparisonReport;
using cmoe::Index;

namespace {

// A run of two tasks: what it scores on each just after learning it and at the end.
cmoe::ComparedRun run(const std::string& method, const std::string& name, std::size_t order, double learnt, double kept) {
  cmoe::ComparedRun run;
  run.report.method = method;
  run.report.tasks = order == 1 ? std::vector<std::string>{"first", "sec<ond"} : std::vector<std::string>{"sec<ond", "first"};
  run.report.scores = cmoe::ScoreMatrix(2);
  run.report.scores.set(1, 0, learnt), run.report.scores.set(2, 0, kept), run.report.scores.set(2, 1, learnt);
  run.report.metrics = cmoe::metrics(run.report.scores);
  run.report.curves["lm"] = {{0, 1, 2.0}, {0, 2, 1.0}, {1, 1, 1.5}};
  run.report.growth = {10, 20};
  run.report.trainable = 10, run.report.stored = 20, run.report.seconds = 3;
  run.name = name, run.link = "runs/" + method + "&" + name + "/report.html", run.order = order;
  return run;
}

ComparisonReport sample() {
  ComparisonReport report;
  report.title = "cmoe compare", report.methods = {"keeps", "forgets", "fails"};
  report.runs = {run("keeps", "a", 1, 90, 88), run("keeps", "b", 1, 94, 90), run("keeps", "c", 2, 80, 70), run("forgets", "a", 1, 90, 10)};
  report.notes = {"failed: <one> & only"};
  return report;
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

}  // namespace

TEST_CASE("a comparison shows mean and deviation over runs, worked by hand") {
  const std::string page = cmoe::html(sample());
  CHECK(page.find("<td>3</td><td>85.3 ± 9.1</td>") != std::string::npos);  // AP 89, 92, 75
  CHECK(page.find("<td>1</td><td>50.0</td>") != std::string::npos);        // one run has no deviation
  CHECK(page.find("<td>0</td><td>–</td>") != std::string::npos);           // no run came to its end
}

TEST_CASE("a comparison has a heat map of means for each order, curves, and a way to every run") {
  const std::string page = cmoe::html(sample());
  CHECK(count(page, "<h3>Scores</h3>") == 3);
  CHECK(page.find(">92.0</td>") != std::string::npos);  // (90 + 94) / 2
  CHECK(page.find("Order 1, mean of 2 runs") != std::string::npos);
  CHECK(count(page, "Loss terms of ") == 2);
  CHECK(count(page, "report.html\">") == 4);
}

TEST_CASE("a comparison escapes every name and reaches for nothing") {
  const std::string page = cmoe::html(sample());
  CHECK(page.find("sec<ond") == std::string::npos);
  CHECK(page.find("failed: &lt;one&gt; &amp; only") != std::string::npos);
  CHECK(page.find("runs/keeps&amp;a/report.html") != std::string::npos);
  CHECK(page.find("<script") == std::string::npos);
  CHECK(page.find("href=\"http") == std::string::npos);
  CHECK(cmoe::html(ComparisonReport{}).ends_with("</main></body></html>\n"));
}

}  // namespace cmoe::comparison_test
