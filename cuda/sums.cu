// The sums of the GPU.
#include "gpu.cuh"
#include "sums.cuh"

namespace cmoe::cuda {
template struct Sums<float, Gpu>;
template struct Sums<double, Gpu>;
}  // namespace cmoe::cuda
