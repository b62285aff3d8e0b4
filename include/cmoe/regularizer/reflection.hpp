// Attentive reflection: the attention on remembered inputs is pulled back to what it was.                       DAPT, arXiv 2401.08295
#pragma once

#include <cmath>

#include "cmoe/ops/arithmetic.hpp"
#include "cmoe/ops/reduce.hpp"
#include "cmoe/ops/softmax.hpp"

namespace cmoe {

// mean over rows of KL(target ‖ softmax(logits)); entries with target 0 contribute 0.            logits, target (n,E) -> scalar
// gradient in the logits: (softmax − target) / n, so new tasks lose their weight on old inputs
// throws Error if the shapes differ or a target is not a distribution
template <class B>
Tensor<B> reflection_loss(const Tensor<B>& logits, const Tensor<B>& target) {
  using Real = typename B::Scalar;
  check(logits.shape().rank() == 2 && target.shape() == logits.shape() && logits.size() > 0, "reflection_loss: targets ", target.shape(),
        " for logits ", logits.shape());
  const Index n = logits.shape()[0], experts = logits.shape()[1];
  const auto p = target.values();
  double negative_entropy = 0;
  for (Index i = 0; i < n; ++i) {
    double mass = 0;
    for (Index e = 0; e < experts; ++e) {
      const auto value = static_cast<double>(p[static_cast<std::size_t>(i * experts + e)]);
      check(value >= 0, ErrorKind::numeric, "reflection_loss: a target of ", value);
      if (value > 0) negative_entropy += value * std::log(value);
      mass += value;
    }
    check(std::abs(mass - 1) < 1e-3, ErrorKind::numeric, "reflection_loss: the targets of a row sum to ", mass);
  }
  const Tensor<B> cross = sum(logsumexp(logits)) - sum(logits * target.detach());
  return (cross + static_cast<Real>(negative_entropy)) * (Real(1) / static_cast<Real>(n));
}

}  // namespace cmoe
