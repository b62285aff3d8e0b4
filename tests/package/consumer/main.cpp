#include <cmoe/cmoe.hpp>
#include <iostream>

using B = cmoe::Cpu<float>;  // where it runs and with which numbers; Cpu<double> is the other

int main() {
  cmoe::PMoE::Config config;
  config.width = 32, config.hidden = 64, config.layers = 4, config.boundary = 2;  // two shallow layers, two deep ones
  cmoe::PMoE::On<B> model(config, cmoe::Rng(1));
  const cmoe::Index before = cmoe::parameter_count(model);
  model.add_task(cmoe::Rng(2));  // one LoRA expert more in every deep layer, one row more in the gate
  std::cout << before << " parameters, " << cmoe::parameter_count(model) - before << " more for the first task\n";
}
