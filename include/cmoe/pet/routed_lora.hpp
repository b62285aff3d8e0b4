// Routed LoRA: several low-rank experts on one linear map, mixed anew for every token by a router of the map's own.
#pragma once

#include <string>

#include "cmoe/ops/reduce.hpp"
#include "cmoe/ops/softmax.hpp"
#include "cmoe/pet/lora.hpp"

namespace cmoe {

// Δ(x) = (α/R) Σ_e p_e(x) (x A_e) B_e,   p = softmax(x W_g)                                    MoE-LoRA as in LoRAMoE, arXiv 2312.09979
// One set of experts for all tasks, made by the first grow(). W_g starts at zero: all experts weigh the same, and a fresh delta changes
// nothing. If the flow asks for auxiliary terms, each map adds the variance of the experts' mean weights over their squared mean,
//     E Σ_e P_e² − 1,  P = mean over the sequences of the mean over their tokens:  0 when the experts share the tokens evenly
struct RoutedLoRA {
  struct Config {
    Index experts = 4;
    LoRA::Config expert = {.rank = 2, .alpha = 16};
  };

  template <class B>
  struct On {
    std::vector<LoRA::Block<B>> experts;
    Param<B> router;  // (in,E)
    double scale = 1;

    Tensor<B> add(const Tensor<B>& y, const Tensor<B>& x, const Flow<B>& flow) const {
      if (experts.empty()) return y;
      const Tensor<B> p = softmax(matmul(x, router));  // (N,T,E)
      if (flow.auxiliary) flow.auxiliary->push_back(imbalance(p, flow));
      std::vector<Tensor<B>> a, b;
      for (const LoRA::Block<B>& expert : experts) {
        a.push_back(expert.a);
        b.push_back(expert.b);
      }
      const Tensor<B> u = matmul(x, concat_columns(a));  // (N,T,E·R)
      return y + matmul(scale_blocks(u, p), concat_rows(b)) * static_cast<typename B::Scalar>(scale);
    }

    void grow(Index in, Index out, const Config& config, const Rng& rng) {
      if (!experts.empty()) return;
      check(config.experts > 0, ErrorKind::config, "routed lora: ", config.experts, " experts");
      for (Index e = 0; e < config.experts; ++e) experts.emplace_back(in, out, config.expert, rng.fork(static_cast<std::uint64_t>(e)));
      router = Param<B>({in, config.experts});
      scale = config.expert.scale();
    }

    // p (N,T,E) -> scalar; padding takes no part
    static Tensor<B> imbalance(const Tensor<B>& p, const Flow<B>& flow) {
      const Index n = p.shape()[0], t = p.shape()[1], e = p.shape()[2];
      const std::vector<Id> zeros(static_cast<std::size_t>(n), 0), ends(static_cast<std::size_t>(n), static_cast<Id>(t));
      const Tensor<B> each = mean_of_range(p, flow.first ? flow.first : Ids<B>({n}, zeros), flow.last ? flow.last : Ids<B>({n}, ends));  // (N,E)
      const Tensor<B> share = sum_rows(each) * (typename B::Scalar(1) / static_cast<typename B::Scalar>(n));
      return affine(sum(square(share)), static_cast<typename B::Scalar>(e), -1);
    }

    using Backend = B;
    static void visit(auto& self, auto&& v) {
      v("experts", self.experts);
      v("router", self.router);
    }
  };
};

}  // namespace cmoe
