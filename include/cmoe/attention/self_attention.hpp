// Self-attention over any kind of attention and any linear map.
#pragma once

#include "cmoe/attention/attention.hpp"
#include "cmoe/nn/linear.hpp"
#include "cmoe/nn/norm.hpp"
#include "cmoe/ops/layout.hpp"

namespace cmoe {

namespace detail {

// Keys and values of this call, with those of earlier calls in front if there is a cache; a cache records no gradient.
template <class B>
std::pair<Tensor<B>, Tensor<B>> with_cached(const Tensor<B>& k, const Tensor<B>& v, const Flow<B>& flow) {
  if (!flow.cache) return {k, v};
  check(!k.wants_gradient() && !v.wants_gradient(), ErrorKind::misuse, "kv cache: used while a tape records; generate outside of tapes");
  auto [keys, values] = flow.cache->append(k.value(), v.value());
  return {Tensor<B>(std::move(keys)), Tensor<B>(std::move(values))};
}

}  // namespace detail

// x (N,T,C) -> (N,T,C) with H query heads and Hkv groups of keys and values.             grouped heads: arXiv 2305.13245
template <class B, class Kind, class Map = Linear<B>>
struct SelfAttention {
  Map query, key, value, output;
  RmsNorm<B> query_norm, key_norm;  // over each head, before the positions; empty: none
  typename Kind::template On<B> kind;
  Index heads = 1, kv_heads = 1, head_size = 1;

  static_assert(Attention<typename Kind::template On<B>, B>);

  Tensor<B> operator()(const Tensor<B>& x, const Flow<B>& flow) const {
    const Index n = x.shape()[0], t = x.shape()[1], start = flow.cache ? flow.cache->length() : 0;
    const auto split = [&](const Tensor<B>& y, Index count) { return reshape(y, {n, t, count, head_size}); };
    const auto normed = [](const RmsNorm<B>& norm, const Tensor<B>& y) { return norm.weight ? norm(y) : y; };
    const Tensor<B> q = kind.positions(normed(query_norm, split(query(x, flow), heads)), start);  // (N,T,H,D)
    const Tensor<B> k = kind.positions(normed(key_norm, split(key(x, flow), kv_heads)), start);   // (N,T,Hkv,D)
    const auto [keys, values] = detail::with_cached(k, split(value(x, flow), kv_heads), flow);  // (N,S,Hkv,D)
    return output(reshape(kind(q, keys, values, flow), {n, t, heads * head_size}), flow);
  }

  static void visit(auto& self, auto&& v) {
    v("query", self.query);
    v("key", self.key);
    v("value", self.value);
    v("output", self.output);
    v("query_norm", self.query_norm);
    v("key_norm", self.key_norm);
    v("kind", self.kind);
  }
};

}  // namespace cmoe
