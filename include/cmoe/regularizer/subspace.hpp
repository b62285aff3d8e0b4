// Subspaces of features: the directions that inputs have used, and what of new inputs lies outside of them.
#pragma once

#include "cmoe/cpu/eigen.hpp"

#include <Eigen/Eigenvalues>

#include "cmoe/core/array.hpp"

namespace cmoe {

// Matrices of Eigen, for what is computed once a task.
template <class Real>
using MatrixOf = Eigen::Matrix<Real, Eigen::Dynamic, Eigen::Dynamic>;
using MatrixD = MatrixOf<double>;

// Left singular vectors of features H (in,n), largest first, by way of H Hᵀ: its eigenvectors, its eigenvalues are the squares.
template <class Real>
struct Directions {
  MatrixOf<Real> vectors;                            // (in,in) in columns
  Eigen::Matrix<Real, Eigen::Dynamic, 1> energies;  // (in) σ², never negative
};

// second (in,in) is H Hᵀ. throws Error (numeric) if it is not finite
template <class Real>
Directions<Real> principal_directions(const MatrixOf<Real>& second) {
  check(second.rows() == second.cols() && second.allFinite(), ErrorKind::numeric, "subspace: H Hᵀ is (", second.rows(), ",", second.cols(),
        ") or has NaN or infinity");
  const Eigen::SelfAdjointEigenSolver<MatrixOf<Real>> solver(second);
  check(solver.info() == Eigen::Success, ErrorKind::numeric, "subspace: no eigenvectors were found");
  return {solver.eigenvectors().rowwise().reverse(), solver.eigenvalues().reverse().cwiseMax(0)};
}

// What is left of H Hᵀ when H loses its part in the span of the basis: (I − M Mᵀ) H Hᵀ (I − M Mᵀ).     basis M (in,k) orthonormal
template <class Real>
MatrixOf<Real> outside(const MatrixOf<Real>& basis, const MatrixOf<Real>& second) {
  if (basis.cols() == 0) return second;
  const MatrixOf<Real> left = second - basis * (basis.transpose() * second);
  return left - (left * basis) * basis.transpose();
}

// The basis with the fewest further directions of H that make it hold the share `threshold` of H's energy ‖H‖².
//                                                                   gradient projection memory, arXiv 2103.09762; InfLoRA, arXiv 2404.00228
// ours: the space is kept as it is, not as its complement when that is smaller (DualGPM saves memory with it; the projection is the same)
template <class Real>
MatrixOf<Real> grown_space(const MatrixOf<Real>& basis, const MatrixOf<Real>& second, double threshold) {
  check(threshold >= 0 && threshold <= 1, ErrorKind::config, "subspace: the threshold ", threshold, " is not in [0,1]");
  const Real total = second.trace();
  const Directions<Real> rest = principal_directions(outside(basis, second));
  Real held = total - rest.energies.sum();
  Eigen::Index count = 0;
  while (count < rest.energies.size() && basis.cols() + count < second.rows() && held < static_cast<Real>(threshold) * total && rest.energies[count] > Real(1e-12) * total)
    held += rest.energies[count++];
  MatrixOf<Real> grown(second.rows(), basis.cols() + count);
  if (basis.cols() > 0) grown.leftCols(basis.cols()) = basis;
  grown.rightCols(count) = rest.vectors.leftCols(count);
  return grown;
}

// The `count` strongest directions of H outside of the basis, orthonormal, in columns; a column is zero where nothing is left.
template <class Real>
MatrixOf<Real> free_directions(const MatrixOf<Real>& basis, const MatrixOf<Real>& second, Index count) {
  const Directions<Real> rest = principal_directions(outside(basis, second));
  MatrixOf<Real> chosen = MatrixOf<Real>::Zero(second.rows(), count);
  for (Index i = 0; i < std::min<Index>(count, second.rows() - basis.cols()); ++i) {
    if (rest.energies[i] <= Real(1e-12) * second.trace()) break;
    Eigen::Matrix<Real, Eigen::Dynamic, 1> v = rest.vectors.col(i);
    if (basis.cols() > 0) v -= basis * (basis.transpose() * v);  // to the last bit outside
    chosen.col(i) = v.normalized();
  }
  return chosen;
}

#if defined(CMOE_PRECOMPILED_KERNELS)
extern template MatrixD outside(const MatrixD& basis, const MatrixD& second);
extern template Directions<double> principal_directions(const MatrixD& second);
extern template MatrixD grown_space(const MatrixD& basis, const MatrixD& second, double threshold);
extern template MatrixD free_directions(const MatrixD& basis, const MatrixD& second, Index count);
#endif

}  // namespace cmoe
