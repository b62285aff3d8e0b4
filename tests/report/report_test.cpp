#include "cmoe/io/report.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <limits>
#include <set>

#include "cmoe/core/random.hpp"

namespace cmoe::report_test {

using cmoe::Index;
using cmoe::MethodReport;
using cmoe::Report;

namespace {

// A method that learns every task to about 97 and keeps `kept` of it per further task.
MethodReport method(const std::string& name, double kept, bool routes) {
  MethodReport m;
  m.method = name;
  m.tasks = {"reverse", "plural-tavi", "date-iso", "say-tavi", "cipher", "plural-moku", "date-us", "say-moku"};
  const Index tasks = 8;
  cmoe::Rng rng = cmoe::Rng(1).fork(name);
  m.scores = cmoe::ScoreMatrix(tasks);
  for (Index after = 0; after <= tasks; ++after)
    for (Index task = 0; task < tasks; ++task) {
      const bool learnt = task < after;
      const double score =
          learnt ? rng.uniform(92, 100) * std::pow(kept, static_cast<double>(after - task - 1)) : rng.uniform(0, 12);
      if (learnt || routes) m.scores.set(after, task, std::round(score));
    }
  cmoe::MetricSources sources;
  if (routes) sources.routing_accuracy = 99.4;
  m.metrics = cmoe::metrics(m.scores, sources);
  m.seconds = 47.06 + 100 * rng.uniform();
  m.trainable = routes ? 52352 : 87040;
  for (Index task = 0; task < tasks; ++task) {
    for (Index step = 0; step < 150; ++step) {
      const double loss = 2.1 * std::exp(-static_cast<double>(step) / 30) + 0.1 * rng.uniform();
      m.curves["language model"].push_back({task, step, loss});
      if (routes)
        m.curves["router"].push_back({task, step, static_cast<double>(task) * 0.3 * std::exp(-static_cast<double>(step) / 9)});
    }
    if (routes) {
      std::vector<double> shares(8, 0.004);
      shares[static_cast<std::size_t>(task)] = 0.972;
      m.routing.push_back(shares);
    }
    m.growth.push_back(routes ? 52352 * (task + 1) : 87040);
  }
  m.stored = m.growth.back();
  return m;
}

Report sample() {
  Report report;
  report.title = "Eight generated tasks, seven methods";
  report.subtitle = "cmoe compare on the built-in stream: made-up numbers of a test";
  report.facts = {{"model", "builtin, 854 k parameters"},
                  {"stream", "builtin, 8 tasks"},
                  {"seed", "1"},
                  {"threads", "2"},
                  {"version", "0.1.0"},
                  {"machine", "Linux x86_64, 2 cores"}};
  for (const auto& [name, kept] : {std::pair{"pmoe", 1.0},
                                   {"dapt", 0.995},
                                   {"seta", 0.97},
                                   {"moduleformer", 0.9},
                                   {"olora", 0.55},
                                   {"seqlora", 0.12},
                                   {"seqft", 0.1}})
    report.methods.push_back(method(name, kept, kept > 0.8));
  return report;
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

}  // namespace

TEST_CASE("the report holds every method's table, charts and definitions") {
  const std::string page = cmoe::html(sample());
  if (const char* path = std::getenv("CMOE_REPORT_SAMPLE")) std::ofstream(path) << page;
  CHECK(count(page, "<section") == 7);
  CHECK(count(page, "<table class=\"heat\"") == 7 + 4);   // scores, and routing of the four that route
  CHECK(count(page, "<svg viewBox=\"0 0 28 10\"") == 7);  // legend
  CHECK(count(page, "role=\"img\"") == 2 + 7 + 4 + 7);    // comparison wide and narrow, loss terms, growth
  for (const auto& metric : cmoe::named({})) CHECK(page.find(cmoe::html_text::escape(metric.definition)) != std::string::npos);
  for (const char* part : {"419k", "52.4k", "pmoe", "say-moku", "99.4"})
    CHECK_MESSAGE(page.find(part) != std::string::npos, part);
}

TEST_CASE("the report needs nothing from outside and no scripts") {
  const std::string page = cmoe::html(sample());
  for (const char* part : {"<script", "http:", "https:", "url(", "@import", "src=", "nan", "inf\"", "-nan"})
    CHECK_MESSAGE(page.find(part) == std::string::npos, part);
}

TEST_CASE("every opened element is closed and every id is unique") {
  const std::string page = cmoe::html(sample());
  for (const char* tag : {"table", "thead", "tbody", "tr", "td", "section", "svg", "figure", "figcaption", "text", "div", "dl",
                          "ul", "li", "title", "desc", "p", "main"})
    CHECK_MESSAGE(count(page, std::string("<") + tag + ">") + count(page, std::string("<") + tag + " ") ==
                      count(page, std::string("</") + tag + ">"),
                  tag);
  std::set<std::string> ids;
  for (std::size_t at = page.find(" id=\""); at != std::string::npos; at = page.find(" id=\"", at + 1))
    CHECK(ids.insert(page.substr(at + 5, page.find('"', at + 5) - at - 5)).second);
  for (std::size_t at = page.find("href=\"#"); at != std::string::npos; at = page.find("href=\"#", at + 1))
    CHECK(ids.contains(page.substr(at + 7, page.find('"', at + 7) - at - 7)));
}

TEST_CASE("names are text, never markup") {
  Report report = sample();
  report.title = report.methods[0].method = report.methods[0].tasks[0] = "<script>alert('x')</script> & \"y\"";
  report.methods[0].curves["<b>"] = {{0, 0, 1.0}};
  const std::string page = cmoe::html(report);
  CHECK(page.find("<script") == std::string::npos);
  CHECK(page.find("<b>") == std::string::npos);
  CHECK(page.find("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;y&quot;") != std::string::npos);
}

TEST_CASE("what was not measured is left out, and values that are no numbers do no harm") {
  CHECK(cmoe::html({}).ends_with("</html>\n"));
  Report report;
  report.methods.resize(1);
  CHECK(cmoe::html(report).find("Scores</h3>") == std::string::npos);
  MethodReport& m = report.methods[0];
  m.scores = cmoe::ScoreMatrix(2);
  m.curves["loss"] = {
      {0, 0, std::numeric_limits<double>::quiet_NaN()}, {1, 3, 2.0}, {1, 3, std::numeric_limits<double>::infinity()}};
  m.curves["only nan"] = {{0, 0, std::numeric_limits<double>::quiet_NaN()}};
  m.routing = {{}, {0.5, std::numeric_limits<double>::quiet_NaN()}};
  m.growth = {0, 0};
  m.seconds = std::numeric_limits<double>::infinity();
  const std::string page = cmoe::html(report);
  CHECK(page.find("nan,") == std::string::npos);
  CHECK(page.find("only nan") == std::string::npos);
  CHECK(count(page, "role=\"img\"") == 2 + 1 + 1);
}

TEST_CASE("numbers in heat maps can be read on every colour, light and dark") {
  namespace style = cmoe::report_style;
  for (bool dark : {false, true})
    for (int level = 0; level < style::levels; ++level)
      CHECK(style::contrast(style::heat(level, dark), style::ink_on(style::heat(level, dark))) >= 4.5);
  CHECK(style::contrast({0, 0, 0}, {255, 255, 255}) == doctest::Approx(21));
}

TEST_CASE("text, links and lines of charts stand out from the page, light and dark") {
  namespace style = cmoe::report_style;
  for (const std::string_view sheet : {style::light, style::dark}) {
    const auto colour = [&](const std::string& name) {
      const std::size_t at = sheet.find("--" + name + ":#");
      REQUIRE_MESSAGE(at != std::string_view::npos, name);
      const auto hex = [&](std::size_t i) { return static_cast<double>(std::stoi(std::string(sheet.substr(at + name.size() + 4 + 2 * i, 2)), nullptr, 16)); };
      return style::Colour{hex(0), hex(1), hex(2)};
    };
    for (const char* ground : {"page", "panel"})
      for (const char* text : {"ink", "quiet", "link"}) CHECK_MESSAGE(style::contrast(colour(text), colour(ground)) >= 4.5, text << " on " << ground);
    for (int line = 0; line < 8; ++line) CHECK_MESSAGE(style::contrast(colour("c" + std::to_string(line)), colour("page")) >= 3, line);
  }
}

TEST_CASE("numbers are written short") {
  CHECK(cmoe::html_text::decimal(-0.04, 1) == "0.0");
  CHECK(cmoe::html_text::decimal(-0.06, 1) == "-0.1");
  CHECK(cmoe::html_text::compact(7) == "7");
  CHECK(cmoe::html_text::compact(853888) == "854k");
  CHECK(cmoe::html_text::compact(52224) == "52.2k");
  CHECK(cmoe::html_text::compact(999999) == "1.0M");
  CHECK(cmoe::html_text::duration(47.06) == "47.1 s");
  CHECK(cmoe::html_text::duration(252) == "4 min 12 s");
  CHECK(cmoe::html_text::duration(7500) == "2 h 05 min");
}

TEST_CASE("a label that does not fit is cut between characters") {
  CHECK(cmoe::svg::detail::fitted("pmoe", 63) == "pmoe");
  CHECK(cmoe::svg::detail::fitted("moduleformer, seed 2", 63) == "modulefor…");
  CHECK(cmoe::svg::detail::fitted("12345678\xC3\xA9 and more", 63) == "12345678…");
}

TEST_CASE("an axis ends at round numbers") {
  const auto axis = cmoe::svg::round_axis(0, 2.3);
  CHECK(axis.low == 0);
  CHECK(axis.high == doctest::Approx(2.5));
  CHECK(axis.ticks.size() == 6);
  CHECK(axis.ticks[1].second == "0.5");
  CHECK(cmoe::svg::round_axis(0, 100).ticks[1].second == "20");
  CHECK(cmoe::svg::round_axis(3, 3).high > 3);
}

}  // namespace cmoe::report_test
