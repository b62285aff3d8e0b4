// The elementwise kernels of the GPU.
#include "elementwise.cuh"
#include "gpu.cuh"

namespace cmoe::cuda {
template struct Memory<Gpu>;
template struct Elementwise<float, Gpu>;
template struct Elementwise<double, Gpu>;
}  // namespace cmoe::cuda
