// LoRA: low-rank deltas, one alone or a mixture with one for each task.                                arXiv 2106.09685
#pragma once

#include <cmath>
#include <optional>

#include "cmoe/ops/elementwise.hpp"
#include "cmoe/ops/layout.hpp"
#include "cmoe/pet/delta.hpp"

namespace cmoe {

// Blocks of columns scaled by one weight for each sequence: u (N,T,E·R), g (N,E) -> y, y[n,t,e,r] = g[n,e] u[n,t,e,r]; or for each
// token, g (N,T,E).
template <class B>
Tensor<B> scale_blocks(const Tensor<B>& u, const Tensor<B>& g) {
  const Shape &us = u.shape(), &gs = g.shape();
  if (gs.rank() == 3) {
    check(us.rank() == 3 && us[0] == gs[0] && us[1] == gs[1], "scale_blocks: gates ", gs, " for ", us);
    return reshape(scale_blocks(reshape(u, {us[0] * us[1], 1, us[2]}), reshape(g, {us[0] * us[1], gs[2]})), us);
  }
  check(us.rank() == 3 && gs.rank() == 2 && us[0] == gs[0] && gs[1] > 0 && us[2] % gs[1] == 0, "scale_blocks: gates ", gs, " for ", us);
  const Index n = us[0], t = us[1], e = gs[1], r = us[2] / gs[1];
  Array<B> y(us);
  B::scale_blocks(n, t, e, r, u.data(), g.data(), y.data());
  return Tape<B>::record(std::move(y), {&u, &g}, [=, u = u.value(), g = g.value(), du = u.slot(), dg = g.slot()](const Array<B>& dy) {
    if (du) {
      Array<B> gradient(u.shape());
      B::scale_blocks(n, t, e, r, dy.data(), g.data(), gradient.data());
      du.add(std::move(gradient));
    }
    if (dg) {
      Array<B> gradient(g.shape());
      B::dot_blocks(n, t, e, r, u.data(), dy.data(), gradient.data());
      dg.add(std::move(gradient));
    }
  });
}

// The low-rank block Δ(x) = s (x A) B with A (in,R) and B (R,out), s = α/R or, rank-stabilised, α/√R (arXiv 2312.03732). A starts uniform
// in ±1/√in, B at zero: a fresh block changes nothing.
struct LoRA {
  struct Config {
    Index rank = 4;
    double alpha = 8;
    bool stop_gradient_through_old = false;  // a mixture's gradient reaches the layers below through the newest block only
    bool rank_stabilised = false;

    double scale() const { return rank_stabilised ? alpha / std::sqrt(static_cast<double>(rank)) : alpha / static_cast<double>(rank); }
  };

  template <class B>
  struct Block {
    Param<B> a;  // (in,R)
    Param<B> b;  // (R,out)

    Block(Index in, Index out, const Config& config, const Rng& rng)
        : a(init::uniform<B>({in, config.rank}, 1 / std::sqrt(static_cast<double>(in)), rng.fork("a"))), b({config.rank, out}) {
      check(config.rank > 0, ErrorKind::config, "lora: the rank ", config.rank, " is not positive");
    }

    using Backend = B;
    static void visit(auto& self, auto&& v) {
      v("a", self.a);
      v("b", self.b);
    }
  };
};

// One block for all tasks; made by the first grow().
template <class Kind>
struct Single {
  using Config = typename Kind::Config;

  template <class B>
  struct On {
    std::optional<typename Kind::template Block<B>> block;
    double scale = 1;

    Tensor<B> add(const Tensor<B>& y, const Tensor<B>& x, const Flow<B>&) const {
      if (!block) return y;
      return y + matmul(matmul(x, block->a), block->b) * static_cast<typename B::Scalar>(scale);
    }

    void grow(Index in, Index out, const Config& config, const Rng& rng) {
      if (block) return;
      block.emplace(in, out, config, rng);
      scale = config.scale();
    }

    using Backend = B;
    static void visit(auto& self, auto&& v) { v("block", self.block); }
  };
};

// One block a task, mixed by the gates of the sequence: Σ_e g_e Δ_e(x). grow() appends a block; the gates may be fewer than the
// blocks (a block without a gate is not active yet) and then only the first count.
// computed as two products over the stacked ranks, s ((x [A_1 … A_E]) ∘ g) [B_1; …; B_E], the newest apart from the old: these are
// frozen as a rule, and then no gradient of their weights is computed
template <class Kind>
struct Mixture {
  using Config = typename Kind::Config;

  template <class B>
  struct On {
    std::vector<typename Kind::template Block<B>> blocks;
    double scale = 1;
    bool stop_old = false;

    Tensor<B> add(const Tensor<B>& y, const Tensor<B>& x, const Flow<B>& flow) const {
      if (blocks.empty() || !flow.gates) return y;
      const auto active = static_cast<std::size_t>(flow.gates.shape().cols());
      check(active <= blocks.size(), ErrorKind::misuse, "mixture: ", active, " gates for ", blocks.size(), " experts");
      const Tensor<B> newest = y + stacked(x, flow.gates, active - 1, active);
      return active == 1 ? newest : newest + stacked(stop_old ? x.detach() : x, flow.gates, 0, active - 1);
    }

    void grow(Index in, Index out, const Config& config, const Rng& rng) {
      blocks.emplace_back(in, out, config, rng.fork(static_cast<std::uint64_t>(blocks.size())));
      stop_old = config.stop_gradient_through_old;
      scale = config.scale();
    }

    using Backend = B;
    static void visit(auto& self, auto&& v) { v("experts", self.blocks); }

   private:
    // s ((x [A_first …]) ∘ g) [B_first; …] of the blocks first .. last-1
    Tensor<B> stacked(const Tensor<B>& x, const Tensor<B>& gates, std::size_t first, std::size_t last) const {
      std::vector<Tensor<B>> a, b;
      for (std::size_t e = first; e < last; ++e) {
        a.push_back(blocks[e].a);
        b.push_back(blocks[e].b);
      }
      const bool alone = a.size() == 1, all = alone && gates.shape().cols() == 1;
      const Tensor<B> g = all ? gates : slice_columns(gates, static_cast<Index>(first), static_cast<Index>(last));
      const Tensor<B> u = matmul(x, alone ? a[0] : concat_columns(a));  // (N,T,E·R)
      return matmul(scale_blocks(u, g * static_cast<typename B::Scalar>(scale)), alone ? b[0] : concat_rows(b));
    }
  };
};

}  // namespace cmoe
