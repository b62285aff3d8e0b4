// Products with stored matrices on the GPU.
#include "gpu.cuh"
#include "stored.cuh"

namespace cmoe::cuda {
template struct StoredProducts<float, Gpu>;
template struct StoredProducts<double, Gpu>;
}  // namespace cmoe::cuda
