// Every architecture learns on the GPU's kernels as on the CPU's.
#include <doctest/doctest.h>

#include "cmoe/cpu/cpu.hpp"
#include "cuda/training.hpp"
#include "host_execution.hpp"

using namespace cmoe;

namespace {

// The largest difference in units of the larger number, or of 0.01.
double deviation(const std::vector<double>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a[i] - b[i]) / std::max(0.01, std::abs(b[i])));
  return worst;
}

void same(const training::Outcome& found, const training::Outcome& expected, double of_losses, double of_logits) {
  CHECK(found.losses.size() > 8);
  CHECK(deviation(found.losses, expected.losses) < of_losses);
  CHECK(deviation(found.logits, expected.logits) < of_logits);
  CHECK(found.generated == expected.generated);
}

using InFloat = Emulated<float>;
using InDouble = Emulated<double>;

}  // namespace

TEST_CASE("PMoE learns two tasks with the CPU's losses, and writes the same tokens") {
  same(training::pmoe<InFloat>(5), training::pmoe<Cpu<float>>(5), 1e-5, 1e-3);
}
TEST_CASE("DAPT learns two tasks with the CPU's losses, and writes the same tokens") {
  same(training::dapt<InFloat>(5), training::dapt<Cpu<float>>(5), 1e-5, 1e-3);
}
TEST_CASE("SETA learns two tasks with the CPU's losses, and writes the same tokens") {
  same(training::seta<InFloat>(5), training::seta<Cpu<float>>(5), 1e-5, 1e-3);
}
TEST_CASE("ModuleFormer learns two tasks with the CPU's losses, and writes the same tokens") {
  same(training::moduleformer<InFloat>(5), training::moduleformer<Cpu<float>>(5), 1e-5, 1e-3);
}
TEST_CASE("in double the four agree to rounding") {
  same(training::pmoe<InDouble>(3), training::pmoe<Cpu<double>>(3), 1e-11, 1e-9);
  same(training::dapt<InDouble>(3), training::dapt<Cpu<double>>(3), 1e-11, 1e-9);
  same(training::seta<InDouble>(3), training::seta<Cpu<double>>(3), 1e-11, 1e-9);
  same(training::moduleformer<InDouble>(3), training::moduleformer<Cpu<double>>(3), 1e-11, 1e-9);
}
