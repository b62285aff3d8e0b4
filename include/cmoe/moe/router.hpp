// Token routers: which k of E experts each token uses, and with which weights.
#pragma once

#include <concepts>

#include "cmoe/nn/linear.hpp"
#include "cmoe/ops/index.hpp"
#include "cmoe/ops/layout.hpp"
#include "cmoe/ops/softmax.hpp"

namespace cmoe {

// One routing decision for n tokens. The arithmetic is done in at least float32.
template <class B>
struct Routing {
  Tensor<B> logits;         // (n,E)
  Tensor<B> probabilities;  // (n,E) softmax over all experts
  Tensor<B> weights;        // (n,k) the probabilities of the chosen, not renormalised
  Ids<B> chosen;            // (n,k) largest first
};

template <class R, class B>
concept Router = requires(const typename R::template On<B>& router, const Tensor<B>& x) {
  { router(x) } -> std::same_as<Routing<B>>;
};

namespace detail {
template <class B>
Routing<B> choose(const Tensor<B>& logits, Index k) {
  const Tensor<B> p = softmax(logits);
  auto [weights, chosen] = top_k(p, k);
  return {logits, p, std::move(weights), std::move(chosen)};
}
}  // namespace detail

// p = softmax(φ(x)) over all E experts; the k largest are used with their raw p.      ModuleFormer, arXiv 2306.04640, released code
// The rows of the output layer stand in slabs: the first for the experts the model began with, one more for each insertion, so
// that old rows can be frozen while new ones learn. Trunk: φ(x) = GELU(x W₁ + b₁) W₂, or φ(x) = x W₂ when gating_size is 0.
struct TopK {
  struct Config {
    Index experts = 8;
    Index chosen = 2;       // k
    Index gating_size = 0;  // width of the trunk; 0: no trunk
  };

  template <class B>
  struct On {
    Linear<B> trunk;               // (C,g) or empty
    std::vector<Param<B>> rows;    // slabs of (E_i, g or C)
    Index chosen = 1;

    On() = default;
    On(Index width, const Config& config, const Rng& rng) : chosen(config.chosen) {
      check(config.experts > 0, ErrorKind::config, "router: ", config.experts, " experts");
      check(config.chosen >= 1 && config.chosen <= config.experts, ErrorKind::config, "router: top-", config.chosen, " of ",
            config.experts, " experts");
      if (config.gating_size > 0) trunk = Linear<B>(width, config.gating_size, rng.fork("trunk"), true);
      const Index inner = config.gating_size > 0 ? config.gating_size : width;
      rows.push_back(init::normal<B>({config.experts, inner}, 0.02, rng.fork("rows")));
    }

    Index experts() const {
      Index total = 0;
      for (const Param<B>& slab : rows) total += slab.shape()[0];
      return total;
    }

    // Appends rows for new experts; those of the old ones do not change, their probabilities shrink by what the new ones take.
    void insert(Index count, const Rng& rng) {
      rows.push_back(init::normal<B>({count, rows[0].shape()[1]}, 0.02, rng.fork("rows").fork(static_cast<std::uint64_t>(rows.size()))));
    }

    // Appends copies of rows that are there, a little disturbed so that a copy and its source part.
    void insert_copies(const std::vector<Index>& sources, const Rng& rng) {
      const Index inner = rows[0].shape()[1];
      Param<B> slab = init::normal<B>({static_cast<Index>(sources.size()), inner}, 0.02, rng.fork("rows"));
      std::vector<Tensor<B>> slabs(rows.begin(), rows.end());
      const Array<B> from = concat_rows(slabs).value();
      for (std::size_t i = 0; i < sources.size(); ++i)
        B::axpy(inner, typename B::Scalar(1), from.data() + sources[i] * inner, slab.data() + static_cast<Index>(i) * inner);
      rows.push_back(std::move(slab));
    }

    // x (n,C)
    Routing<B> operator()(const Tensor<B>& x) const {
      const Tensor<B> inner = trunk.weight ? gelu(trunk(x)) : x;
      std::vector<Tensor<B>> slabs(rows.begin(), rows.end());
      return detail::choose(matmul_transposed(inner, slabs.size() == 1 ? slabs[0] : concat_rows(slabs)), chosen);
    }

    static void visit(auto& self, auto&& v) {
      if (self.trunk.weight) v("trunk", self.trunk);
      v("rows", self.rows);
    }
  };
};

}  // namespace cmoe
