// The layout kernels of the GPU.
#include "gpu.cuh"
#include "layout.cuh"

namespace cmoe::cuda {
template struct Layout<float, Gpu>;
template struct Layout<double, Gpu>;
}  // namespace cmoe::cuda
