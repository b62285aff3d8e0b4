// The sort of ids on the GPU.
#include "gpu.cuh"
#include "sorting.cuh"

namespace cmoe::cuda {
template struct Sorting<Gpu>;
}  // namespace cmoe::cuda
