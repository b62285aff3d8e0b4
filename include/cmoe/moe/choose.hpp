// The choice of a token router: from scores to the k experts that are used, and their weights.
#pragma once

#include "cmoe/core/random.hpp"
#include "cmoe/nn/param.hpp"
#include "cmoe/ops/index.hpp"
#include "cmoe/ops/layout.hpp"
#include "cmoe/ops/softmax.hpp"

namespace cmoe {

// One routing decision for n tokens. The arithmetic is done in at least float32.
template <class B>
struct Routing {
  Tensor<B> logits;         // (n,E)
  Tensor<B> probabilities;  // (n,E) softmax over all experts; sums to less than 1 where pruned experts kept their mass
  Tensor<B> weights;        // (n,k) the probabilities of the chosen, not renormalised
  Ids<B> chosen;            // (n,k) largest first; of a drawn choice the drawn stand last
};

namespace detail {

// Rows of an array in a given order, copied: (count, ...).
template <class B>
Array<B> rows_taken(const Array<B>& from, const std::vector<Index>& which) {
  const Index cols = from.shape()[0] > 0 ? from.size() / from.shape()[0] : 0;
  Array<B> out(from.shape().with(0, static_cast<Index>(which.size())));
  for (std::size_t i = 0; i < which.size(); ++i) B::copy(cols, from.data() + which[i] * cols, out.data() + static_cast<Index>(i) * cols);
  return out;
}

// The kept rows, numbered through all slabs and ascending, slab by slab; a frozen slab stays frozen, one may become empty.
template <class B>
std::vector<Param<B>> kept_slabs(const std::vector<Param<B>>& slabs, const std::vector<Index>& which) {
  std::vector<Param<B>> out;
  Index begin = 0;
  for (const Param<B>& slab : slabs) {
    const Index end = begin + slab.shape()[0];
    std::vector<Index> here;
    for (Index row : which)
      if (row >= begin && row < end) here.push_back(row - begin);
    out.emplace_back(rows_taken(slab.value(), here));
    if (slab.frozen()) out.back().freeze();
    begin = end;
  }
  return out;
}

// The k − m most probable of each row, then m more drawn without repetition in proportion to p + 1e-6.      released code: sample_topk
template <class B>
Ids<B> draw_chosen(const Tensor<B>& p, Index k, Index m, const Rng& rng) {
  const Index n = p.shape()[0], experts = p.shape()[1];
  const std::vector<Id> sure = top_k(p.detach(), k).ids.values();
  const auto values = p.values();
  std::vector<Id> ids;
  std::vector<double> mass(static_cast<std::size_t>(experts));
  for (Index i = 0; i < n; ++i) {
    Rng draw = rng.fork(static_cast<std::uint64_t>(i));
    double total = 0;
    for (std::size_t e = 0; e < mass.size(); ++e) mass[e] = static_cast<double>(values[static_cast<std::size_t>(i * experts) + e]) + 1e-6;
    const auto take = [&](std::size_t e) {
      ids.push_back(static_cast<Id>(e));
      mass[e] = 0;
    };
    for (Index s = 0; s < k - m; ++s) take(static_cast<std::size_t>(sure[static_cast<std::size_t>(i * k + s)]));
    for (Index s = 0; s < m; ++s) {
      total = 0;
      for (double x : mass) total += x;
      double u = draw.uniform() * total;
      std::size_t e = 0, last = 0;
      for (; e < mass.size(); ++e) {
        if (mass[e] == 0) continue;
        last = e;
        if ((u -= mass[e]) < 0) break;
      }
      take(e < mass.size() ? e : last);
    }
  }
  return Ids<B>({n, k}, ids);
}

}  // namespace detail

// p = softmax(z), the k largest with their raw p. selectable, if not empty, are the columns of z that can be chosen: the decision
// is then numbered by them, the others only take their share of the softmax. `sampled` of the k are drawn by chance.
template <class B>
Routing<B> choose(const Tensor<B>& logits, Index k, const std::vector<Index>& selectable = {}, Index sampled = 0, const Rng& rng = Rng(0)) {
  Routing<B> routing{logits, softmax(logits), {}, {}};
  if (!selectable.empty()) {
    const Index n = logits.shape()[0];
    std::vector<Id> columns;
    for (Index i = 0; i < n; ++i) columns.insert(columns.end(), selectable.begin(), selectable.end());
    const Ids<B> ids({n, static_cast<Index>(selectable.size())}, columns);
    routing.logits = take_columns(routing.logits, ids);
    routing.probabilities = take_columns(routing.probabilities, ids);
  }
  if (sampled == 0) {
    auto [weights, chosen] = top_k(routing.probabilities, k);
    routing.weights = std::move(weights);
    routing.chosen = std::move(chosen);
  } else {
    routing.chosen = detail::draw_chosen(routing.probabilities, k, sampled, rng);
    routing.weights = take_columns(routing.probabilities, routing.chosen);
  }
  return routing;
}

}  // namespace cmoe
