// Cosine keys: trained vectors that are compared with a query by direction alone.
#pragma once

#include "cmoe/moe/gate.hpp"

namespace cmoe {

// s_j = cos(z, key_j),  z = (q − mean) / deviation                                              L2P, arXiv 2112.08654
// A fixed number of keys for all tasks, made by the first grow(), drawn normal. The scores are the gate's weights: they choose.
// ours: mean and deviation of each dimension over the first task's prompts, set once by the learner and never trained. Pooled embeddings
// share a large constant part; without it all prompts look alike and choose the same keys. At 0 and 1 (fresh) z = q, as in the paper.
struct CosineKeys {
  struct Config {
    Index keys = 10;
  };

  template <class B>
  struct On {
    Param<B> key;              // (keys,C)
    Param<B> mean, deviation;  // (C)
    Index width = 0, active = 0;
    Config config;

    On() = default;
    explicit On(Index query_width) : On(query_width, Config{}) {}
    On(Index query_width, const Config& c, const Rng& = Rng(0)) : width(query_width), config(c) {
      check(c.keys > 0, ErrorKind::config, "cosine keys: ", c.keys, " keys");
    }

    Index experts() const { return key ? key.shape()[0] : 0; }

    void grow(const Rng& rng = Rng(0)) {
      if (key) return;
      key = init::normal<B>({config.keys, width}, 1, rng.fork("keys"));
      mean = Param<B>({width}, 0);
      deviation = Param<B>({width}, 1);
      mean.freeze();
      deviation.freeze();
      active = config.keys;
    }

    Tensor<B> scores(const Tensor<B>& query) const {  // (N,C) -> (N,keys), in [-1,1]
      check(static_cast<bool>(key), ErrorKind::misuse, "cosine keys: there are none yet");
      const auto unit = [](const Tensor<B>& x) { return rms_norm(x, 1e-12); };  // of length √C
      return matmul_transposed(unit((query - mean) / deviation), unit(key)) * (typename B::Scalar(1) / static_cast<typename B::Scalar>(width));
    }
    Tensor<B> weights(const Tensor<B>& query) const { return scores(query); }

    using Backend = B;
    static void visit(auto& self, auto&& v) {
      v("key", self.key);
      v("mean", self.mean);
      v("deviation", self.deviation);
    }
  };
};

}  // namespace cmoe
