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
// valid as above
template <class B>
Tensor<B> switch_loss(const Routing<B>& routing, double z_weight = 0.1, const Tensor<B>& valid = {}) {
  using Real = typename B::Scalar;
  const Index n = routing.probabilities.shape()[0], experts = routing.probabilities.shape()[1], k = routing.chosen.shape()[1];
  check(!valid || valid.size() == n, "switch_loss: ", valid.size(), " marks for ", n, " tokens");
  const std::vector<Real> marks = valid ? valid.values() : std::vector<Real>(static_cast<std::size_t>(n), 1);
  Real count = 0;
  for (Real mark : marks) count += mark;
  check(count > 0, ErrorKind::misuse, "switch_loss: no token counts");
  const std::vector<Id> chosen = routing.chosen.values();
  std::vector<Real> share(static_cast<std::size_t>(experts), 0);
  for (std::size_t i = 0; i < chosen.size(); ++i)
    share[static_cast<std::size_t>(chosen[i])] += marks[i / static_cast<std::size_t>(k)] / (count * static_cast<Real>(k));
  const Tensor<B> load({experts}, std::span<const Real>(share));
  const auto kept = [&](const Tensor<B>& x, const Shape& shape) { return valid ? x * reshape(valid, shape) : x; };
  const Tensor<B> balance = sum(sum_rows(kept(routing.probabilities, {n, 1})) * load) * (static_cast<Real>(experts) / count);
  if (z_weight == 0) return balance;
  return balance + sum(kept(square(logsumexp(routing.logits)), {n})) * (static_cast<Real>(z_weight) / count);
}

}  // namespace cmoe
