// The kernels of the GPU, executed on the host in three orders, against the CPU's.
#include <doctest/doctest.h>

#include "cuda/compare.hpp"
#include "host_execution.hpp"

using namespace cmoe;

namespace {

template <class Real>
void compare(int shapes, double tolerance) {
  const auto expected = parity::all_cases<Cpu<Real>>();
  const auto found = parity::all_cases<Emulated<Real>>();
  REQUIRE(expected.size() == found.size());
  for (std::size_t line = 0; line < expected.size(); ++line)
    for (int shape = 0; shape < shapes; ++shape) {
      INFO(expected[line].name, " (", line, "), shape ", shape);
      const parity::Results on_cpu = parity::run(expected[line], line, shape);
      cuda::HostExecution::order = cuda::Order::forward;
      const parity::Results forward = parity::run(found[line], line, shape);
      CHECK(parity::deviation(forward, on_cpu) < tolerance);
      for (const cuda::Order order : {cuda::Order::reverse, cuda::Order::random}) {
        cuda::HostExecution::order = order;
        CHECK(parity::same_bits(parity::run(found[line], line, shape), forward));
      }
      cuda::HostExecution::order = cuda::Order::forward;
    }
}

}  // namespace

static_assert(Backend<Emulated<float>> && Backend<Emulated<double>>);

TEST_CASE("every primitive gives the CPU's results in float, and the same bits in every order of threads") { compare<float>(12, 3e-5); }

TEST_CASE("every primitive gives the CPU's results in double, and the same bits in every order of threads") { compare<double>(12, 1e-12); }
