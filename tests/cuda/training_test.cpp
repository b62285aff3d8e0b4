// Every architecture learns on the GPU's kernels as on the CPU's.
#include <doctest/doctest.h>

#include "cuda/training.hpp"
#include "host_execution.hpp"

namespace cmoe::cuda_training_test {

using B = Emulated<float>;

TEST_CASE("PMoE learns two tasks with the CPU's losses, and writes the same tokens") {
  training::same(training::pmoe<B>(5), training::pmoe<Cpu<float>>(5), 1e-5, 1e-3);
}
TEST_CASE("DAPT learns two tasks with the CPU's losses, and writes the same tokens") {
  training::same(training::dapt<B>(5), training::dapt<Cpu<float>>(5), 1e-5, 1e-3);
}
TEST_CASE("SETA learns two tasks with the CPU's losses, and writes the same tokens") {
  training::same(training::seta<B>(5), training::seta<Cpu<float>>(5), 1e-5, 1e-3);
}
TEST_CASE("ModuleFormer learns two tasks with the CPU's losses, and writes the same tokens") {
  training::same(training::moduleformer<B>(5), training::moduleformer<Cpu<float>>(5), 1e-5, 1e-3);
}

}  // namespace cmoe::cuda_training_test
