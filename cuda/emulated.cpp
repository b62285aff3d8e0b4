// Emulated<float> and Emulated<double>: every kernel of the GPU, executed on the host.
#include "causal.cuh"
#include "elementwise.cuh"
#include "host_execution.hpp"
#include "indexing.cuh"
#include "layout.cuh"
#include "norms.cuh"
#include "product.cuh"
#include "rows.cuh"
#include "sorting.cuh"
#include "stickbreaking.cuh"
#include "stored.cuh"
#include "sums.cuh"
#include "update.cuh"

namespace cmoe::cuda {

template <class Real>
void HostExecution::multiply(Form form, Index batch, Index m, Index n, Index k, Real alpha, const Real* a, Index lda, Index stride_a,
                             const Real* b, Index ldb, Index stride_b, bool accumulate, Real* c, Index ldc, Index stride_c) {
  multiply_in_tiles<Real, HostExecution>(form, batch, m, n, k, alpha, a, lda, stride_a, b, ldb, stride_b, accumulate, c, ldc, stride_c);
}

template struct Memory<HostExecution>;
template struct Sorting<HostExecution>;

template struct Elementwise<float, HostExecution>;
template struct Products<float, HostExecution>;
template struct StoredProducts<float, HostExecution>;
template struct Rows<float, HostExecution>;
template struct Norms<float, HostExecution>;
template struct Sums<float, HostExecution>;
template struct Indexing<float, HostExecution>;
template struct Layout<float, HostExecution>;
template struct Causal<float, HostExecution>;
template struct StickWalk<float, HostExecution>;
template struct Updates<float, HostExecution>;

template struct Elementwise<double, HostExecution>;
template struct Products<double, HostExecution>;
template struct StoredProducts<double, HostExecution>;
template struct Rows<double, HostExecution>;
template struct Norms<double, HostExecution>;
template struct Sums<double, HostExecution>;
template struct Indexing<double, HostExecution>;
template struct Layout<double, HostExecution>;
template struct Causal<double, HostExecution>;
template struct StickWalk<double, HostExecution>;
template struct Updates<double, HostExecution>;

}  // namespace cmoe::cuda
