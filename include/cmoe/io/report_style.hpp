// How the report looks: one style sheet for light and dark, wide and narrow, and the colour ramp of its heat maps.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <string_view>

#include "cmoe/core/compiler.hpp"

namespace cmoe::report_style {

using Colour = std::array<double, 3>;  // red, green, blue, 0..255

// Relative luminance of a colour, 0 black to 1 white.                                            WCAG 2.1, definition
inline double luminance(const Colour& colour) {
  const auto linear = [](double part) {
    part /= 255;
    return part <= 0.04045 ? part / 12.92 : std::pow((part + 0.055) / 1.055, 2.4);
  };
  return 0.2126 * linear(colour[0]) + 0.7152 * linear(colour[1]) + 0.0722 * linear(colour[2]);
}
inline double contrast(const Colour& a, const Colour& b) {  // 1 (none) to 21
  const double x = luminance(a), y = luminance(b);
  return (std::max(x, y) + 0.05) / (std::min(x, y) + 0.05);
}

inline constexpr int levels = 21;  // of a heat map: 0, 5 % .. 100 %

// Cell colour of a level in the light or the dark page; the more, the further from the page's background.
inline Colour heat(int level, bool dark) {
  constexpr std::array<Colour, 3> light_stops = {{{240, 244, 249}, {126, 178, 224}, {12, 74, 143}}};
  constexpr std::array<Colour, 3> dark_stops = {{{32, 38, 46}, {30, 92, 150}, {158, 212, 255}}};
  const auto& stops = dark ? dark_stops : light_stops;
  const double place = 2.0 * level / (levels - 1);
  const auto first = std::min<std::size_t>(1, static_cast<std::size_t>(place));
  Colour out{};
  for (std::size_t i = 0; i < 3; ++i) out[i] = stops[first][i] + (place - static_cast<double>(first)) * (stops[first + 1][i] - stops[first][i]);
  return out;
}

// The text colour that reads best on a cell: always at least 4.5 to 1.
inline Colour ink_on(const Colour& cell) {
  constexpr Colour black = {10, 12, 16}, white = {255, 255, 255};
  return contrast(cell, black) >= contrast(cell, white) ? black : white;
}

inline int level_of(double share) { return static_cast<int>(std::lround(std::clamp(share, 0.0, 1.0) * (levels - 1))); }

inline std::string text(const Colour& colour) {
  std::string out = "rgb(";
  for (std::size_t i = 0; i < 3; ++i) out += (i ? "," : "") + std::to_string(std::lround(colour[i]));
  return out + ")";
}

inline std::string heat_rules(bool dark) {
  std::string out;
  for (int level = 0; level < levels; ++level)
    out += ".h" + std::to_string(level) + "{background:" + text(heat(level, dark)) + ";color:" + text(ink_on(heat(level, dark))) + "}\n";
  return out;
}

inline constexpr std::string_view light = R"(:root{color-scheme:light dark;
--page:#ffffff;--panel:#f6f8fa;--ink:#16191f;--quiet:#55606e;--edge:#d5dbe2;--grid:#e4e8ed;--link:#0a58b5;
--c0:#0b62c4;--c1:#c2410c;--c2:#15803d;--c3:#8b2fd6;--c4:#b91c6b;--c5:#0e7490;--c6:#85600a;--c7:#4b5768}
)";
inline constexpr std::string_view dark = R"(:root{
--page:#12151a;--panel:#1a1e25;--ink:#e8ebf0;--quiet:#a3adba;--edge:#343b46;--grid:#2a313b;--link:#7ab8ff;
--c0:#6cb2ff;--c1:#ff9d5c;--c2:#58cf86;--c3:#c79bff;--c4:#ff85b8;--c5:#55cfe4;--c6:#e0bd5e;--c7:#aeb9c8}
)";
inline constexpr std::string_view rules = R"(*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",sans-serif}
main{max-width:1120px;margin:0 auto;padding:28px 20px 64px}
h1{font-size:1.8rem;line-height:1.2;margin:0}h2{font-size:1.3rem;margin:44px 0 8px}h3{font-size:1rem;margin:24px 0 6px}
p{margin:6px 0;max-width:76ch}.quiet,figcaption,.caption{color:var(--quiet)}a{color:var(--link)}
dl.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(160px,1fr));gap:10px 20px;margin:20px 0;padding:14px 16px;background:var(--panel);border:1px solid var(--edge);border-radius:8px}
dl.facts .long{grid-column:1/-1}
dl.facts dt{font-size:.8rem;color:var(--quiet)}dl.facts dd{margin:0;overflow-wrap:anywhere}
.scroll{overflow-x:auto;margin:8px 0}.scroll:focus-visible{outline:2px solid var(--link)}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
.caption{font-size:.9rem}
th,td{padding:6px 10px;text-align:right;border-bottom:1px solid var(--edge);white-space:nowrap}
th{font-weight:600;font-size:.87rem}thead th{vertical-align:bottom;white-space:normal}abbr{text-decoration-style:dotted;cursor:help}th[scope=row],th.left,td.left{text-align:left}
td.best{font-weight:700}th[scope=row]{white-space:normal;overflow-wrap:break-word}
.words{display:block;font-weight:400;color:var(--quiet)}table.all th[scope=row]{min-width:300px;max-width:420px}
table.summary,table.all{width:100%}
table.heat{border-collapse:separate;border-spacing:2px}
table.heat th,table.heat td{border:0;padding:5px 8px;font-size:.87rem}
table.heat td{text-align:center;min-width:52px;border-radius:3px}
table.heat thead th{text-align:center;font-weight:500;white-space:normal;padding:5px 2px;min-width:64px;max-width:96px;line-height:1.2;overflow-wrap:anywhere}
table.heat thead th.left{text-align:left;padding-left:8px}
table.heat th[scope=row]{font-weight:500;max-width:220px;position:sticky;left:0;background:var(--page)}
table.heat td.own{font-weight:700;outline:2px solid var(--ink);outline-offset:-2px}
table.heat td.ahead{font-style:italic}table.heat td.none{color:var(--quiet)}
figure{margin:12px 0}figcaption{font-size:.9rem}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,320px),1fr));gap:4px 24px}
.charts figure{max-width:480px}
svg{display:block;width:100%;height:auto}svg text{font-size:11.5px;fill:var(--ink)}svg text.quiet{fill:var(--quiet)}
.grid{stroke:var(--grid)}.axis{stroke:var(--quiet)}.line{fill:none;stroke:var(--stroke);stroke-width:2;stroke-linejoin:round}
.dot{fill:var(--stroke)}.thread{stroke:var(--stroke);opacity:.6}.dashed{stroke-dasharray:7 4}.dotted{stroke-dasharray:2 3}.bar{fill:var(--c0)}
.c0{--stroke:var(--c0)}.c1{--stroke:var(--c1)}.c2{--stroke:var(--c2)}.c3{--stroke:var(--c3)}.c4{--stroke:var(--c4)}.c5{--stroke:var(--c5)}.c6{--stroke:var(--c6)}.c7{--stroke:var(--c7)}
ul.legend{list-style:none;margin:4px 0;padding:0;display:flex;flex-wrap:wrap;gap:4px 18px;font-size:.9rem}
ul.legend svg{display:inline-block;width:28px;height:10px;margin-right:6px;vertical-align:middle}
.narrow{display:none}
@media (max-width:700px){main{padding:20px 14px 48px}.wide{display:none}.narrow{display:block}h1{font-size:1.45rem}th,td{padding:5px 7px}
table.summary th[scope=row]{position:sticky;left:0;background:var(--page);min-width:126px;overflow-wrap:anywhere}table.heat th[scope=row]{min-width:112px;overflow-wrap:anywhere}table.all th[scope=row]{min-width:200px}}
@media print{main{max-width:none}.scroll{overflow:visible}}
)";

// The whole style sheet.
inline std::string sheet() {
  return std::string(light) + std::string(rules) + heat_rules(false) + "@media (prefers-color-scheme:dark){" + std::string(dark) + heat_rules(true) + "}\n";
}

}  // namespace cmoe::report_style
