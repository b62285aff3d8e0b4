// Execution on the GPU: the team of a thread block, launches, and errors with the text of CUDA. For nvcc only.
#pragma once

#include <cuda_runtime.h>

#include <cstring>

#include "cmoe/cuda/cuda.hpp"
#include "execute.cuh"

namespace cmoe::cuda {

cudaStream_t stream();  // of this process; throws Error if there is no device that can run the kernels

// Throws Error unless all is well: "gemm: out of memory (cudaErrorMemoryAllocation)".
void check_cuda(cudaError_t code, const char* what);

// The threads of one block.
template <int Threads>
struct DeviceTeam {
  template <class T>
  struct PerThread {
    T value;
    __device__ T& operator[](int) { return value; }
    __device__ const T& operator[](int) const { return value; }
  };

  __device__ Index block() const { return blockIdx.x; }
  __device__ Index blocks() const { return gridDim.x; }

  template <class F>
  __device__ void phase(const F& f) {
    f(static_cast<int>(threadIdx.x));
    __syncthreads();
  }

  // The values of all threads joined: those of 32 neighbours in a tree, the results of these in order.
  template <class T, class Op>
  __device__ T reduce(const PerThread<T>& values, T* part, const Op& op) {
    static_assert(Threads % warp == 0);
    T own = values.value;
    for (int step = warp / 2; step > 0; step /= 2) own = op(own, from_lane(own, step));
    if (threadIdx.x % warp == 0) part[threadIdx.x / warp] = own;
    __syncthreads();
    T all = part[0];
    for (int w = 1; w < Threads / warp; ++w) all = op(all, part[w]);
    __syncthreads();
    return all;
  }

 private:
  // What the lane so many steps further holds.
  template <class T>
  __device__ static T from_lane(const T& own, int step) {
    static_assert(sizeof(T) % 4 == 0);
    unsigned words[sizeof(T) / 4];
    memcpy(words, &own, sizeof(T));
    for (unsigned& word : words) word = __shfl_down_sync(0xffffffffu, word, static_cast<unsigned>(step));
    T other;
    memcpy(&other, words, sizeof(T));
    return other;
  }
};

inline constexpr int each_threads = 256;

// At least one block at a time is all that is asked for: without the 1, ptxas aims at more of them and spills registers for it.
template <class Body>
__global__ void __launch_bounds__(each_threads, 1) run_each(Index n, Body body) {
  const Index step = Index{gridDim.x} * each_threads;
  for (Index i = Index{blockIdx.x} * each_threads + threadIdx.x; i < n; i += step) body(i);
}

template <class Kernel>
__global__ void __launch_bounds__(Kernel::threads, 1) run_teams(Kernel kernel) {
  __shared__ typename Kernel::Shared shared;
  DeviceTeam<Kernel::threads> team;
  kernel(team, shared);
}

// Nothing: the kernel that is asked for to know whether any would run.
struct FindDevice {
  constexpr void operator()(Index) const {}
};

template <>
struct Execute<Gpu> {
  static constexpr Index most_blocks = 1 << 16;  // some waves of the largest devices; the rest is done in turns

  template <class Body>
  static void each(Index n, const Body& body) {
    if (n <= 0) return;
    const auto blocks = static_cast<unsigned>(std::min(ceil_divide(n, each_threads), most_blocks));
    run_each<<<blocks, each_threads, 0, stream()>>>(n, body);
    check_cuda(cudaGetLastError(), "launch");
  }

  template <class Kernel>
  static void teams(Index items, const Kernel& kernel) {
    if (items <= 0) return;
    run_teams<<<static_cast<unsigned>(std::min(items, most_blocks)), Kernel::threads, 0, stream()>>>(kernel);
    check_cuda(cudaGetLastError(), "launch");
  }
};

}  // namespace cmoe::cuda
