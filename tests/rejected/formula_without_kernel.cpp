// The kernels of a GPU are compiled for the formulas of the lists; another one is refused where it is used, not when linking.
// says: this formula has no kernel
#include "cmoe/cuda/cuda.hpp"

struct Cube {
  static constexpr auto f(const auto& x) { return x * x * x; }
};

void use(const float* x, float* y) {
#ifdef REJECTED
  cmoe::Cuda<float>::map<Cube>(1, x, y);
#else
  cmoe::Cuda<float>::map<cmoe::fn::Square>(1, x, y);
#endif
}
