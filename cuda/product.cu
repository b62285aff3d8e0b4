// Matrix products on the GPU: cuBLAS for single products and batches, tiles of our own for groups of rows.
#include <cublas_v2.h>

#include <mutex>

#include "gpu.cuh"
#include "product.cuh"

namespace cmoe::cuda {

namespace {

void check_cublas(cublasStatus_t status, const char* what) {
  check(status == CUBLAS_STATUS_SUCCESS, status == CUBLAS_STATUS_ALLOC_FAILED ? ErrorKind::memory : ErrorKind::device, "cublas: ", what,
        ": ", cublasGetStatusString(status), " (", cublasGetStatusName(status), ")");
}

// The handle works in a workspace of its own, so that a product has the same bits whenever it is repeated. One thread at a time.
struct Library {
  std::mutex lock;
  cublasHandle_t handle = nullptr;
  Buffer<Gpu> workspace{std::size_t{32} << 20};

  Library() {
    check_cublas(cublasCreate(&handle), "a handle");
    check_cublas(cublasSetStream(handle, stream()), "the stream");
    check_cublas(cublasSetWorkspace(handle, workspace.data(), std::size_t{32} << 20), "the workspace");
  }
};
Library& library() {
  static auto* const only = new Library;  // never destroyed: the driver may be gone first
  return *only;
}

cublasStatus_t strided(cublasHandle_t handle, cublasOperation_t first, cublasOperation_t second, Index m, Index n, Index k,
                       const float* alpha, const float* a, Index lda, Index stride_a, const float* b, Index ldb, Index stride_b,
                       const float* beta, float* c, Index ldc, Index stride_c, Index batch) {
  return cublasSgemmStridedBatched_64(handle, first, second, m, n, k, alpha, a, lda, stride_a, b, ldb, stride_b, beta, c, ldc, stride_c, batch);
}
cublasStatus_t strided(cublasHandle_t handle, cublasOperation_t first, cublasOperation_t second, Index m, Index n, Index k,
                       const double* alpha, const double* a, Index lda, Index stride_a, const double* b, Index ldb, Index stride_b,
                       const double* beta, double* c, Index ldc, Index stride_c, Index batch) {
  return cublasDgemmStridedBatched_64(handle, first, second, m, n, k, alpha, a, lda, stride_a, b, ldb, stride_b, beta, c, ldc, stride_c, batch);
}

}  // namespace

// cuBLAS counts by columns, where our (m,n) is its (n,m): cᵀ = op(b)ᵀ op(a)ᵀ with the operands' places exchanged.
template <class Real>
void Gpu::multiply(Form form, Index batch, Index m, Index n, Index k, Real alpha, const Real* a, Index lda, Index stride_a,
                   const Real* b, Index ldb, Index stride_b, bool accumulate, Real* c, Index ldc, Index stride_c) {
  if (k == 0)  // an empty sum: cuBLAS would refuse operands without rows
    return multiply_in_tiles<Real, Gpu>(form, batch, m, n, k, alpha, a, lda, stride_a, b, ldb, stride_b, accumulate, c, ldc, stride_c);
  const Real beta = accumulate ? Real(1) : Real(0);
  Library& all = library();
  const std::lock_guard<std::mutex> guard(all.lock);
  check_cublas(strided(all.handle, form == Form::nt ? CUBLAS_OP_T : CUBLAS_OP_N, form == Form::tn ? CUBLAS_OP_T : CUBLAS_OP_N, n, m, k,
                       &alpha, b, ldb, stride_b, a, lda, stride_a, &beta, c, ldc, stride_c, batch),
               "product");
}

template void Gpu::multiply<float>(Form, Index, Index, Index, Index, float, const float*, Index, Index, const float*, Index, Index, bool,
                                   float*, Index, Index);
template void Gpu::multiply<double>(Form, Index, Index, Index, Index, double, const double*, Index, Index, const double*, Index, Index,
                                    bool, double*, Index, Index);
template struct Products<float, Gpu>;
template struct Products<double, Gpu>;

}  // namespace cmoe::cuda
