// Systems of linear equations on the host, by Eigen.
#pragma once

#include "cmoe/cpu/eigen.hpp"

#include <Eigen/Cholesky>

#include "cmoe/core/shape.hpp"

namespace cmoe::cpu {

// x (n,columns) with a x = b for a symmetric positive definite a (n,n); all row-major.
// cost: n³/6 + n² columns multiply-adds
template <class Real>
void solve_symmetric(Index n, Index columns, const Real* a, const Real* b, Real* x) {
  using Matrix = Eigen::Matrix<Real, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  Eigen::Map<Matrix>(x, n, columns) = Eigen::Map<const Matrix>(a, n, n).ldlt().solve(Eigen::Map<const Matrix>(b, n, columns));
}

#if defined(CMOE_PRECOMPILED_KERNELS)
extern template void solve_symmetric<double>(Index, Index, const double*, const double*, double*);
#endif

}  // namespace cmoe::cpu
