// The row kernels of the GPU.
#include "gpu.cuh"
#include "rows.cuh"

namespace cmoe::cuda {
template struct Rows<float, Gpu>;
template struct Rows<double, Gpu>;
}  // namespace cmoe::cuda
