// Causal softmax attention with rotary positions.
#pragma once

#include "cmoe/attention/attention.hpp"
#include "cmoe/nn/rotary.hpp"

namespace cmoe {

// out_i = Σ_{j ≤ i} softmax_j(scale · q_i·k_j) v_j                      arXiv 1706.03762, computed as in arXiv 2205.14135
// q (N,T,H,D), k, v (N,S,Hkv,D), Hkv divides H: query head h reads key head h / (H/Hkv). Query i stands at position i + S − T.
// Keys outside first..last (N) take no weight; a query without any key gives 0.
// gradient in q, k, v; keeps the output and one log-sum for each query and head, no weights
// cost: 2·N·H·T·S·D multiply-adds (half of it skipped by causality), O(T) memory a row block
// throws Error if the shapes do not fit
template <class B>
Tensor<B> causal_attention(const Tensor<B>& q, const Tensor<B>& k, const Tensor<B>& v, double scale, const Ids<B>& first = {},
                           const Ids<B>& last = {}) {
  const AttentionShape shape = detail::attention_shape("causal_attention", q, k, v, first, last);
  const auto s = static_cast<typename B::Scalar>(scale);
  Array<B> out(q.shape()), log_sum({shape.sequences, shape.queries, shape.heads});
  B::causal_attention(shape, s, q.data(), k.data(), v.data(), first.data(), last.data(), out.data(), log_sum.data());
  return Tape<B>::record(out, {&q, &k, &v}, [=, q = q.value(), k = k.value(), v = v.value(), dq = q.slot(), dk = k.slot(),
                                             dv = v.slot()](const Array<B>& dout) {
    Array<B> gq(q.shape()), gk(k.shape()), gv(v.shape());
    B::causal_attention_back(shape, s, q.data(), k.data(), v.data(), first.data(), last.data(), out.data(), log_sum.data(), dout.data(),
                             gq.data(), gk.data(), gv.data());
    dq.add(std::move(gq));
    dk.add(std::move(gk));
    dv.add(std::move(gv));
  });
}

// The attention of the Llama family: rotary positions on queries and keys, softmax weights, scale 1/√D. Without the table it is that of
// GPT-2, whose positions are added to the embeddings.
struct Causal {
  struct Config {
    Index context = 0;   // positions in the rotary table
    bool rotates = true;
    double rotary_base = 10000;
    RotaryLayout rotary_layout = RotaryLayout::halves;
    RotaryScaling rotary_scaling = {};
  };

  template <class B>
  struct On {
    RotaryTable<B> table;
    RotaryLayout layout = RotaryLayout::halves;

    On() = default;
    On(const Config& config, Index head_size)
        : layout(config.rotary_layout) {
      if (config.rotates) table = RotaryTable<B>(config.context, head_size, config.rotary_base, config.rotary_scaling);
    }

    Tensor<B> positions(const Tensor<B>& x, Index start) const { return table.cosine ? rotary(x, table, layout, start) : x; }
    Tensor<B> operator()(const Tensor<B>& q, const Tensor<B>& k, const Tensor<B>& v, const Flow<B>& flow) const {
      return causal_attention(q, k, v, 1 / std::sqrt(static_cast<double>(q.shape()[3])), flow.first, flow.last);
    }

    using Backend = B;
    static void visit(auto&, auto&&) {}
  };
};

}  // namespace cmoe
