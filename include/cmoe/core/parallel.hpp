// The thread pool: one for the process, with a partition of the work that never depends on the number of threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "cmoe/core/shape.hpp"

namespace cmoe {

// Runs blocks of a loop on the calling thread and `threads() - 1` workers. Which thread takes a block is left to chance, what
// a block computes is not: the blocks are fixed by the caller, so results have the same bits for any number of threads.
class ThreadPool {
 public:
  explicit ThreadPool(int threads) { start(threads); }
  ~ThreadPool() { stop(); }
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  // Changes the number of threads; not to be called from inside a loop body.
  void resize(int threads) {
    if (threads == this->threads()) return;
    stop();
    start(threads);
  }

  // body(block) for every block in [0, blocks). The first exception of a body is rethrown here once all blocks have ended.
  // A nested call runs on the calling thread.
  template <class F>
  void run(Index blocks, F&& body) {
    if (blocks <= 0) return;
    if (blocks == 1 || workers_.empty() || inside_) {
      for (Index i = 0; i < blocks; ++i) body(i);
      return;
    }
    const std::lock_guard<std::mutex> one_loop_at_a_time(loop_);
    job_ = [](void* f, Index i) { (*static_cast<std::remove_reference_t<F>*>(f))(i); };
    argument_ = const_cast<void*>(static_cast<const void*>(&body));
    blocks_ = blocks;
    next_.store(0, std::memory_order_relaxed);
    pending_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
    error_ = nullptr;
    round_.fetch_add(1, std::memory_order_release);
    if (sleepers_.load(std::memory_order_seq_cst) > 0) {
      const std::lock_guard<std::mutex> lock(sleep_);
      wake_.notify_all();
    }
    work();
    for (int turn = 0; pending_.load(std::memory_order_acquire) != 0; ++turn)
      if (turn > 200) std::this_thread::yield();
    if (error_) std::rethrow_exception(error_);
  }

 private:
  void start(int threads) {
    check(threads >= 1 && threads <= 1024, ErrorKind::config, "threads: ", threads, " is not in 1..1024");
    ending_ = false;
    const unsigned seen = round_.load();
    for (int i = 1; i < threads; ++i) workers_.emplace_back([this, seen] { wait_for_work(seen); });
  }

  void stop() {
    ending_ = true;
    round_.fetch_add(1, std::memory_order_release);
    {
      const std::lock_guard<std::mutex> lock(sleep_);
      wake_.notify_all();
    }
    for (std::thread& worker : workers_) worker.join();
    workers_.clear();
  }

  // Spins for a moment, since most loops follow one another closely, then sleeps.
  void wait_for_work(unsigned seen) {
    inside_ = true;
    for (;;) {
      for (int turn = 0; turn < 4000 && round_.load(std::memory_order_acquire) == seen; ++turn) {
        if (turn % 64 == 63) std::this_thread::yield();
      }
      if (round_.load(std::memory_order_acquire) == seen) {
        std::unique_lock<std::mutex> lock(sleep_);
        sleepers_.fetch_add(1, std::memory_order_seq_cst);
        wake_.wait(lock, [&] { return round_.load(std::memory_order_seq_cst) != seen; });
        sleepers_.fetch_sub(1, std::memory_order_seq_cst);
      }
      seen = round_.load(std::memory_order_acquire);
      if (ending_) return;
      work();
      pending_.fetch_sub(1, std::memory_order_release);
    }
  }

  void work() {
    const bool outer = inside_;
    inside_ = true;
    for (Index i; (i = next_.fetch_add(1, std::memory_order_relaxed)) < blocks_;) {
      try {
        job_(argument_, i);
      } catch (...) {
        const std::lock_guard<std::mutex> lock(failure_);
        if (!error_) error_ = std::current_exception();
      }
    }
    inside_ = outer;
  }

  std::vector<std::thread> workers_;
  std::mutex loop_, sleep_, failure_;
  std::condition_variable wake_;
  std::atomic<unsigned> round_{0};
  std::atomic<int> pending_{0}, sleepers_{0};
  std::atomic<bool> ending_{false};
  std::atomic<Index> next_{0};
  Index blocks_ = 0;
  void (*job_)(void*, Index) = nullptr;
  void* argument_ = nullptr;
  std::exception_ptr error_;
  static inline thread_local bool inside_ = false;
};

// The pool of this process: CMOE_THREADS or as many threads as the machine has cores.
inline ThreadPool& pool() {
  static ThreadPool instance([] {
    const char* wanted = std::getenv("CMOE_THREADS");
    const int n = wanted ? std::atoi(wanted) : static_cast<int>(std::thread::hardware_concurrency());
    return std::clamp(n, 1, 1024);
  }());
  return instance;
}

// body(begin, end) over [0, n) in blocks of `grain`; blocks are independent, their borders depend on n and grain alone.
template <class F>
void parallel_for(Index n, Index grain, F&& body) {
  if (n <= 0) return;
  if (n <= grain) {
    body(Index{0}, n);
    return;
  }
  pool().run((n + grain - 1) / grain, [&](Index block) {
    const Index begin = block * grain;
    body(begin, std::min(n, begin + grain));
  });
}

}  // namespace cmoe
