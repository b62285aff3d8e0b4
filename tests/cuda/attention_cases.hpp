// Both attentions, forward and back, with groups of query heads and ranges of valid keys.
#pragma once

#include "cuda/draw_case.hpp"

namespace parity {

template <class B>
struct Attended {
  using Real = typename B::Scalar;
  cmoe::AttentionShape shape;
  Real scale;
  Array<B> q, k, v, dout, drest;
  Ids<B> firsts, lasts;
  const Id *first, *last;

  explicit Attended(Draw<B>& d) {
    const Index n = d.below(3), t = d.size() % 100, s = t + d.size() % 70, groups = d.below(2) + 1, heads = groups * (d.below(3) + 1),
                size = d.coin() ? d.below(7) : 16 + d.below(30);
    shape = {n, t, s, heads, groups, size};
    scale = static_cast<Real>(d.rng.uniform(0.2, 1));
    q = d.numbers(n * t * heads * size, -2, 2);
    k = d.numbers(n * s * groups * size, -2, 2);
    v = d.numbers(n * s * groups * size);
    dout = d.numbers(n * t * heads * size);
    drest = d.numbers(n * t * heads);
    firsts = d.ids(n, s / 2 + 1);
    lasts = d.ids(n, s + 1);
    first = d.coin() ? firsts.data() : nullptr;
    last = d.coin() ? lasts.data() : nullptr;
  }
};

template <class B>
std::vector<Case<B>> attention_cases() {
  std::vector<Case<B>> cases;
  cases.push_back({"causal_attention", [](Draw<B>& d) {
                     const Attended<B> a(d);
                     Array<B> out(a.q.shape()), log_sum(a.drest.shape()), dq(a.q.shape()), dk(a.k.shape()), dv(a.v.shape());
                     B::causal_attention(a.shape, a.scale, a.q.data(), a.k.data(), a.v.data(), a.first, a.last, out.data(), log_sum.data());
                     B::causal_attention_back(a.shape, a.scale, a.q.data(), a.k.data(), a.v.data(), a.first, a.last, out.data(),
                                              log_sum.data(), a.dout.data(), dq.data(), dk.data(), dv.data());
                     for (const Array<B>* x : {&out, &log_sum, &dq, &dk, &dv}) d.keep(*x);
                   }});
  cases.push_back({"stickbreaking_attention", [](Draw<B>& d) {
                     const Attended<B> a(d);
                     const bool current = d.coin();
                     const auto* const drest = d.coin() ? a.drest.data() : nullptr;
                     Array<B> out(a.q.shape()), log_rest(a.drest.shape()), dq(a.q.shape()), dk(a.k.shape()), dv(a.v.shape());
                     B::stickbreaking_attention(a.shape, a.scale, current, a.q.data(), a.k.data(), a.v.data(), a.first, a.last, out.data(),
                                                log_rest.data());
                     B::stickbreaking_attention_back(a.shape, a.scale, current, a.q.data(), a.k.data(), a.v.data(), a.first, a.last,
                                                     log_rest.data(), a.dout.data(), drest, dq.data(), dk.data(), dv.data());
                     for (const Array<B>* x : {&out, &log_rest, &dq, &dk, &dv}) d.keep(*x);
                   }});
  return cases;
}

}  // namespace parity
