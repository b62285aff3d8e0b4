// Dispatch: tokens sorted by expert, one grouped product for all experts, and the weighted way back to the tokens.
#pragma once

#include <algorithm>

#include "cmoe/ops/index.hpp"
#include "cmoe/ops/matmul.hpp"

namespace cmoe {

// Where each (token, slot) of a routing decision goes: sorted by expert, tokens in order within an expert. No token is dropped,
// no expert has a capacity, an expert may get none.
// cost: one counting sort
template <class B>
struct ExpertOrder {
  Ids<B> token;                // (n·k) the token at each sorted place
  Ids<B> slot;                 // (n·k) position in the (n,k) decision at each sorted place
  Ids<B> place;                // (n,k) the sorted place of each decision
  std::vector<Index> offsets;  // (E+1) expert e has the places offsets[e]..offsets[e+1]
  Index tokens = 0, chosen = 0;

  ExpertOrder(const Ids<B>& ids, Index experts) : tokens(ids.shape()[0]), chosen(ids.shape()[1]) {
    detail::check_ids("dispatch", ids, experts);
    const Index n = ids.size();
    offsets.resize(static_cast<std::size_t>(experts) + 1);
    slot = Ids<B>({n});
    B::sort_by_group(n, experts, ids.data(), slot.data(), offsets.data());
    std::vector<Id> at = slot.values(), token_of(at.size()), place_of(at.size());
    for (std::size_t p = 0; p < at.size(); ++p) {
      token_of[p] = static_cast<Id>(at[p] / chosen);
      place_of[static_cast<std::size_t>(at[p])] = static_cast<Id>(p);
    }
    token = Ids<B>({n}, token_of);
    place = Ids<B>({tokens, chosen}, place_of);
  }
};

// Copies of the tokens in expert order: x (n,C) -> (n·k,C).
// gradient: dx[i] = Σ_s dy[place[i,s]]
template <class B>
Tensor<B> to_experts(const Tensor<B>& x, const ExpertOrder<B>& order) {
  const Index cols = x.shape().cols(), n = order.tokens, k = order.chosen;
  check(x.shape().rank() == 2 && x.shape()[0] == n, "to_experts: ", x.shape(), " for ", n, " tokens");
  Array<B> y({n * k, cols});
  B::gather_rows(n * k, cols, order.token.data(), x.data(), y.data());
  return Tape<B>::record(std::move(y), {&x}, [=, place = order.place, dx = x.slot()](const Array<B>& dy) {
    Array<B> gradient({n, cols});
    B::combine_rows(n, cols, k, place.data(), nullptr, dy.data(), gradient.data());
    dx.add(std::move(gradient));
  });
}

// The way back: y[i] = Σ_s w[i,s] x[place[i,s]], x (n·k,C) in expert order, w (n,k) -> (n,C).
// gradient: dx[place[i,s]] = w[i,s] dy[i], dw[i,s] = <dy[i], x[place[i,s]]>
template <class B>
Tensor<B> from_experts(const Tensor<B>& x, const Tensor<B>& weights, const ExpertOrder<B>& order) {
  const Index cols = x.shape().cols(), n = order.tokens, k = order.chosen;
  check(x.shape() == Shape({n * k, cols}) && weights.shape() == Shape({n, k}), "from_experts: ", x.shape(), " with weights ",
        weights.shape(), " for ", n, " tokens, top-", k);
  Array<B> y({n, cols});
  B::combine_rows(n, cols, k, order.place.data(), weights.data(), x.data(), y.data());
  return Tape<B>::record(std::move(y), {&x, &weights},
                         [=, place = order.place, x = x.value(), w = weights.value(), dx = x.slot(), dw = weights.slot()](const Array<B>& dy) {
    Array<B> gx, gw;
    if (dx) gx = Array<B>(x.shape());
    if (dw) gw = Array<B>(w.shape());
    B::combine_rows_back(n, cols, k, place.data(), w.data(), x.data(), dy.data(), gx.data(), gw.data());
    if (dx) dx.add(std::move(gx));
    if (dw) dw.add(std::move(gw));
  });
}

// Rows permuted between expert order and decision order (n,k): y[i,s] = x[place[i,s]] and back.
template <class B>
Tensor<B> to_slots(const Tensor<B>& x, const ExpertOrder<B>& order) {
  return gather_rows(x, order.place);  // (n,k,C)
}
template <class B>
Tensor<B> from_slots(const Tensor<B>& x, const ExpertOrder<B>& order) {
  return gather_rows(x, order.slot);  // x (n·k,C) -> (n·k,C)
}

// One product for all experts: rows offsets[e]..offsets[e+1] of x (n,C) times w[e], w (E,C,F) -> (n,F).
// gradient: dx = dy w[e]ᵀ and dw[e] = xᵀ dy, group by group; cost: 2·n·C·F multiply-adds whatever E is
template <class B>
Tensor<B> grouped_matmul(const Tensor<B>& x, const Tensor<B>& w, const std::vector<Index>& offsets) {
  using Real = typename B::Scalar;
  const Shape &xs = x.shape(), &ws = w.shape();
  check(xs.rank() == 2 && ws.rank() == 3 && xs[1] == ws[1] && static_cast<Index>(offsets.size()) == ws[0] + 1 && offsets[0] == 0 &&
            offsets.back() == xs[0] && std::is_sorted(offsets.begin(), offsets.end()),
        "grouped_matmul: ", xs, " · ", ws, " in ", static_cast<Index>(offsets.size()) - 1, " groups");
  const Index groups = ws[0], k = ws[1], n = ws[2];
  Array<B> y({xs[0], n});
  B::gemm_grouped(Form::nn, groups, offsets.data(), n, k, Real(1), x.data(), w.data(), false, y.data());
  return Tape<B>::record(std::move(y), {&x, &w}, [=, kept = detail::Operands<B>(x, w), dx = x.slot(),
                                                  dw = w.slot()](const Array<B>& dy) {
    if (dx) {
      Array<B> gradient(xs);
      B::gemm_grouped(Form::nt, groups, offsets.data(), k, n, Real(1), dy.data(), kept.w.data(), false, gradient.data());
      dx.add(std::move(gradient));
    }
    if (dw) {
      Array<B> gradient(ws);
      B::gemm_grouped(Form::tn, groups, offsets.data(), n, k, Real(1), kept.x().data(), dy.data(), false, gradient.data());
      dw.add(std::move(gradient));
    }
  });
}

}  // namespace cmoe
