// Every architecture learns on the device as on the CPU.
#include "cuda/device.hpp"
#include "cuda/training.hpp"

namespace cmoe::cuda_device_training_test {

TEST_CASE("PMoE, DAPT, SETA and ModuleFormer learn on the device with the CPU's losses") {
  if (!device_is_there()) return;
  training::same(training::pmoe<Cuda<float>>(5), training::pmoe<Cpu<float>>(5), 1e-5, 1e-3);
  training::same(training::dapt<Cuda<float>>(5), training::dapt<Cpu<float>>(5), 1e-5, 1e-3);
  training::same(training::seta<Cuda<float>>(5), training::seta<Cpu<float>>(5), 1e-5, 1e-3);
  training::same(training::moduleformer<Cuda<float>>(5), training::moduleformer<Cpu<float>>(5), 1e-5, 1e-3);
}

TEST_CASE("a training run on the device has the same bits when repeated") {
  if (!device_is_there()) return;
  const auto once = training::moduleformer<Cuda<float>>(3), again = training::moduleformer<Cuda<float>>(3);
  CHECK(once.losses == again.losses);
  CHECK(once.logits == again.logits);
}

}  // namespace cmoe::cuda_device_training_test
