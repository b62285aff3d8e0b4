// Softmax attention whose scores have a bias for each head, query and key, over keys that may belong to another sequence.
#pragma once

#include "cmoe/attention/self_attention.hpp"

namespace cmoe {

namespace detail {

// The sizes of one biased attention, its valid keys, and what every sequence needs again on the way back.
template <class B>
struct BiasedPlan {
  Index n, t, s, h, d;
  typename B::Scalar scale;
  std::vector<Id> first, last;

  // weights (H,T,valid keys) of one sequence: softmax(scale · q kᵀ + bias). Its padding is not computed at all.
  Index weigh(Index sequence, const Array<B>& q, const Array<B>& k, const Array<B>& bias, Array<B>& weights) const {
    const auto i = static_cast<std::size_t>(sequence);
    const Index begin = first[i], count = last[i] - begin;
    if (count <= 0) return 0;
    if (bias) B::copy_block(h * t, count, bias.data() + begin, s, false, weights.data(), count);
    for (Index head = 0; head < h; ++head)
      B::gemm(Form::nt, t, count, d, scale, q.data() + query(sequence, head), h * d, k.data() + key(sequence, head), h * d, static_cast<bool>(bias),
              weights.data() + head * t * count, count);
    B::softmax_rows(h * t, count, weights.data(), weights.data());
    return count;
  }
  // Where one head's rows begin, `h * d` apart; those of keys begin with the first valid one.
  Index query(Index sequence, Index head) const { return (sequence * t * h + head) * d; }
  Index key(Index sequence, Index head) const { return ((sequence * s + first[static_cast<std::size_t>(sequence)]) * h + head) * d; }
};

}  // namespace detail

// out_i = Σ_j softmax_j(scale · q_i·k_j + bias_ij) v_j                                                      T5, arXiv 1910.10683
// q (N,T,H,D), k, v (N,S,H,D), bias (H,T,S) or none, the same for all sequences. Keys outside first..last (N) take no part; a query
// without any key gives 0. A bias of −inf hides a key, not all of a query's keys.
// gradient in q, k, v and bias; keeps none of the weights, they are computed again
// cost: 2·N·H·T·S·D multiply-adds, O(H·T·S) memory
// throws Error if the shapes do not fit
template <class B>
Tensor<B> biased_attention(const Tensor<B>& q, const Tensor<B>& k, const Tensor<B>& v, const Tensor<B>& bias, double scale,
                           const Ids<B>& first = {}, const Ids<B>& last = {}) {
  using Real = typename B::Scalar;
  const Shape &qs = q.shape(), &ks = k.shape();
  check(qs.rank() == 4 && ks.rank() == 4 && v.shape() == ks && qs[0] == ks[0] && qs[2] == ks[2] && qs[3] == ks[3],
        "biased_attention: queries ", qs, ", keys ", ks, ", values ", v.shape(), " do not fit");
  check(!bias || bias.shape() == Shape{qs[2], qs[1], ks[1]}, "biased_attention: a bias ", bias ? bias.shape() : Shape(), " for queries ", qs,
        " and keys ", ks);
  for (const Ids<B>* range : {&first, &last}) {
    if (!*range) continue;
    check(range->size() == qs[0], "biased_attention: ", range->size(), " ranges for ", qs[0], " sequences");
    check(B::ids_within(range->size(), range->data(), ks[1] + 1, 0), ErrorKind::index, "biased_attention: a range leaves the ", ks[1], " keys");
  }
  const auto n = static_cast<std::size_t>(qs[0]);
  const detail::BiasedPlan<B> plan{qs[0], qs[1], ks[1], qs[2], qs[3], static_cast<Real>(scale),
                                        first ? first.values() : std::vector<Id>(n, 0),
                                        last ? last.values() : std::vector<Id>(n, static_cast<Id>(ks[1]))};
  const Array<B> shift = bias ? bias.value() : Array<B>();
  Array<B> out(qs, Real(0));
  Array<B> weights({plan.h * plan.t * plan.s});
  for (Index i = 0; i < plan.n; ++i) {
    const Index count = plan.weigh(i, q.value(), k.value(), shift, weights);
    for (Index head = 0; head < plan.h && count > 0; ++head)
      B::gemm(Form::nn, plan.t, plan.d, count, Real(1), weights.data() + head * plan.t * count, count, v.value().data() + plan.key(i, head),
              plan.h * plan.d, false, out.data() + plan.query(i, head), plan.h * plan.d);
  }
  const bool wanted = q.wants_gradient() || k.wants_gradient() || v.wants_gradient() || (bias && bias.wants_gradient());
  return Tape<B>::record_if(wanted, std::move(out), [=, q = q.value(), k = k.value(), v = v.value(), dq = q.slot(), dk = k.slot(), dv = v.slot(),
                                                     dbias = bias ? bias.slot() : detail::SlotRef<B>()](const Array<B>& dout) {
    const Index t = plan.t, d = plan.d, step = plan.h * plan.d;
    Array<B> gq(q.shape(), Real(0)), gk(k.shape(), Real(0)), gv(k.shape(), Real(0)), gb;
    if (dbias) gb = Array<B>(shift.shape(), Real(0));
    Array<B> again({plan.h * t * plan.s}), slopes(again.shape());
    for (Index i = 0; i < plan.n; ++i) {
      const Index count = plan.weigh(i, q, k, shift, again);
      if (count == 0) continue;
      for (Index head = 0; head < plan.h; ++head) {
        Real *const p = again.data() + head * t * count, *const slope = slopes.data() + head * t * count;
        B::gemm(Form::nt, t, count, d, Real(1), dout.data() + plan.query(i, head), step, v.data() + plan.key(i, head), step, false, slope, count);
        B::gemm(Form::tn, count, d, t, Real(1), p, count, dout.data() + plan.query(i, head), step, false, gv.data() + plan.key(i, head), step);
      }
      B::softmax_rows_back(plan.h * t, count, again.data(), slopes.data(), slopes.data());
      if (gb) B::copy_block(plan.h * t, count, slopes.data(), count, true, gb.data() + plan.first[static_cast<std::size_t>(i)], plan.s);
      for (Index head = 0; head < plan.h; ++head) {
        const Real* const slope = slopes.data() + head * t * count;
        B::gemm(Form::nn, t, d, count, plan.scale, slope, count, k.data() + plan.key(i, head), step, false, gq.data() + plan.query(i, head), step);
        B::gemm(Form::tn, count, d, t, plan.scale, slope, count, q.data() + plan.query(i, head), step, false, gk.data() + plan.key(i, head), step);
      }
    }
    dq.add(std::move(gq));
    dk.add(std::move(gk));
    dv.add(std::move(gv));
    if (dbias) dbias.add(std::move(gb));
  });
}

}  // namespace cmoe
