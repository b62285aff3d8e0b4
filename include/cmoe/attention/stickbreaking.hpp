// Stick-breaking as a kind of attention: what becomes of the rest, the norm of heads, and the weights to look at.    arXiv 2306.04640
#pragma once

#include "cmoe/attention/early_exit.hpp"
#include "cmoe/nn/param.hpp"
#include "cmoe/ops/index.hpp"
#include "cmoe/ops/norm.hpp"

namespace cmoe {

// The weights A themselves, (N,H,T,S): for figures and tests, the attention never stores them. Keys outside first..last get 0.
// cost: as attention with values of size S
template <class B>
Tensor<B> stickbreaking_weights(const Tensor<B>& q, const Tensor<B>& k, double scale, bool attend_current = true, const Ids<B>& first = {},
                                const Ids<B>& last = {}) {
  const Shape &qs = q.shape(), &ks = k.shape();
  check(qs.rank() == 4 && ks.rank() == 4, "stickbreaking_weights: queries ", qs, ", keys ", ks);
  const Index n = ks[0], s = ks[1], h = ks[2], d = ks[3], wide = std::max(s, d);
  const auto widened = [&](const Tensor<B>& x) {
    return concat_columns(std::vector<Tensor<B>>{x, Tensor<B>(x.shape().with(-1, wide - d), 0)});
  };
  Tensor<B> unit({n, s, h, wide}, 0);  // with unit vectors as values the output is the row of weights
  for (Index i = 0; i < n * s * h; ++i) B::fill(1, typename B::Scalar(1), unit.data() + i * wide + i / h % s);
  const Tensor<B> out = stickbreaking_attention(widened(q), widened(k), unit, scale, attend_current, first, last).out;
  return swap_axes(slice_columns(out, 0, s), 1);
}

// What becomes of the rest of the stick.
enum class Leftover {
  discard,   // nothing: rows sum to less than 1, the output shrinks             ModuleFormer, released code
  itself,    // the token's own value gets it: + rest_i v_i                      arXiv 2410.17980
  head_bias  // a learned vector of each head gets it: + rest_i b_h, b starts at 0    as in later code
};

// Attention without any position encoding: the order comes from the walk.
struct StickBreaking {
  struct Config {
    bool attend_current = true;
    Leftover leftover = Leftover::discard;
    bool head_norm = false;  // every head's output normalised to mean 0 and variance 1, then scaled and shifted
    double early_exit = 0;   // in generation the walk ends when less than this is left of every stick; 0: never
  };

  template <class B>
  struct On {
    Config config;
    Param<B> bias;              // (H,D) of head_bias
    Param<B> gain, shift;       // (H,D) of head_norm

    On() = default;
    On(const Config& c, Index head_size, Index heads = 1) : config(c) {
      check(c.early_exit >= 0 && c.early_exit < 1, ErrorKind::config, "stick-breaking: early_exit ", c.early_exit, " is not in [0,1)");
      if (c.leftover == Leftover::head_bias) bias = Param<B>({heads, head_size});
      if (!c.head_norm) return;
      gain = Param<B>({heads, head_size}, 1);
      shift = Param<B>({heads, head_size});
    }

    Tensor<B> positions(const Tensor<B>& x, Index) const { return x; }

    // Query heads that share a key head share its bias and its norm.
    Tensor<B> operator()(const Tensor<B>& q, const Tensor<B>& k, const Tensor<B>& v, const Flow<B>& flow) const {
      const double scale = 1 / std::sqrt(static_cast<double>(q.shape()[3]));
      StickBreak<B> walk;
      if (config.early_exit > 0 && flow.cache && q.shape()[1] == 1 && !flow.first && !flow.last)
        walk = stickbreaking_early_exit(q, k, v, scale, config.early_exit, config.attend_current).walk;
      else
        walk = stickbreaking_attention(q, k, v, scale, config.attend_current, flow.first, flow.last);
      Tensor<B> out = walk.out;
      if (config.leftover == Leftover::itself) out = out + own_value(walk.rest, v, q.shape()[1]);
      if (bias) out = out + (Tensor<B>(out.shape(), 0) + reshape(walk.rest, out.shape().with(-1, 1))) * for_query_heads(bias, out);
      if (!gain) return out;
      const Index d = out.shape()[3];
      return layer_norm(out, Tensor<B>(Shape{d}, 1), Tensor<B>(Shape{d}, 0)) * for_query_heads(gain, out) + for_query_heads(shift, out);
    }

    using Backend = B;
    static void visit(auto& self, auto&& v) {
      v("bias", self.bias);
      v("gain", self.gain);
      v("shift", self.shift);
    }

   private:
    // rest_i v_i: rest (N,T,H), v (N,S,Hkv,D) whose last T tokens are the queries' own -> (N,T,H,D)
    static Tensor<B> own_value(const Tensor<B>& rest, const Tensor<B>& v, Index t) {
      const Index n = v.shape()[0], s = v.shape()[1], h = v.shape()[2], d = v.shape()[3], group = rest.shape()[2] / h;
      const Tensor<B> own = slice_columns(reshape(v, {n, s * h * d}), (s - t) * h * d, s * h * d);
      return reshape(matmul_batched(reshape(rest, {n * t * h, group, 1}), reshape(own, {n * t * h, 1, d})), {n, t, h * group, d});
    }
    // (H,D) -> a row for each query head
    static Tensor<B> for_query_heads(const Tensor<B>& x, const Tensor<B>& out) {
      const Index heads = out.shape()[2], group = heads / x.shape()[0];
      if (group == 1) return x;
      std::vector<Id> ids;
      for (Index h = 0; h < heads; ++h) ids.push_back(static_cast<Id>(h / group));
      return gather_rows(x, Ids<B>({heads}, ids));
    }
  };
};

}  // namespace cmoe
