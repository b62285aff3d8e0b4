// Products with stored matrices in Eigen's words: what the tests compare with, and the portable build.
#pragma once

#include "cmoe/core/stored_matrix.hpp"
#include "cmoe/cpu/eigen_gemm.hpp"

namespace cmoe::cpu::eigen {

// Rows first..last-1, block after block.
template <class Real>
Matrix<Real> decoded(const StoredMatrix& stored, Index first, Index last) {
  const BlockType& type = stored.type();
  Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> values(last - first, stored.cols());
  const Index blocks = values.size() / type.numbers;
  for (Index b = 0; b < blocks; ++b) type.decode(stored.row(first) + b * type.bytes, values.data() + b * type.numbers);
  return values.template cast<Real>();
}

// y (m,rows) = x (m,cols) · storedᵀ
template <class Real>
void stored_product(const StoredMatrix& stored, Index m, const Real* x, Real* y) {
  view(y, m, stored.rows(), stored.rows()).noalias() =
      view(x, m, stored.cols(), stored.cols()) * decoded<Real>(stored, 0, stored.rows()).transpose();
}

// dx (m,cols) = dy (m,rows) · stored
template <class Real>
void stored_product_back(const StoredMatrix& stored, Index m, const Real* dy, Real* dx) {
  view(dx, m, stored.cols(), stored.cols()).noalias() = view(dy, m, stored.rows(), stored.rows()) * decoded<Real>(stored, 0, stored.rows());
}

// y (n,cols): row i is row ids[i] of the matrix.
template <class Real>
void gather_stored(const StoredMatrix& stored, Index n, const Id* ids, Real* y) {
  for (Index i = 0; i < n; ++i) view(y, n, stored.cols(), stored.cols()).row(i) = decoded<Real>(stored, ids[i], ids[i] + 1);
}

}  // namespace cmoe::cpu::eigen
