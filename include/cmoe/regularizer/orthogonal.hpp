// Orthogonality: penalties for directions that a new module shares with old ones.
#pragma once

#include "cmoe/ops/arithmetic.hpp"
#include "cmoe/ops/layout.hpp"
#include "cmoe/ops/matmul.hpp"
#include "cmoe/ops/reduce.hpp"

namespace cmoe {

// How an overlap is measured.
enum class OverlapNorm {
  entrywise,  // Σ |entry|, what O-LoRA's code does
  frobenius   // Σ entry²
};

// Σ |x| over all entries, with derivative 0 at 0.
template <class B>
Tensor<B> sum_absolute(const Tensor<B>& x) {
  return sum(relu(x) + relu(-x));
}

// Σ x² over all entries: the squared Frobenius norm.
template <class B>
Tensor<B> sum_squares(const Tensor<B>& x) {
  return sum(square(x));
}

// Aᵀ B, the inner products of all columns.                  a (in,R), b (in,S) -> (R,S)
// A LoRA's down-projection has its directions in columns; for directions in rows give the transposed.
template <class B>
Tensor<B> column_products(const Tensor<B>& a, const Tensor<B>& b) {
  const Shape &s = a.shape(), &t = b.shape();
  check(s.rank() == 2 && t.rank() == 2 && s[0] == t[0], "column products: ", s, "ᵀ · ", t);
  return reshape(matmul_batched(reshape(a, {1, s[0], s[1]}), reshape(b, {1, t[0], t[1]}), Form::tn), {s[1], t[1]});
}

// The overlap of the columns of `fresh` with those of `old`: Σ |oldᵀ fresh| or ‖oldᵀ fresh‖²_F.           O-LoRA, arXiv 2310.14152
// old (in,R), fresh (in,S) -> scalar. A gradient flows to whichever wants one: freeze or detach the old ones.
template <class B>
Tensor<B> overlap(const Tensor<B>& old, const Tensor<B>& fresh, OverlapNorm norm) {
  const Tensor<B> products = column_products(old, fresh);
  return norm == OverlapNorm::entrywise ? sum_absolute(products) : sum_squares(products);
}

// The sum of the overlaps of all pairs e < f of a list; 0 directions shared gives 0. An empty tensor for fewer than two.
template <class B>
Tensor<B> pairwise_overlap(const std::vector<Tensor<B>>& modules, OverlapNorm norm) {
  Tensor<B> total;
  for (std::size_t f = 1; f < modules.size(); ++f) {
    const std::vector<Tensor<B>> before(modules.begin(), modules.begin() + static_cast<std::ptrdiff_t>(f));
    const Tensor<B> part = overlap(f == 1 ? before[0] : concat_columns(before), modules[f], norm);
    total = total ? total + part : part;
  }
  return total;
}

// mean((X Xᵀ − I)²) for rows that should be orthonormal: keys, prompts.                    CODA-Prompt, arXiv 2211.13218;  x (n,C)
template <class B>
Tensor<B> orthonormality(const Tensor<B>& x) {
  const Index n = x.shape()[0];
  check(x.shape().rank() == 2 && n > 0, "orthonormality: ", x.shape());
  std::vector<typename B::Scalar> one(static_cast<std::size_t>(n * n), 0);
  for (Index i = 0; i < n; ++i) one[static_cast<std::size_t>(i * n + i)] = 1;
  return mean(square(matmul_transposed(x, x) - Tensor<B>({n, n}, std::span<const typename B::Scalar>(one))));
}

}  // namespace cmoe
