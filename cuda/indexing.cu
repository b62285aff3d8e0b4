// The index kernels of the GPU.
#include "gpu.cuh"
#include "indexing.cuh"

namespace cmoe::cuda {
template struct Indexing<float, Gpu>;
template struct Indexing<double, Gpu>;
}  // namespace cmoe::cuda
