// The gradient table on the kernels of the GPU: every operation's way back against differences of its way there.
#include <doctest/doctest.h>

#include "cmoe/autograd/gradcheck.hpp"
#include "ops/gradient_table.hpp"

namespace cmoe::cuda_gradients_test {

TEST_CASE("every operation's gradient on the GPU's kernels equals central differences on random shapes") {
  std::vector<table::Line> lines = table::elementwise_lines();
  for (const auto& part : {table::structured_lines(), table::routed_lines()}) lines.insert(lines.end(), part.begin(), part.end());
  CHECK(lines.size() > 80);
  cuda::HostExecution::order = cuda::Order::reverse;
  for (const table::Line& line : lines)
    for (int shape = 0; shape < 6; ++shape) {
      table::Draw d{Rng(11).fork(line.name).fork(static_cast<std::uint64_t>(shape))};
      const table::Case one = line.draw(d);
      const GradientDeviation found = gradcheck(one.f, one.inputs, 1e-6, 6);
      INFO(line.name, ": ", found.where);
      CHECK(found.worst < 2e-7);
    }
  cuda::HostExecution::order = cuda::Order::forward;
}

}  // namespace cmoe::cuda_gradients_test
