// A step of training on the GPU, or on the CPU where there is none: the backend is a template parameter, the choice one line.
#include <cstdio>

#include "cmoe/cpu/cpu.hpp"
#include "cmoe/cuda/cuda.hpp"
#include "cmoe/nn/linear.hpp"
#include "cmoe/ops/elementwise.hpp"
#include "cmoe/ops/reduce.hpp"
#include "cmoe/train/step.hpp"

template <class B>
double learn() {
  cmoe::Linear<B> linear(3, 1, cmoe::Rng(1), true);
  const cmoe::Tensor<B> x({2, 3}, {1, 2, 3, 4, 5, 6}), y({2, 1}, {1, -1});
  cmoe::AdamW<B> optimizer({.lr = 0.1});
  optimizer.add_module(linear);
  double error = 0;
  for (cmoe::Index step = 0; step < 50; ++step)
    error = cmoe::training_step(optimizer, cmoe::Schedule{}, step, 50, 1, [&](cmoe::Index) {
      cmoe::Loss<B> loss;
      loss.add("error", cmoe::mean(cmoe::square(linear(x) - y)));
      return loss;
    }).terms[0].second;
  return error;
}

int main() {
  const bool gpu = cmoe::cuda::Gpu::available();
  std::printf("%s\n", cmoe::cuda::Gpu::description().c_str());
  return (gpu ? learn<cmoe::Cuda<float>>() : learn<cmoe::Cpu<float>>()) < 0.1 ? 0 : 1;
}
