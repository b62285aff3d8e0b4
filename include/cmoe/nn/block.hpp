// The pre-norm residual block: h + Mix(norm(h)), then h + Feed(norm(h)).
#pragma once

#include "cmoe/nn/norm.hpp"
#include "cmoe/nn/flow.hpp"
#include "cmoe/ops/arithmetic.hpp"

namespace cmoe {

// One layer of a decoder from any way of mixing tokens and any feed-forward layer.
template <class B, class Mix, class Feed>
struct ResidualBlock {
  Norm<B> mix_norm, feed_norm;
  Mix mix;
  Feed feed;

  Tensor<B> operator()(const Tensor<B>& x, const Flow<B>& flow) const {
    const Tensor<B> h = x + mix(mix_norm(x), flow);
    return h + feed(feed_norm(h), flow);
  }

  static void visit(auto& self, auto&& v) {
    v("mix_norm", self.mix_norm);
    v("mix", self.mix);
    v("feed_norm", self.feed_norm);
    v("feed", self.feed);
  }
};

}  // namespace cmoe
