// Losses: cross-entropy, with labels that are ignored.
#pragma once

#include "cmoe/ops/reduce.hpp"

namespace cmoe {

inline constexpr Id ignored_label = -100;  // a position that is not trained on, as in PyTorch

// −log softmax(logits)[label] of every row, 0 where the label is ignored: logits (...,V), labels (rows) -> (rows)
// gradient: dlogits = (softmax − onehot) dloss, recomputed from the log-sum, probabilities are not kept; it
//   takes the logits' memory where nobody else holds them
// throws Error if a label is neither in 0..V-1 nor ignored
template <class B>
Tensor<B> cross_entropy_rows(const Tensor<B>& logits, const Ids<B>& labels) {
  const Index rows = logits.shape().rows(), cols = logits.shape().cols();
  check(labels.size() == rows, "cross_entropy: labels ", labels.shape(), " for logits ", logits.shape());
  check(B::ids_within(rows, labels.data(), cols, ignored_label), ErrorKind::index, "cross_entropy: a label is not in 0..", cols - 1);
  Array<B> loss({rows}), log_sum({rows});
  B::cross_entropy(rows, cols, logits.data(), labels.data(), ignored_label, loss.data(), log_sum.data());
  return Tape<B>::record(std::move(loss), {&logits},
                         [=, logits = logits.value(), dlogits = logits.slot()](const Array<B>& dloss) mutable {
    Array<B> gradient = logits.sole_owner() ? logits : Array<B>(logits.shape());  // over the logits, if nobody reads them any more
    B::cross_entropy_back(rows, cols, logits.data(), labels.data(), ignored_label, log_sum.data(), dloss.data(), gradient.data());
    dlogits.add(std::move(gradient));
  });
}

// The mean over the labels that are not ignored, a scalar; 0 if all are.
template <class B>
Tensor<B> cross_entropy(const Tensor<B>& logits, const Ids<B>& labels) {
  Index count = 0;
  for (Id label : labels.values()) count += label != ignored_label;
  using Real = typename B::Scalar;
  return affine(sum(cross_entropy_rows(logits, labels)), Real(1) / static_cast<Real>(std::max<Index>(count, 1)), 0);
}

}  // namespace cmoe
