// Every architecture learns on the GPU's kernels as on the CPU's.
#include <doctest/doctest.h>

#include "cmoe/cpu/cpu.hpp"
#include "cuda/training.hpp"
#include "host_execution.hpp"

using namespace cmoe;

namespace {

using InFloat = Emulated<float>;
using InDouble = Emulated<double>;

}  // namespace

TEST_CASE("PMoE learns two tasks with the CPU's losses, and writes the same tokens") {
  training::same(training::pmoe<InFloat>(5), training::pmoe<Cpu<float>>(5), 1e-5, 1e-3);
}
TEST_CASE("DAPT learns two tasks with the CPU's losses, and writes the same tokens") {
  training::same(training::dapt<InFloat>(5), training::dapt<Cpu<float>>(5), 1e-5, 1e-3);
}
TEST_CASE("SETA learns two tasks with the CPU's losses, and writes the same tokens") {
  training::same(training::seta<InFloat>(5), training::seta<Cpu<float>>(5), 1e-5, 1e-3);
}
TEST_CASE("ModuleFormer learns two tasks with the CPU's losses, and writes the same tokens") {
  training::same(training::moduleformer<InFloat>(5), training::moduleformer<Cpu<float>>(5), 1e-5, 1e-3);
}
TEST_CASE("in double the four agree to rounding") {
  training::same(training::pmoe<InDouble>(3), training::pmoe<Cpu<double>>(3), 1e-11, 1e-9);
  training::same(training::dapt<InDouble>(3), training::dapt<Cpu<double>>(3), 1e-11, 1e-9);
  training::same(training::seta<InDouble>(3), training::seta<Cpu<double>>(3), 1e-11, 1e-9);
  training::same(training::moduleformer<InDouble>(3), training::moduleformer<Cpu<double>>(3), 1e-11, 1e-9);
}
