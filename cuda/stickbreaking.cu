// Stick-breaking attention on the GPU.
#include "gpu.cuh"
#include "stickbreaking.cuh"

namespace cmoe::cuda {
template struct StickWalk<float, Gpu>;
template struct StickWalk<double, Gpu>;
}  // namespace cmoe::cuda
