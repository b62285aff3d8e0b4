// Row primitives: softmax, norms, cross entropy, sums, orders.
#pragma once

#include "cuda/draw_case.hpp"

namespace parity {

template <class B>
std::vector<Case<B>> norm_cases() {
  using Real = typename B::Scalar;
  std::vector<Case<B>> cases;
  cases.push_back({"layer_norm", [](Draw<B>& d) {
                     const Index rows = d.size(), cols = d.some();
                     const Array<B> x = d.numbers(rows * cols), gain = d.numbers(cols), bias = d.numbers(cols), dy = d.numbers(rows * cols);
                     Array<B> y({rows, cols}), mean({rows}), scale({rows}), dx({rows, cols}), dgain({cols}), dbias({cols});
                     B::layer_norm(rows, cols, Real(1e-3), x.data(), gain.data(), bias.data(), y.data(), mean.data(), scale.data());
                     B::layer_norm_back(rows, cols, x.data(), gain.data(), mean.data(), scale.data(), dy.data(), dx.data(), dgain.data(),
                                        dbias.data());
                     for (const Array<B>* a : {&y, &mean, &scale, &dx, &dgain, &dbias}) d.keep(*a);
                     B::layer_norm_back(rows, cols, x.data(), gain.data(), mean.data(), scale.data(), dy.data(), dx.data(), nullptr, nullptr);
                     d.keep(dx);
                   }});
  cases.push_back({"rms_norm", [](Draw<B>& d) {
                     const Index rows = d.size(), cols = d.some();
                     const Array<B> x = d.numbers(rows * cols), gains = d.numbers(cols), dy = d.numbers(rows * cols);
                     const Real* const gain = d.coin() ? gains.data() : nullptr;
                     Array<B> y({rows, cols}), scale({rows}), dx({rows, cols}), dgain({cols});
                     B::rms_norm(rows, cols, Real(1e-3), x.data(), gain, y.data(), scale.data());
                     B::rms_norm_back(rows, cols, x.data(), gain, scale.data(), dy.data(), dx.data(), dgain.data());
                     for (const Array<B>* a : {&y, &scale, &dx, &dgain}) d.keep(*a);
                     B::rms_norm_back(rows, cols, x.data(), gain, scale.data(), dy.data(), dx.data(), nullptr);
                     d.keep(dx);
                   }});
  return cases;
}

template <class B>
std::vector<Case<B>> row_cases() {
  std::vector<Case<B>> cases = norm_cases<B>();
  cases.push_back({"softmax_rows", [](Draw<B>& d) {
                     const Index rows = d.size(), cols = d.size();
                     const Array<B> x = d.numbers(rows * cols, -20, 20), dy = d.numbers(rows * cols);
                     Array<B> y({rows, cols}), dx = dy.copy();
                     B::softmax_rows(rows, cols, x.data(), y.data());
                     B::softmax_rows_back(rows, cols, y.data(), dx.data(), dx.data());
                     d.keep(y);
                     d.keep(dx);
                   }});
  cases.push_back({"logsumexp_rows", [](Draw<B>& d) {
                     const Index rows = d.size(), cols = d.size();
                     const Array<B> x = d.coin() ? d.ranked(rows * cols) : d.numbers(rows * cols, -90, 90), dy = d.numbers(rows);
                     Array<B> y({rows}), dx({rows, cols});
                     B::logsumexp_rows(rows, cols, x.data(), y.data());
                     B::logsumexp_rows_back(rows, cols, x.data(), y.data(), dy.data(), dx.data());
                     d.keep(y);
                     d.keep(dx);
                   }});
  cases.push_back({"cross_entropy", [](Draw<B>& d) {
                     const Index rows = d.size(), cols = d.some();
                     const Array<B> x = d.numbers(rows * cols, -9, 9), dloss = d.numbers(rows);
                     const Ids<B> labels = d.ids(rows, cols);
                     Array<B> loss({rows}), log_sum({rows}), dx({rows, cols});
                     B::cross_entropy(rows, cols, x.data(), labels.data(), 0, loss.data(), log_sum.data());
                     B::cross_entropy_back(rows, cols, x.data(), labels.data(), 0, log_sum.data(), dloss.data(), dx.data());
                     for (const Array<B>* a : {&loss, &log_sum, &dx}) d.keep(*a);
                   }});
  cases.push_back({"sums", [](Draw<B>& d) {
                     const Index rows = d.size() * (d.below(4) + 1), cols = d.size(), outer = d.few(), inner = d.coin() ? 1 : d.size();
                     const Array<B> x = d.numbers(rows * cols), z = d.numbers(outer * cols * inner);
                     Array<B> by_row({rows}), by_column({cols}), repeated({cols});
                     B::sum_rows(rows, cols, x.data(), by_row.data());
                     B::sum_columns(rows, cols, x.data(), by_column.data());
                     B::reduce_broadcast(outer, cols, inner, z.data(), repeated.data());
                     for (const Array<B>* a : {&by_row, &by_column, &repeated}) d.keep(*a);
                     d.keep(B::sum_squares(rows * cols, x.data()));
                   }});
  cases.push_back({"all_finite", [](Draw<B>& d) {
                     const Index n = d.size();
                     d.keep(B::all_finite(n, d.ranked(n).data()) ? 1 : 0);
                   }});
  cases.push_back({"argmax_rows and topk_rows", [](Draw<B>& d) {
                     const Index rows = d.size(), cols = d.some(), k = d.below(std::min<Index>(cols, 9) + 1);
                     const Array<B> x = d.coin() ? d.ranked(rows * cols) : d.numbers(rows * cols);
                     Ids<B> best({rows}), ids({rows, k});
                     Array<B> values({rows, k});
                     B::argmax_rows(rows, cols, x.data(), best.data());
                     B::topk_rows(rows, cols, k, x.data(), values.data(), ids.data());
                     d.keep(best);
                     d.keep(values);
                     d.keep(ids);
                   }});
  return cases;
}

}  // namespace parity
