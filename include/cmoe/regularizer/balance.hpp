// Losses on routing: they are returned, never kept in a list somewhere.
#pragma once

#include "cmoe/moe/router.hpp"
#include "cmoe/ops/arithmetic.hpp"
#include "cmoe/ops/reduce.hpp"

namespace cmoe {

// −I(expert; token) = mean_x H(p(·|x)) − H(mean_x p(·|x)), in [−log E, 0].                      ModuleFormer, arXiv 2306.04640
// p (n,E) rows of probabilities; valid (n) 1 for the tokens that count and 0 for padding, empty: all count.
// Low when each token is sure and the experts share the tokens. Cannot tell collapse from uniform routing: both give 0.
// ours: entries p = 0 contribute 0, by log(p + 1e-30)
template <class B>
Tensor<B> mutual_information_loss(const Tensor<B>& p, const Tensor<B>& valid = {}) {
  using Real = typename B::Scalar;
  const auto xlogx = [](const Tensor<B>& x) { return x * log(x + Real(1e-30)); };
  const Index n = p.shape()[0];
  check(p.shape().rank() == 2 && n > 0, "mutual_information_loss: probabilities ", p.shape());
  Real count = static_cast<Real>(n);
  Tensor<B> kept = p, negative_entropy = xlogx(p);
  if (valid) {
    check(valid.size() == n, "mutual_information_loss: ", valid.size(), " marks for ", n, " tokens");
    count = sum(valid.detach()).item();
    check(count > 0, ErrorKind::misuse, "mutual_information_loss: no token counts");
    const Tensor<B> column = reshape(valid, {n, 1});
    kept = kept * column;
    negative_entropy = negative_entropy * column;
  }
  const Tensor<B> mean = sum_rows(kept) / count;  // (E)
  return sum(xlogx(mean)) - sum(negative_entropy) / count;
}

// E Σ_e P_e F_e with P the mean probabilities and F the shares of the chosen: 1 when balanced.   Switch, arXiv 2101.03961
// plus z_weight · mean_x (log Σ_e exp z_e)², which keeps the logits small (ST-MoE, arXiv 2202.08906). F carries no gradient.
template <class B>
Tensor<B> switch_loss(const Routing<B>& routing, double z_weight = 0.1) {
  using Real = typename B::Scalar;
  const Index n = routing.probabilities.shape()[0], experts = routing.probabilities.shape()[1];
  check(n > 0, "switch_loss: no tokens");
  std::vector<Real> share(static_cast<std::size_t>(experts), 0);
  for (Id e : routing.chosen.values()) share[static_cast<std::size_t>(e)] += Real(1) / static_cast<Real>(routing.chosen.size());
  const Tensor<B> load({experts}, std::span<const Real>(share));
  const Tensor<B> balance = sum(sum_rows(routing.probabilities) * load) * (static_cast<Real>(experts) / static_cast<Real>(n));
  if (z_weight == 0) return balance;
  return balance + mean(square(logsumexp(routing.logits))) * static_cast<Real>(z_weight);
}

}  // namespace cmoe
