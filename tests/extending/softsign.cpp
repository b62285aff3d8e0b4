// The operation that docs/extending/softsign.diff adds: its values, and its gradient against difference quotients.
#include <cmath>
#include <cstdio>

#include "cmoe/autograd/gradcheck.hpp"
#include "cmoe/cpu/cpu.hpp"
#include "cmoe/ops/elementwise.hpp"

using B = cmoe::Cpu<double>;

int main() {
  const cmoe::Tensor<B> x({5}, {-3, -0.5, 0.25, 1, 7});
  const std::vector<double> y = cmoe::softsign(x).values(), wanted = {-0.75, -1.0 / 3, 0.2, 0.5, 0.875};
  for (std::size_t i = 0; i < y.size(); ++i)
    if (std::abs(y[i] - wanted[i]) > 1e-15) return std::printf("softsign is %g, not %g\n", y[i], wanted[i]), 1;
  const double worst = cmoe::gradcheck<B>([](const auto& leaves) { return cmoe::softsign(leaves[0]); }, {x}).worst;
  if (!(worst < 1e-7)) return std::printf("its gradient is off by %g\n", worst), 1;
}
