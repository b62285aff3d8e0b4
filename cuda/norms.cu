// The norms of the GPU.
#include "gpu.cuh"
#include "norms.cuh"

namespace cmoe::cuda {
template struct Norms<float, Gpu>;
template struct Norms<double, Gpu>;
}  // namespace cmoe::cuda
