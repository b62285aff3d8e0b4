// The optimiser's step on the GPU.
#include "gpu.cuh"
#include "update.cuh"

namespace cmoe::cuda {
template struct Updates<float, Gpu>;
template struct Updates<double, Gpu>;
}  // namespace cmoe::cuda
