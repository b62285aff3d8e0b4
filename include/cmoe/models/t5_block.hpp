// A layer of T5's encoder or decoder, over any linear map.                                                      arXiv 1910.10683
#pragma once

#include "cmoe/attention/biased_attention.hpp"
#include "cmoe/attention/relative_bias.hpp"
#include "cmoe/nn/mlp.hpp"

namespace cmoe {

// Attention of x (N,T,C) to `from` (N,S,C), itself or another sequence, without a scale; the bias is the layer's caller's.
template <class B, class Map>
struct BiasedAttention {
  Map query, key, value, output;
  Index heads = 1, head_size = 1;

  // flow.last (N) bounds the keys. With a cache keys and values are put behind those it has; an empty `from` adds none.
  Tensor<B> operator()(const Tensor<B>& x, const Tensor<B>& from, const Tensor<B>& bias, const Flow<B>& flow) const {
    const Index n = x.shape()[0], t = x.shape()[1];
    const Tensor<B> q = reshape(query(x, flow), {n, t, heads, head_size});
    const auto [k, v] = keys_and_values(from, flow);  // (N,S,H,D)
    return output(reshape(biased_attention(q, k, v, bias, 1, flow.first, flow.last), {n, t, heads * head_size}), flow);
  }

  static void visit(auto& self, auto&& v) {
    v("query", self.query);
    v("key", self.key);
    v("value", self.value);
    v("output", self.output);
  }

 private:
  std::pair<Tensor<B>, Tensor<B>> keys_and_values(const Tensor<B>& from, const Flow<B>& flow) const {
    if (!from) {
      auto [keys, values] = flow.cache->kept();
      return {Tensor<B>(std::move(keys)), Tensor<B>(std::move(values))};
    }
    const Shape split = {from.shape()[0], from.shape()[1], heads, head_size};
    return detail::with_cached(reshape(key(from, flow), split), reshape(value(from, flow), split), flow);
  }
};

// h = x + Self(norm x);  in a decoder h = h + Cross(norm h, memory);  h + Feed(norm h). The norms are RMS norms.
template <class B, class Map>
struct T5Block {
  RmsNorm<B> mix_norm, cross_norm, feed_norm;
  BiasedAttention<B, Map> mix, cross;  // an encoder has no cross
  FeedForward<B, Map> feed;

  // flow.last (N): where padding begins.
  Tensor<B> encode(const Tensor<B>& x, const Tensor<B>& bias, const Flow<B>& flow) const {
    const Tensor<B> normed = mix_norm(x), h = x + mix(normed, normed, bias, flow);
    return h + feed(feed_norm(h), flow);
  }

  // memory (N,S,C) whose padding begins at flow.last. The caches may be null; a cache that has the memory's keys needs no memory.
  Tensor<B> decode(const Tensor<B>& x, const Tensor<B>& memory, const Tensor<B>& bias, const Flow<B>& flow, KvCache<B>* own,
                   KvCache<B>* crossed) const {
    Flow<B> inner = flow, outer = flow;
    inner.last = {};
    inner.cache = own;
    outer.cache = crossed;
    const Tensor<B> normed = mix_norm(x);
    Tensor<B> h = x + mix(normed, normed, bias, inner);
    h = h + cross(cross_norm(h), crossed && crossed->length() > 0 ? Tensor<B>() : memory, {}, outer);
    return h + feed(feed_norm(h), flow);
  }

  static void visit(auto& self, auto&& v) {
    v("mix_norm", self.mix_norm);
    v("mix", self.mix);
    v("cross_norm", self.cross_norm);
    v("cross", self.cross);
    v("feed_norm", self.feed_norm);
    v("feed", self.feed);
  }
};

}  // namespace cmoe
