// Keeping a router's old decisions without old data.                                                        SETA's revision, arXiv 2606.07500
#pragma once

#include "cmoe/ops/arithmetic.hpp"
#include "cmoe/ops/layout.hpp"
#include "cmoe/ops/matmul.hpp"
#include "cmoe/ops/reduce.hpp"

namespace cmoe {

// ½ tr(ΔW Σ ΔWᵀ), ΔW the change of the first rows of a router's weight: half the mean squared change of old logits on old features.
// weight (E,C), before (k,C) with k <= E, second_moment (C,C) = E[q qᵀ] over past tasks -> scalar              spec/seta.md section 2.5 (ours)
template <class B>
Tensor<B> route_loss(const Tensor<B>& weight, const Tensor<B>& before, const Tensor<B>& second_moment) {
  const Shape &w = weight.shape(), &b = before.shape();
  check(w.rank() == 2 && b.rank() == 2 && b[0] <= w[0] && b[1] == w[1] && second_moment.shape() == Shape{w[1], w[1]}, "route_loss: ", b,
        " before ", w, " with moments ", second_moment.shape());
  const Tensor<B> change = slice_rows(weight, 0, b[0]) - before.detach();
  return sum(matmul(change, second_moment.detach()) * change) * typename B::Scalar(0.5);
}

}  // namespace cmoe
