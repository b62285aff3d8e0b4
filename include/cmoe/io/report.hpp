// report.html: what a run or a comparison of methods found, as one page that needs neither scripts nor a network.
#pragma once

#include <string>

#include "cmoe/io/html.hpp"
#include "cmoe/io/report_charts.hpp"
#include "cmoe/io/report_data.hpp"
#include "cmoe/io/report_style.hpp"
#include "cmoe/io/report_tables.hpp"

namespace cmoe {

namespace detail::page {

inline std::string method(const MethodReport& m, std::size_t number) {
  const std::string id = "m" + std::to_string(number);
  std::string out = "<section id=\"" + id + "\"><h2>" + escape(m.method) + "</h2>";
  if (m.scores.tasks() > 0) out += score_table(m);
  out += routing_table(m);
  std::string charts;
  std::size_t term = 0;
  for (const auto& [name, points] : m.curves) charts += curve(m, name, points, id + "c" + std::to_string(term++));
  if (!charts.empty()) out += "<h3>Loss terms</h3><div class=\"charts\">" + charts + "</div>";
  if (!m.growth.empty())
    out += "<h3>Stored parameters after each task</h3><div class=\"charts\">" + growth(m, id + "g") + "</div>";
  return out + "</section>\n";
}

using Facts = std::vector<std::pair<std::string, std::string>>;

// Everything up to the first section.
inline std::string head(const std::string& title, const std::string& subtitle, const Facts& facts) {
  std::string out =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width,initial-scale=1\"><title>" +
      escape(title) + "</title><style>\n" + report_style::sheet() + "</style></head><body><main>\n<header><h1>" + escape(title) +
      "</h1>" + (subtitle.empty() ? "" : "<p class=\"quiet\">" + escape(subtitle) + "</p>") + "</header>\n";
  if (facts.empty()) return out;
  out += "<dl class=\"facts\">";
  for (const auto& [name, value] : facts) out += (value.size() > 80 ? "<div class=\"long\"><dt>" : "<div><dt>") + escape(name) + "</dt><dd>" + escape(value) + "</dd></div>";
  return out + "</dl>\n";
}

}  // namespace detail::page

// The page as text. Every name is escaped; values that are no finite numbers are left out. Colours follow the reader's light or
// dark setting, text on every colour has a contrast of at least 4.5, charts carry a title and a description.
inline std::string html(const Report& report) {
  std::string out = detail::page::head(report.title, report.subtitle, report.facts);
  if (!report.methods.empty()) {
    out += "<h2>Summary</h2>" + detail::page::summary(report) + detail::page::comparison(report);
    for (std::size_t i = 0; i < report.methods.size(); ++i) out += detail::page::method(report.methods[i], i);
    out += detail::page::definitions(report);
  }
  return out + "</main></body></html>\n";
}

}  // namespace cmoe
