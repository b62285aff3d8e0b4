// Subspaces of features: the directions that inputs have used, and what of new inputs lies outside of them.
#pragma once

#include <Eigen/Eigenvalues>

#include "cmoe/core/array.hpp"

namespace cmoe {

using MatrixD = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic>;

// Left singular vectors of features H (in,n), largest first, by way of H Hᵀ: its eigenvectors, its eigenvalues are the squares.
struct Directions {
  MatrixD vectors;          // (in,in) in columns
  Eigen::VectorXd energies;  // (in) σ², never negative
};

// second (in,in) is H Hᵀ. throws Error (numeric) if it is not finite
inline Directions principal_directions(const MatrixD& second) {
  check(second.rows() == second.cols() && second.allFinite(), ErrorKind::numeric, "subspace: H Hᵀ is (", second.rows(), ",", second.cols(),
        ") or has NaN or infinity");
  const Eigen::SelfAdjointEigenSolver<MatrixD> solver(second);
  check(solver.info() == Eigen::Success, ErrorKind::numeric, "subspace: no eigenvectors were found");
  return {solver.eigenvectors().rowwise().reverse(), solver.eigenvalues().reverse().cwiseMax(0)};
}

// What is left of H Hᵀ when H loses its part in the span of the basis: (I − M Mᵀ) H Hᵀ (I − M Mᵀ).     basis M (in,k) orthonormal
inline MatrixD outside(const MatrixD& basis, const MatrixD& second) {
  if (basis.cols() == 0) return second;
  const MatrixD left = second - basis * (basis.transpose() * second);
  return left - (left * basis) * basis.transpose();
}

// The basis with the fewest further directions of H that make it hold the share `threshold` of H's energy ‖H‖².
//                                                                   gradient projection memory, arXiv 2103.09762; InfLoRA, arXiv 2404.00228
// ours: the space is kept as it is, not as its complement when that is smaller (DualGPM saves memory with it; the projection is the same)
inline MatrixD grown_space(const MatrixD& basis, const MatrixD& second, double threshold) {
  check(threshold >= 0 && threshold <= 1, ErrorKind::config, "subspace: the threshold ", threshold, " is not in [0,1]");
  const double total = second.trace();
  const Directions rest = principal_directions(outside(basis, second));
  double held = total - rest.energies.sum();
  Eigen::Index count = 0;
  while (count < rest.energies.size() && basis.cols() + count < second.rows() && held < threshold * total && rest.energies[count] > 1e-12 * total)
    held += rest.energies[count++];
  MatrixD grown(second.rows(), basis.cols() + count);
  if (basis.cols() > 0) grown.leftCols(basis.cols()) = basis;
  grown.rightCols(count) = rest.vectors.leftCols(count);
  return grown;
}

// The `count` strongest directions of H outside of the basis, orthonormal, in columns; a column is zero where nothing is left.
inline MatrixD free_directions(const MatrixD& basis, const MatrixD& second, Index count) {
  const Directions rest = principal_directions(outside(basis, second));
  MatrixD chosen = MatrixD::Zero(second.rows(), count);
  for (Index i = 0; i < std::min<Index>(count, second.rows() - basis.cols()); ++i) {
    if (rest.energies[i] <= 1e-12 * second.trace()) break;
    Eigen::VectorXd v = rest.vectors.col(i);
    if (basis.cols() > 0) v -= basis * (basis.transpose() * v);  // to the last bit outside
    chosen.col(i) = v.normalized();
  }
  return chosen;
}

}  // namespace cmoe
