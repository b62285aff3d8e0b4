// Losses on routing: they are returned, never kept in a list somewhere.
#pragma once

#include "cmoe/moe/router.hpp"
#include "cmoe/ops/arithmetic.hpp"
#include "cmoe/ops/reduce.hpp"

namespace cmoe {

namespace detail {

// Which tokens count: marks (n) of 1 and 0, empty when all do.
template <class B>
struct Counted {
  Tensor<B> marks;
  typename B::Scalar count = 0;

  Counted(const char* loss, Index n, const Tensor<B>& valid) : marks(valid), count(static_cast<typename B::Scalar>(n)) {
    check(!valid || valid.size() == n, loss, ": ", valid ? valid.size() : 0, " marks for ", n, " tokens");
    if (valid) count = sum(valid.detach()).item();
    check(count > 0, ErrorKind::misuse, loss, ": no token counts");
  }
  // The mean over the tokens that count: (n,C) -> (C)
  Tensor<B> mean_rows(const Tensor<B>& x) const {
    return sum_rows(marks ? x * reshape(marks, {x.shape()[0], 1}) : x) / count;
  }
  // (n) -> scalar
  Tensor<B> mean(const Tensor<B>& x) const { return sum(marks ? x * reshape(marks, x.shape()) : x) / count; }
};

// Σ x log x, where 0 log 0 = 0                                                          ours: by log(x + 1e-30)
template <class B>
Tensor<B> x_log_x(const Tensor<B>& x) {
  return x * log(x + typename B::Scalar(1e-30));
}

}  // namespace detail

// −I(expert; token) = mean_x H(p(·|x)) − H(mean_x p(·|x)), in [−log E, 0].                      ModuleFormer, arXiv 2306.04640
// p (n,E) rows of probabilities; valid (n) 1 for the tokens that count and 0 for padding, empty: all count.
// Low when each token is sure and the experts share the tokens. Cannot tell collapse from uniform routing: both give 0.
// throws Error if the marks do not fit or no token counts
template <class B>
Tensor<B> mutual_information_loss(const Tensor<B>& p, const Tensor<B>& valid = {}) {
  check(p.shape().rank() == 2, "mutual_information_loss: probabilities ", p.shape());
  const detail::Counted<B> counted("mutual_information_loss", p.shape()[0], valid);
  return sum(detail::x_log_x(counted.mean_rows(p))) - sum(counted.mean_rows(detail::x_log_x(p)));
}

// Experimental: the entropy of the mean probabilities, −Σ_e P_e log P_e in [0, log E]. Low when few experts have all the load, so
// that the others can be pruned.        ours: the paper names load concentration, its formula could not be confirmed
// gradient: dL/dz_xe = −(1/n) p_xe (log P_e − Σ_e' p_xe' log P_e');  p, valid and errors as above
template <class B>
Tensor<B> concentration_loss(const Tensor<B>& p, const Tensor<B>& valid = {}) {
  check(p.shape().rank() == 2, "concentration_loss: probabilities ", p.shape());
  return -sum(detail::x_log_x(detail::Counted<B>("concentration_loss", p.shape()[0], valid).mean_rows(p)));
}

// mean_x (log Σ_e exp z_e)², which keeps the logits (n,E) small.                                 ST-MoE, arXiv 2202.08906
template <class B>
Tensor<B> z_loss(const Tensor<B>& logits, const Tensor<B>& valid = {}) {
  check(logits.shape().rank() == 2, "z_loss: logits ", logits.shape());
  return detail::Counted<B>("z_loss", logits.shape()[0], valid).mean(square(logsumexp(logits)));
}

// E Σ_e P_e F_e with P the mean probabilities and F the shares of the chosen: 1 when balanced.   Switch, arXiv 2101.03961
// plus z_weight times the z loss. F carries no gradient. valid as above
template <class B>
Tensor<B> switch_loss(const Routing<B>& routing, double z_weight = 0.1, const Tensor<B>& valid = {}) {
  using Real = typename B::Scalar;
  const Index n = routing.probabilities.shape()[0], experts = routing.probabilities.shape()[1], k = routing.chosen.shape()[1];
  const detail::Counted<B> counted("switch_loss", n, valid);
  const std::vector<Real> marks = valid ? valid.values() : std::vector<Real>(static_cast<std::size_t>(n), 1);
  const std::vector<Id> chosen = routing.chosen.values();
  std::vector<Real> share(static_cast<std::size_t>(experts), 0);
  for (std::size_t i = 0; i < chosen.size(); ++i)
    share[static_cast<std::size_t>(chosen[i])] += marks[i / static_cast<std::size_t>(k)] / (counted.count * static_cast<Real>(k));
  const Tensor<B> load({experts}, std::span<const Real>(share));
  const Tensor<B> balance = sum(counted.mean_rows(routing.probabilities) * load) * static_cast<Real>(experts);
  return z_weight == 0 ? balance : balance + z_loss(routing.logits, valid) * static_cast<Real>(z_weight);
}

}  // namespace cmoe
