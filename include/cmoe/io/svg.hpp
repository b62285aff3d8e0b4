// Line and bar charts as inline SVG: no scripts, colours from the page's style sheet, a title and a description for readers who
// listen.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cmoe/io/html.hpp"

namespace cmoe::svg {

// A stretch of numbers shown along an axis, with the places that are labelled.
struct Axis {
  double low = 0, high = 1;
  std::vector<std::pair<double, std::string>> ticks = {};
  std::string label = {};
  std::vector<double> dividers = {};  // further lines across the chart, unlabelled
};

struct Line {
  std::string label;
  std::size_t colour = 0;                                        // the style sheet has eight; further ones are dashed
  std::vector<std::vector<std::pair<double, double>>> pieces{};  // a gap between pieces
  bool dots = false;
};

struct Chart {
  std::string id, title, description;  // id must be unique in the page
  double width = 400, height = 240;
  Axis x{}, y{};
};

inline constexpr std::size_t colours = 8;
inline std::string line_class(std::size_t colour) {
  return "line c" + std::to_string(colour % colours) + (colour < colours ? "" : colour < 2 * colours ? " dashed" : " dotted");
}

// low..high widened to round numbers with three to six labelled ticks.
inline Axis round_axis(double low, double high) {
  if (!(high > low)) high = low + 1;
  const double raw = (high - low) / 4, power = std::pow(10, std::floor(std::log10(raw))), lead = raw / power;
  const double step = power * (lead < 1.5 ? 1 : lead < 3.5 ? 2 : lead < 7.5 ? 5 : 10);
  const int decimals = std::clamp(static_cast<int>(-std::floor(std::log10(step * 1.0001))), 0, 8);
  Axis axis{step * std::floor(low / step + 1e-9), step * std::ceil(high / step - 1e-9)};
  for (double at = axis.low; at < axis.high + step / 2; at += step) axis.ticks.emplace_back(at, html_text::decimal(at, decimals));
  return axis;
}

namespace detail {

inline std::string at(double value) { return html_text::decimal(value, 1); }

inline std::string text(double x, double y, const char* anchor, std::string_view content, const char* kind = "") {
  return "<text x=\"" + at(x) + "\" y=\"" + at(y) + "\" text-anchor=\"" + anchor + "\"" + kind + ">" +
         html_text::escape(content) + "</text>";
}
inline std::string rule(double x1, double y1, double x2, double y2, const std::string& kind) {
  return "<line class=\"" + kind + "\" x1=\"" + at(x1) + "\" y1=\"" + at(y1) + "\" x2=\"" + at(x2) + "\" y2=\"" + at(y2) + "\"/>";
}

// The rectangle that data is drawn in, and where a value lies in it.
struct Plot {
  double left, right, top, bottom;
  const Axis &x_axis, &y_axis;

