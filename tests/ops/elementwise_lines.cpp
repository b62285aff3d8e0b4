#include "cmoe/autograd/checkpoint.hpp"
#include "cmoe/ops/arithmetic.hpp"
#include "cmoe/ops/matmul.hpp"
#include "gradient_table.hpp"

namespace cmoe::table {

namespace {

// Every formula of core/functors.hpp, by its list: a new one is in the table as soon as it exists.
template <class... F>
void add_unary(std::vector<Line>& lines, xtl::mpl::vector<F...>) {
  const auto add = [&]<class G>(G) {
    lines.push_back(
        {"map", "map", [](Draw& d) {
           return Case{[](const auto& x) { return map<G>(x[0]); }, {d.away_from_zero(d.shape(), std::is_same_v<G, fn::Log>)}};
         }});
  };
  (add(F{}), ...);
}
template <class... F>
void add_binary(std::vector<Line>& lines, xtl::mpl::vector<F...>) {
  const auto add = [&]<class G>(G) {
    lines.push_back({"zip", "zip", [](Draw& d) {
                       const Shape s = d.shape();
                       return Case{[](const auto& x) { return zip<G>("zip", x[0], x[1]); }, {d.tensor(s), d.away_from_zero(s)}};
                     }});
    lines.push_back({"zip", "zip, repeated", [](Draw& d) {
                       const Index outer = d.few(), mid = d.size(), inner = d.few();
                       return Case{[](const auto& x) { return zip<G>("zip", x[0], x[1]); },
                                   {d.tensor({outer, mid, inner}), d.away_from_zero({mid, 1})}};
                     }});
  };
  (add(F{}), ...);
}

}  // namespace

std::vector<Line> elementwise_lines() {
  std::vector<Line> lines;
  add_unary(lines, fn::Unary{});
  add_binary(lines, fn::Binary{});
  const auto one = [&](const char* recorded, const char* name, auto f) {
    lines.push_back({recorded, name, [f](Draw& d) {
                       return Case{[f](const auto& x) { return f(x[0]); }, {d.tensor(d.shape())}};
                     }});
  };
  const auto two = [&](const char* recorded, const char* name, auto f) {
    lines.push_back({recorded, name, [f](Draw& d) {
                       const Shape s = d.shape();
                       return Case{[f](const auto& x) { return f(x[0], x[1]); }, {d.tensor(s), d.away_from_zero(s)}};
                     }});
    lines.push_back(
        {recorded, name, [f](Draw& d) {
           const Index cols = d.size();
           return Case{[f](const auto& x) { return f(x[0], x[1]); }, {d.tensor(d.rows_of(cols)), d.away_from_zero({cols})}};
         }});
  };
  one("affine", "affine", [](const T& x) { return affine(x, -1.5, 0.25); });
  one("affine", "numbers", [](const T& x) { return ((2.0 * x + 1.0) / 4.0 - 0.5) * 3.0; });
  one("map", "- x", [](const T& x) { return -x; });
  two("zip_linear", "+", [](const T& a, const T& b) { return a + b; });
  two("zip_linear", "-", [](const T& a, const T& b) { return a - b; });
  two("zip", "*", [](const T& a, const T& b) { return a * b; });
  two("zip", "/", [](const T& a, const T& b) { return a / b; });
  two("zip", "swiglu", [](const T& a, const T& b) { return swiglu(a, b); });
  one("zip_linear", "x + x", [](const T& x) { return x + x; });
  one("zip_linear", "x - x x", [](const T& x) { return x - x * x; });
  lines.push_back({"dropout", "dropout", [](Draw& d) {
                     const std::uint64_t key = d.rng.next64();
                     const double p = d.rng.uniform(0, 0.9);
                     return Case{[=](const auto& x) { return dropout(x[0], p, key); }, {d.tensor(d.shape())}};
                   }});
  lines.push_back({"checkpoint", "checkpoint", [](Draw& d) {
                     const Index m = d.few(), k = d.size(), n = d.few();
                     return Case{[](const auto& x) {
                                   const auto segment = [](const T& a, const T& w) { return tanh(matmul(tanh(a), w)) * 2.0; };
                                   return checkpoint(segment, x[0], x[1]) + x[2];
                                 },
                                 {d.tensor({m, k}), d.tensor({k, n}), d.tensor({m, n})}};
                   }});
  return lines;
}

}  // namespace cmoe::table
