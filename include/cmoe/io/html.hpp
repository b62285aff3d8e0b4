// Text and numbers as they stand in an HTML page.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <string>
#include <string_view>

#include "cmoe/core/shape.hpp"

namespace cmoe::html_text {

// Text that cannot be mistaken for markup, in elements and in quoted attributes. Control characters become spaces.
inline std::string escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else if (c == '\'')
      out += "&#39;";
    else
      out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out;
}

// A number with a fixed count of decimals; "-0.0" is written "0.0", NaN and infinity as a dash.
inline std::string decimal(double value, int decimals) {
  if (!std::isfinite(value)) return "–";
  std::array<char, 400> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::fixed, decimals).ptr;
  std::string out(buffer.data(), end);
  return out.starts_with('-') && out.find_first_of("123456789") == std::string::npos ? out.substr(1) : out;
}

// At most four characters and a unit: 853888 -> 854k, 52224 -> 52.2k, 7 -> 7.
inline std::string compact(Index count) {
  constexpr std::array<std::string_view, 4> units = {"k", "M", "G", "T"};
  double value = static_cast<double>(count);
  if (std::abs(value) < 1000) return std::to_string(count);
  std::size_t unit = 0;
  for (value /= 1000; std::abs(value) >= 999.5 && unit + 1 < units.size(); ++unit) value /= 1000;
  return decimal(value, std::abs(value) < 99.95 ? 1 : 0) + std::string(units[unit]);
}

inline std::string duration(double seconds) {  // 47.1 s, 4 min 12 s, 2 h 05 min
  if (!std::isfinite(seconds) || seconds < 0) return "–";
  if (seconds < 99.95) return decimal(seconds, 1) + " s";
  const auto whole = static_cast<Index>(std::llround(std::min(seconds, 1e15)));
  if (whole < 6000)
    return std::to_string(whole / 60) + " min " + (whole % 60 < 10 ? "0" : "") + std::to_string(whole % 60) + " s";
  return std::to_string(whole / 3600) + " h " + (whole / 60 % 60 < 10 ? "0" : "") + std::to_string(whole / 60 % 60) + " min";
}

}  // namespace cmoe::html_text
