// How many handles share an object: an atomic count that costs no lock while the process has a single thread.
#pragma once

#include <atomic>
#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>
#endif

#include "cmoe/core/compiler.hpp"

namespace cmoe::detail {

// The C library keeps this flag: it falls when a thread is created, by the thread that creates it, so no count is ever changed
// by two threads of which one believes that it is alone.
inline bool single_threaded() {
#if __has_include(<sys/single_threaded.h>)
  return __libc_single_threaded;
#else
  return false;
#endif
}

class Owners {
 public:
  explicit Owners(int first = 1) : count_(first) {}

  void add() noexcept {
    if (single_threaded()) count_.store(count_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    else count_.fetch_add(1, std::memory_order_relaxed);
  }

  // True for the last owner, who releases the object. A sole owner needs no lock: nobody is left who could share with another.
  bool leave() noexcept {
    const int count = count_.load(std::memory_order_acquire);
    if (count == 1) return true;
    if (!single_threaded()) return count_.fetch_sub(1, std::memory_order_acq_rel) == 1;
    count_.store(count - 1, std::memory_order_relaxed);
    return false;
  }

  bool sole() const noexcept { return count_.load(std::memory_order_acquire) == 1; }

 private:
  std::atomic<int> count_;
};

}  // namespace cmoe::detail
