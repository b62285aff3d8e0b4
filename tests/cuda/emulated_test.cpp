// The kernels of the GPU, executed on the host in three orders, against the CPU's.
#include <doctest/doctest.h>

#include "cuda/compare.hpp"
#include "host_execution.hpp"
#include "stickbreaking.cuh"

namespace cmoe::cuda_emulated_test {

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

TEST_CASE("heads that take turns on the way back of stick-breaking give the bits of heads that do not") {
  const auto cases = parity::attention_cases<Emulated<float>>();
  REQUIRE(cases[1].name == "stickbreaking_attention");
  for (int shape = 0; shape < 12; ++shape) {
    const parity::Results together = parity::run(cases[1], 1, shape);
    const Index usual = std::exchange(cuda::most_kept_bytes, 1);
    const parity::Results in_turns = parity::run(cases[1], 1, shape);
    cuda::most_kept_bytes = usual;
    CHECK(parity::same_bits(in_turns, together));
  }
}

}  // namespace cmoe::cuda_emulated_test
