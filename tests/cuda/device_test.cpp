// The device's primitives against the CPU's. Without a device, or with one that cannot run the kernels, the tests are skipped by name.
#include "cuda/compare.hpp"
#include "cuda/device.hpp"

namespace cmoe::cuda_device_test {

namespace {

template <class Real>
void compare(int count, double tolerance) {
  const auto expected = parity::all_cases<Cpu<Real>>();
  const auto found = parity::all_cases<Cuda<Real>>();
  for (std::size_t line = 0; line < expected.size(); ++line)
    for (int shape = 0; shape < count; ++shape) {
      INFO(expected[line].name, " (", line, "), shape ", shape);
      const parity::Results on_device = parity::run(found[line], line, shape);
      CHECK(parity::deviation(on_device, parity::run(expected[line], line, shape)) < tolerance);
      CHECK(parity::same_bits(parity::run(found[line], line, shape), on_device));
    }
}

}  // namespace

TEST_CASE("the device gives the CPU's results in float, and the same bits when asked again") {
  if (device_is_there()) compare<float>(shapes(40), 3e-5);
}

TEST_CASE("the device gives the CPU's results in double, and the same bits when asked again") {
  if (device_is_there()) compare<double>(shapes(40), 1e-12);
}

TEST_CASE("more memory than the device has is refused with the sizes, and the next allocation succeeds") {
  if (!device_is_there()) return;
  std::string text;
  try {
    const Array<Cuda<float>> too_large(Shape{Index{1} << 42});
  } catch (const Error& e) {
    CHECK(e.kind() == ErrorKind::memory);
    text = e.what();
  }
  CHECK_MESSAGE(text.find("17592186044416 bytes were refused by the GPU") != std::string::npos, text);
  CHECK(Array<Cuda<float>>({3}, 2.0F).values() == std::vector<float>{2, 2, 2});
}

TEST_CASE("without a device every primitive says so, with the words of CUDA") {
  if (cuda::Gpu::available()) return;
  std::string text;
  try {
    const Array<Cuda<float>> none({3}, 1.0F);
  } catch (const Error& e) {
    CHECK(e.kind() == ErrorKind::device);
    text = e.what();
  }
  CHECK_MESSAGE(text.starts_with("cuda: no GPU can be used: "), text);
  CHECK_MESSAGE(text.find(cuda::Gpu::description()) != std::string::npos, text);
  CHECK_FALSE(cuda::Gpu::description().empty());
}

}  // namespace cmoe::cuda_device_test
