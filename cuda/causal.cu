// Causal attention on the GPU.
#include "gpu.cuh"
#include "causal.cuh"

namespace cmoe::cuda {
template struct Causal<float, Gpu>;
template struct Causal<double, Gpu>;
}  // namespace cmoe::cuda
