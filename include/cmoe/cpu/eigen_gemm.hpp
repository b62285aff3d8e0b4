// Matrix products in Eigen's words: what the tests compare with, and the portable build.
#pragma once

#include "cmoe/core/product.hpp"
#include "cmoe/cpu/eigen.hpp"

namespace cmoe::cpu::eigen {

template <class Real>
using Matrix = Eigen::Matrix<Real, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <class Real>
using ConstView = Eigen::Map<const Matrix<Real>, 0, Eigen::OuterStride<>>;
template <class Real>
using View = Eigen::Map<Matrix<Real>, 0, Eigen::OuterStride<>>;

template <class Real>
ConstView<Real> view(const Real* x, Index rows, Index cols, Index step) {
  return {x, rows, cols, Eigen::OuterStride<>(step)};
}
template <class Real>
View<Real> view(Real* x, Index rows, Index cols, Index step) {
  return {x, rows, cols, Eigen::OuterStride<>(step)};
}

// c (m,n) = alpha · op(a) op(b), plus c if accumulate
template <class Real>
void gemm(Form form, Index m, Index n, Index k, Real alpha, const Real* a, Index lda, const Real* b, Index ldb, bool accumulate,
          Real* c, Index ldc) {
  auto result = view(c, m, n, ldc);
  if (!accumulate) result.setZero();
  if (form == Form::nn) result.noalias() += alpha * (view(a, m, k, lda) * view(b, k, n, ldb));
  if (form == Form::nt) result.noalias() += alpha * (view(a, m, k, lda) * view(b, n, k, ldb).transpose());
  if (form == Form::tn) result.noalias() += alpha * (view(a, k, m, lda).transpose() * view(b, k, n, ldb));
}

template <class Real>
void gemm_batched(Form form, Index batch, Index m, Index n, Index k, Real alpha, const Real* a, Index stride_a, const Real* b,
                  Index stride_b, bool accumulate, Real* c, Index stride_c) {
  for (Index i = 0; i < batch; ++i)
    gemm(form, m, n, k, alpha, a + i * stride_a, form == Form::tn ? m : k, b + i * stride_b, form == Form::nt ? k : n,
         accumulate, c + i * stride_c, n);
}

// Sizes as in cpu::gemm_grouped
template <class Real>
void gemm_grouped(Form form, Index groups, const Index* offsets, Index n, Index k, Real alpha, const Real* a, const Real* b,
                  bool accumulate, Real* c) {
  for (Index e = 0; e < groups; ++e) {
    const Index row = offsets[e], rows = offsets[e + 1] - row;
    if (form == Form::tn)
      gemm(form, k, n, rows, alpha, a + row * k, k, b + row * n, n, accumulate, c + e * k * n, n);
    else
      gemm(form, rows, n, k, alpha, a + row * k, k, b + e * k * n, form == Form::nn ? n : k, accumulate, c + row * n, n);
  }
}

}  // namespace cmoe::cpu::eigen
