// Primitives on ids: gather, scatter, sort, the sums of experts' rows.
#pragma once

#include "cuda/draw_case.hpp"

namespace parity {

template <class B>
std::vector<Case<B>> index_cases() {
  std::vector<Case<B>> cases;
  cases.push_back({"ids_within", [](Draw<B>& d) {
                     const Index n = d.size(), limit = d.some();
                     const Ids<B> ids = d.ids(n, limit + d.below(2));
                     d.keep(B::ids_within(n, ids.data(), limit, 0) ? 1 : 0);
                     d.keep(B::ids_within(n, ids.data(), limit, static_cast<Id>(limit)) ? 1 : 0);
                   }});
  cases.push_back({"gather_rows and scatter_add_rows", [](Draw<B>& d) {
                     const Index rows = d.some(), cols = d.size(), n = d.size();
                     const Array<B> table = d.numbers(rows * cols), x = d.numbers(n * cols);
                     const Ids<B> ids = d.ids(n, rows);
                     Array<B> y({n, cols}), sum = d.numbers(rows * cols);
                     B::gather_rows(n, cols, ids.data(), table.data(), y.data());
                     B::scatter_add_rows(n, cols, ids.data(), x.data(), sum.data());
                     d.keep(y);
                     d.keep(sum);
                   }});
  cases.push_back({"take_columns", [](Draw<B>& d) {
                     const Index rows = d.size(), cols = d.some(), k = d.few();
                     const Array<B> x = d.numbers(rows * cols), dy = d.numbers(rows * k);
                     const Ids<B> ids = d.ids(rows * k, cols);
                     Array<B> y({rows, k}), dx = d.numbers(rows * cols);
                     B::take_columns(rows, cols, k, ids.data(), x.data(), y.data());
                     B::take_columns_back(rows, cols, k, ids.data(), dy.data(), dx.data());
                     d.keep(y);
                     d.keep(dx);
                   }});
  cases.push_back({"sort_by_group", [](Draw<B>& d) {
                     const Index n = d.size() * d.below(12), groups = d.some();
                     const Ids<B> ids = d.ids(n, groups);
                     Ids<B> order({n});
                     std::vector<Index> offsets(static_cast<std::size_t>(groups) + 1);
                     B::sort_by_group(n, groups, ids.data(), order.data(), offsets.data());
                     d.keep(order);
                     d.results.emplace_back(offsets.begin(), offsets.end());
                   }});
  cases.push_back({"combine_rows", [](Draw<B>& d) {
                     const Index rows = d.size(), cols = d.size(), k = d.few();
                     const Ids<B> place = d.permutation(rows * k);
                     const Array<B> weights = d.numbers(rows * k), x = d.numbers(rows * k * cols), dy = d.numbers(rows * cols);
                     const auto* const weight = d.coin() ? weights.data() : nullptr;
                     Array<B> y({rows, cols}), dx({rows * k, cols}), dweight({rows, k});
                     B::combine_rows(rows, cols, k, place.data(), weight, x.data(), y.data());
                     B::combine_rows_back(rows, cols, k, place.data(), weight, x.data(), dy.data(), dx.data(), dweight.data());
                     for (const Array<B>* a : {&y, &dx, &dweight}) d.keep(*a);
                     B::combine_rows_back(rows, cols, k, place.data(), weight, x.data(), dy.data(), nullptr, nullptr);
                   }});
  return cases;
}

}  // namespace parity
