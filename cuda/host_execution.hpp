// The host as a device: runs the kernels of the GPU thread by thread, in any order, and keeps their memory from everybody else.
#pragma once

#include <cstring>
#include <functional>
#include <vector>

#include "cmoe/core/random.hpp"
#include "execute.cuh"

namespace cmoe {

namespace cuda {

// In which order the threads of a team take their turns in a phase, and teams and elements theirs. Nothing may depend on it.
enum class Order { forward, reverse, random };

// Memory lies in pages that may be read and written only while a kernel runs or bytes are copied: a primitive or a model that looks
// through a device pointer dies at once. Fresh memory holds NaN. Under the address sanitizer every block is one of its own, with
// its borders watched, and is poisoned while no kernel runs.
struct HostExecution {
  static void* allocate(std::size_t bytes);
  static void release(void* data, std::size_t bytes) noexcept;
  static void copy(std::size_t bytes, const void* x, void* y);
  static void upload(std::size_t bytes, const void* x, void* y);
  static void download(std::size_t bytes, const void* x, void* y);

  template <class Real>
  static void multiply(Form form, Index batch, Index m, Index n, Index k, Real alpha, const Real* a, Index lda, Index stride_a,
                       const Real* b, Index ldb, Index stride_b, bool accumulate, Real* c, Index ldc, Index stride_c);

  // While this lives, one thread at a time may use the memory. Nests.
  class Access {
   public:
    Access();
    ~Access();
    Access(const Access&) = delete;
    Access& operator=(const Access&) = delete;
  };

  static inline Order order = Order::forward;
  static inline Index most_teams = 3;  // few, so that each has to go on to further items

  // body(i) for i < n in the order that is set.
  template <class Body>
  static void turns(Index n, const Body& body) {
    if (order == Order::random) {
      for (const Index i : shuffled(n)) body(i);
    } else {
      for (Index i = 0; i < n; ++i) body(order == Order::forward ? i : n - 1 - i);
    }
  }

 private:
  static std::vector<Index> shuffled(Index n);
};

// All threads of a team in one, as in gpu.cuh.
template <int Threads>
class HostTeam {
 public:
  template <class T>
  struct PerThread {
    T values[Threads];
    PerThread() { std::memset(static_cast<void*>(values), 0xff, sizeof(values)); }  // NaN
    T& operator[](int t) { return values[t]; }
    const T& operator[](int t) const { return values[t]; }
  };

  HostTeam(Index block, Index blocks) : block_(block), blocks_(blocks) {}
  Index block() const { return block_; }
  Index blocks() const { return blocks_; }

  template <class F>
  void phase(const F& f) {
    HostExecution::turns(Threads, [&](Index t) { f(static_cast<int>(t)); });
  }

  template <class T, class Op>
  T reduce(const PerThread<T>& values, T* part, const Op& op) {
    for (int first = 0; first < Threads; first += warp) {
      T own[warp];
      std::copy_n(values.values + first, warp, own);
      for (int step = warp / 2; step > 0; step /= 2)
        for (int lane = 0; lane < step; ++lane) own[lane] = op(own[lane], own[lane + step]);
      part[first / warp] = own[0];
    }
    T all = part[0];
    for (int w = 1; w < Threads / warp; ++w) all = op(all, part[w]);
    return all;
  }

 private:
  Index block_, blocks_;
};

template <>
struct Execute<HostExecution> {
  template <class Body>
  static void each(Index n, const Body& body) {
    if (n <= 0) return;
    const HostExecution::Access open;
    HostExecution::turns(n, body);
  }

  template <class Kernel>
  static void teams(Index items, const Kernel& kernel) {
    if (items <= 0) return;
    const HostExecution::Access open;
    const Index teams = std::min(items, HostExecution::most_teams);
    HostExecution::turns(teams, [&](Index block) {
      typename Kernel::Shared shared;
      std::memset(static_cast<void*>(&shared), 0xff, sizeof(shared));  // NaN
      HostTeam<Kernel::threads> team(block, teams);
      kernel(team, shared);
    });
  }
};

}  // namespace cuda

// A backend that runs the kernels of Cuda<Real> on the host: slow, for tests on machines without a GPU.
template <class Real>
struct Emulated : cuda::Primitives<Real, cuda::HostExecution> {};

}  // namespace cmoe
