// Stick-breaking attention.                                                      ModuleFormer, arXiv 2306.04640; arXiv 2410.17980
#pragma once

#include "cmoe/attention/attention.hpp"
#include "cmoe/ops/arithmetic.hpp"

namespace cmoe {

// What stick-breaking attention gives.
template <class B>
struct StickBreak {
  Tensor<B> out;   // (N,T,H,D)
  Tensor<B> rest;  // (N,T,H) what is left of the stick, in [0,1]
};

// Walks from the newest key to the oldest; each takes the share β of what is left of the stick:
//     A_ij = β_ij ∏_{j<l≤i} (1 − β_il),   β = σ(scale · q_i·k_j),   rest_i = ∏_l (1 − β_il) = 1 − Σ_j A_ij
// q (N,T,H,D), k, v (N,S,Hkv,D) -> out (N,T,H,D), rest (N,T,H). Rows of A sum to at most 1. The current token is a key of its own
// unless attend_current is false. Keys outside first..last (N) take nothing and pass the stick on.
// gradient: dS = A∘G' − β∘prefix(A∘G') with G' = dA − drest;  keeps log rest, not A
// cost: 2·N·H·T·S·D multiply-adds (half of it skipped by causality), O(T) memory a row block
// throws Error if the shapes do not fit
// ours: softplus form instead of the product, equal to 1e-6 in float
template <class B>
StickBreak<B> stickbreaking_attention(const Tensor<B>& q, const Tensor<B>& k, const Tensor<B>& v, double scale,
                                      bool attend_current = true, const Ids<B>& first = {}, const Ids<B>& last = {}) {
  const AttentionShape shape = detail::attention_shape("stickbreaking_attention", q, k, v, first, last);
  const auto s = static_cast<typename B::Scalar>(scale);
  Array<B> out(q.shape()), log_rest({shape.sequences, shape.queries, shape.heads});
  B::stickbreaking_attention(shape, s, attend_current, q.data(), k.data(), v.data(), first.data(), last.data(), out.data(),
                             log_rest.data());
  Array<B> rest(log_rest.shape());
  B::template map<fn::Exp>(rest.size(), log_rest.data(), rest.data());
  auto [y, r] = Tape<B>::record(
      std::move(out), std::move(rest), {&q, &k, &v},
      [=, q = q.value(), k = k.value(), v = v.value(), dq = q.slot(), dk = k.slot(), dv = v.slot()](const Array<B>& dout,
                                                                                                    const Array<B>& drest) {
        Array<B> gq(q.shape()), gk(k.shape()), gv(v.shape());
        const Array<B> none = dout ? Array<B>() : Array<B>(q.shape(), 0);
        B::stickbreaking_attention_back(shape, s, attend_current, q.data(), k.data(), v.data(), first.data(), last.data(),
                                        log_rest.data(), dout ? dout.data() : none.data(), drest.data(), gq.data(), gk.data(), gv.data());
        dq.add(std::move(gq));
        dk.add(std::move(gk));
        dv.add(std::move(gv));
      });
  return {std::move(y), std::move(r)};
}

}  // namespace cmoe
