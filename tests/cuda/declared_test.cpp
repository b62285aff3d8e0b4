// The backend of the GPU is complete for a compiler that knows nothing of CUDA.
#include <doctest/doctest.h>

#include "cmoe/cuda/cuda.hpp"

namespace cmoe::cuda_declared_test {

static_assert(cmoe::Backend<cmoe::Cuda<float>> && cmoe::Backend<cmoe::Cuda<double>>);

TEST_CASE("Cuda<float> and Cuda<double> satisfy Backend where there is no CUDA") {
  CHECK(cmoe::cuda::place_of<cmoe::fn::Unary, cmoe::fn::Negate>() == 0);
  CHECK(cmoe::cuda::place_of<cmoe::cuda::Pairwise, cmoe::fn::Second>() == 5);
}

}  // namespace cmoe::cuda_declared_test