  double x(double value) const { return left + (right - left) * (value - x_axis.low) / (x_axis.high - x_axis.low); }
  double y(double value) const { return bottom - (bottom - top) * (value - y_axis.low) / (y_axis.high - y_axis.low); }
};

inline std::string open(const Chart& chart) {
  const std::string ids = chart.id + "t " + chart.id + "d";
  return "<svg viewBox=\"0 0 " + at(chart.width) + " " + at(chart.height) + "\" role=\"img\" aria-labelledby=\"" + ids +
         "\"><title id=\"" + chart.id + "t\">" + html_text::escape(chart.title) + "</title><desc id=\"" + chart.id + "d\">" +
         html_text::escape(chart.description) + "</desc>";
}

inline std::string frame(const Plot& plot) {
  std::string out;
  for (const auto& [value, label] : plot.y_axis.ticks)
    out +=
        rule(plot.left, plot.y(value), plot.right, plot.y(value), "grid") + text(plot.left - 6, plot.y(value) + 4, "end", label);
  for (double value : plot.x_axis.dividers) out += rule(plot.x(value), plot.top, plot.x(value), plot.bottom, "grid");
  for (const auto& [value, label] : plot.x_axis.ticks) out += text(plot.x(value), plot.bottom + 16, "middle", label);
  out += text((plot.left + plot.right) / 2, plot.bottom + 32, "middle", plot.x_axis.label, " class=\"quiet\"");
  return out + rule(plot.left, plot.bottom, plot.right, plot.bottom, "axis");
}

inline std::string drawn(const Line& line, const Plot& plot) {
  std::string out;
  for (const auto& piece : line.pieces) {
    std::string points;
    for (const auto& [x, y] : piece) points += at(plot.x(x)) + "," + at(plot.y(y)) + " ";
    out += "<polyline class=\"" + line_class(line.colour) + "\" points=\"" + points + "\"/>";
    if (!line.dots && piece.size() > 1) continue;
    for (const auto& [x, y] : piece)
      out += "<circle class=\"dot c" + std::to_string(line.colour % colours) + "\" cx=\"" + at(plot.x(x)) + "\" cy=\"" +
             at(plot.y(y)) + "\" r=\"2.8\"><title>" + html_text::escape(line.label) + ": " + html_text::decimal(y, 1) +
             "</title></circle>";
  }
  return out;
}

// At most `room` units wide at about 6.3 a character; cut between characters of UTF-8, never inside one.
inline std::string fitted(const std::string& label, double room) {
  auto kept = static_cast<std::size_t>(std::max(1.0, room / 6.3));
  if (label.size() <= kept) return label;
  for (kept -= 1; kept > 0 && (static_cast<unsigned char>(label[kept]) & 0xC0u) == 0x80u; --kept) {
  }
  return label.substr(0, kept) + "…";
}

// Labels at the right ends of the lines, moved apart until none covers another, each with a thread to its line.
inline std::string end_labels(const std::vector<Line>& lines, const Plot& plot, double room) {
  constexpr double apart = 14;
  struct Label {
    const Line* line;
    double x, y, place;
  };
  std::vector<Label> labels;
  for (const Line& line : lines)
    if (!line.pieces.empty()) {
      const auto [x, y] = line.pieces.back().back();
      labels.push_back({&line, plot.x(x), plot.y(y), plot.y(y)});
    }
  std::ranges::stable_sort(labels, {}, &Label::y);
  for (std::size_t i = 1; i < labels.size(); ++i) labels[i].place = std::max(labels[i].place, labels[i - 1].place + apart);
  double most = plot.bottom;  // then back up from the bottom
  for (std::size_t i = labels.size(); i-- > 0; most -= apart) labels[i].place = std::min(labels[i].place, most);
  std::string out;
  for (const Label& label : labels)
    out += rule(label.x + 4, label.y, plot.right + 16, label.place, "thread c" + std::to_string(label.line->colour % colours)) +
           text(plot.right + 20, label.place + 4, "start", fitted(label.line->label, room - 12));
  return out;
}

}  // namespace detail

// Lines over an x axis. label_room > 0 keeps that much room at the right and writes each line's label at its end there.
inline std::string line_chart(const Chart& chart, const std::vector<Line>& lines, double label_room = 0) {
  const detail::Plot plot{42, chart.width - 12 - label_room, 12, chart.height - 40, chart.x, chart.y};
  std::string out = detail::open(chart) + detail::frame(plot);
  for (const Line& line : lines) out += detail::drawn(line, plot);
  if (label_room > 0) out += detail::end_labels(lines, plot, label_room);
  return out + "</svg>";
}

// One bar a value, its amount above it, its position (from 1) below.
inline std::string bar_chart(Chart chart, const std::vector<Index>& values) {
  const Index most = values.empty() ? 1 : std::max<Index>(1, *std::ranges::max_element(values));
  chart.y = {0, static_cast<double>(most)};
  chart.x.low = 0, chart.x.high = static_cast<double>(values.size());
  const detail::Plot plot{12, chart.width - 12, 26, chart.height - 40, chart.x, chart.y};
  const double pitch = plot.x(1) - plot.x(0), width = std::min(34.0, 0.72 * pitch);
  const std::size_t every =
      static_cast<std::size_t>(std::ceil(36 / std::max(pitch, 1.0)));  // amounts that would overlap are left out
  std::string out = detail::open(chart) + detail::frame(plot);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double middle = plot.x(static_cast<double>(i) + 0.5), top = plot.y(static_cast<double>(std::max<Index>(0, values[i])));
    out += "<rect class=\"bar\" x=\"" + detail::at(middle - width / 2) + "\" y=\"" + detail::at(top) + "\" width=\"" +
           detail::at(width) + "\" height=\"" + detail::at(plot.bottom - top) + "\"><title>" + std::to_string(values[i]) +
           "</title></rect>";
    if ((values.size() - 1 - i) % every == 0) {
      out += detail::text(middle, top - 5, "middle", html_text::compact(values[i]));
      out += detail::text(middle, plot.bottom + 16, "middle", std::to_string(i + 1));
    }
  }
  return out + "</svg>";
}

}  // namespace cmoe::svg
