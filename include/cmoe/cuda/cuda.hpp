// Cuda<float> and Cuda<double>: the backend of NVIDIA GPUs. Any compiler may include this; the definitions are in the folder cuda.
#pragma once

#include "cmoe/cuda/primitives.hpp"

namespace cmoe {

namespace cuda {

// The GPU that is current when it is first used, with one stream for the whole process: primitives run in the order in which
// they are called, from whatever thread. Memory goes back to a cache of this class and from there, when the device has no more,
// to the device. Everything that fails throws Error with the text of CUDA: kind memory if the device is full, else kind device.
struct Gpu {
  static void* allocate(std::size_t bytes);
  static void release(void* data, std::size_t bytes) noexcept;
  static void copy(std::size_t bytes, const void* x, void* y);      // device to device
  static void upload(std::size_t bytes, const void* x, void* y);    // host to device; x may change when it returns
  static void download(std::size_t bytes, const void* x, void* y);  // device to host; waits for all that was asked for before

  // y = s · op(a) op(b), for each matrix of a batch, by cuBLAS; added to y if `accumulate`. A stride of 0 repeats an operand.
  template <class Real>
  static void multiply(Form form, Index batch, Index m, Index n, Index k, Real alpha, const Real* a, Index lda, Index stride_a,
                       const Real* b, Index ldb, Index stride_b, bool accumulate, Real* c, Index ldc, Index stride_c);

  static bool available() noexcept;  // there is a device that runs this build's kernels
  static std::string description();  // its name, memory and versions, or the reason why there is none
  static void wait();                // until all that was asked for is done; throws what went wrong meanwhile
  static void release_cached_memory();
};

}  // namespace cuda

// Real is float or double. All primitives give the same bits in every run on one kind of GPU.
template <class Real>
struct Cuda : cuda::Primitives<Real, cuda::Gpu> {};

}  // namespace cmoe
