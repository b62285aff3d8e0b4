// Distillation: what a model says now, held to what another one (or an earlier self) says of the same items.
#pragma once

#include "cmoe/ops/arithmetic.hpp"
#include "cmoe/ops/loss.hpp"
#include "cmoe/ops/softmax.hpp"

namespace cmoe {

// T² · mean over the labelled positions of KL(softmax(old/T) ‖ softmax(new/T))                          arXiv 1503.02531, 1606.09282
// old, fresh (...,V) logits of the same items, labels (rows): ignored ones take no part -> scalar
// The old distribution comes first: what the old model held likely must stay likely. T² keeps the gradient's size when T grows.
// gradient: to the fresh logits only, T (softmax(new/T) − softmax(old/T)) / count
// throws Error if the shapes differ or the temperature is not positive
template <class B>
Tensor<B> distillation_loss(const Tensor<B>& old, const Tensor<B>& fresh, const Ids<B>& labels, double temperature) {
  using Real = typename B::Scalar;
  check(old.shape() == fresh.shape() && labels.size() == fresh.shape().rows(), "distillation: ", old.shape(), " to ", fresh.shape(),
        " with labels ", labels.shape());
  check(temperature > 0, ErrorKind::config, "distillation: the temperature ", temperature, " is not positive");
  const Index rows = fresh.shape().rows(), cols = fresh.shape().cols();
  std::vector<Real> marks;
  Index count = 0;
  for (Id label : labels.values()) {
    marks.push_back(label == ignored_label ? Real(0) : Real(1));
    count += label != ignored_label;
  }
  const Tensor<B> valid({rows}, std::span<const Real>(marks));
  const auto softened = [&](const Tensor<B>& logits) { return reshape(logits, {rows, cols}) * static_cast<Real>(1 / temperature); };
  const Tensor<B> before = softened(old.detach()), now = softened(fresh);
  const Tensor<B> p = softmax(before) * reshape(valid, {rows, 1});
  // KL = Σ_v p (log p − log q), log p = before − lse(before), log q = now − lse(now), Σ_v p = 1
  const Tensor<B> kl = sum(p * (before - now)) + sum((logsumexp(now) - logsumexp(before)) * valid);
  return kl * static_cast<Real>(temperature * temperature / static_cast<double>(std::max<Index>(count, 1)));
}

}  // namespace cmoe
