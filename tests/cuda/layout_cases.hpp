// Primitives that move elements, pool ranges, weigh blocks and turn pairs.
#pragma once

#include "cuda/draw_case.hpp"

namespace parity {

// first and last (n) of ranges inside 0..rows, some empty
template <class B>
std::pair<Ids<B>, Ids<B>> ranges(Draw<B>& d, Index n, Index rows) {
  return {d.ids(n, rows + 1), d.ids(n, rows + 1)};
}

template <class B>
std::vector<Case<B>> layout_cases() {
  using Real = typename B::Scalar;
  std::vector<Case<B>> cases;
  cases.push_back({"copy_block", [](Draw<B>& d) {
                     const Index rows = d.size(), cols = d.size(), from = cols + d.few(), to = cols + d.few();
                     const Array<B> x = d.numbers(rows * from);
                     Array<B> y = d.numbers(rows * to);
                     B::copy_block(rows, cols, x.data(), from, d.coin(), y.data(), to);
                     d.keep(y);
                   }});
  cases.push_back({"swap_axes", [](Draw<B>& d) {
                     const Index a = d.few(), b = d.size() % 40, c = d.few(), e = d.size() % 40;
                     const Array<B> x = d.numbers(a * b * c * e);
                     Array<B> y({a * b * c * e});
                     B::swap_axes(a, b, c, e, x.data(), y.data());
                     d.keep(y);
                   }});
  cases.push_back({"mean_of_range", [](Draw<B>& d) {
                     const Index n = d.few(), rows = d.size(), cols = d.size();
                     const auto [first, last] = ranges(d, n, rows);
                     const Array<B> x = d.numbers(n * rows * cols), dy = d.numbers(n * cols);
                     Array<B> y({n, cols}), dx({n, rows, cols});
                     B::mean_of_range(n, rows, cols, first.data(), last.data(), x.data(), y.data());
                     B::mean_of_range_back(n, rows, cols, first.data(), last.data(), dy.data(), dx.data());
                     d.keep(y);
                     d.keep(dx);
                   }});
  cases.push_back({"max_of_range", [](Draw<B>& d) {
                     const Index n = d.few(), rows = d.size(), cols = d.size();
                     const auto [first, last] = ranges(d, n, rows);
                     const Array<B> x = d.numbers(n * rows * cols), dy = d.numbers(n * cols);
                     Array<B> y({n, cols}), dx = d.numbers(n * rows * cols);
                     Ids<B> place({n, cols});
                     B::max_of_range(n, rows, cols, first.data(), last.data(), x.data(), y.data(), place.data());
                     B::max_of_range_back(n, rows, cols, place.data(), dy.data(), dx.data());
                     d.keep(y);
                     d.keep(place);
                     d.keep(dx);
                   }});
  cases.push_back({"scale_blocks and dot_blocks", [](Draw<B>& d) {
                     const Index n = d.few(), t = d.size() % 70, e = d.few(), r = d.few() + 1;
                     const Array<B> x = d.numbers(n * t * e * r), z = d.numbers(n * t * e * r), g = d.numbers(n * e);
                     Array<B> y({n * t * e * r}), dg({n, e});
                     B::scale_blocks(n, t, e, r, x.data(), g.data(), y.data());
                     B::dot_blocks(n, t, e, r, x.data(), z.data(), dg.data());
                     d.keep(y);
                     d.keep(dg);
                   }});
  cases.push_back({"rotary", [](Draw<B>& d) {
                     const Index n = d.few(), t = d.size() % 40, h = d.few(), half = d.below(20), size = 2 * half;
                     const Array<B> cosine = d.numbers(t * half), sine = d.numbers(t * half), x = d.numbers(n * t * h * size);
                     Array<B> y({n, t, h, size});
                     B::rotary(n, t, h, size, d.coin(), d.coin() ? Real(1) : Real(-1), cosine.data(), sine.data(), x.data(), y.data());
                     d.keep(y);
                   }});
  return cases;
}

}  // namespace parity
