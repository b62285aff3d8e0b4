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
    error_ = nullptr;
    const Index sharers = threads();
    for (Index i = 0; i < sharers; ++i) {
      shares_[static_cast<std::size_t>(i)].next.store(blocks * i / sharers, std::memory_order_relaxed);
      shares_[static_cast<std::size_t>(i)].end = blocks * (i + 1) / sharers;
    }
    gate_.fetch_add(next_round | open, std::memory_order_seq_cst);
    if (sleepers_.load(std::memory_order_seq_cst) > 0) {
      const std::lock_guard<std::mutex> lock(sleep_);
      wake_.notify_all();
    }
    work(0);
    // Workers that come too late find the gate closed, and nobody waits for them.
    gate_.fetch_sub(open, std::memory_order_acq_rel);
    for (int turn = 0; (gate_.load(std::memory_order_acquire) & inside_now) != 0; ++turn)
      if (turn > 200) std::this_thread::yield();
    if (error_) std::rethrow_exception(error_);
  }

 private:
  // The gate's word: how many workers are inside, whether more may enter, and the number of the loop.
  static constexpr std::uint64_t inside_now = 0xffff, open = 0x10000, next_round = 0x20000;

  // The blocks of one thread. Each begins with its own, so that neighbouring loops find their data where the last one left it,
  // and goes on with what others have not begun.
  struct alignas(64) Share {
    std::atomic<Index> next{0};
    Index end = 0;
  };

  void start(int threads) {
    check(threads >= 1 && threads <= 1024, ErrorKind::config, "threads: ", threads, " is not in 1..1024");
    ending_ = false;
    shares_ = std::make_unique<Share[]>(static_cast<std::size_t>(threads));
    const std::uint64_t seen = gate_.load();
    for (int i = 1; i < threads; ++i) workers_.emplace_back([this, seen, i] { wait_for_work(seen, static_cast<std::size_t>(i)); });
  }

  void stop() {
    ending_ = true;
    gate_.fetch_add(next_round, std::memory_order_seq_cst);
    {
      const std::lock_guard<std::mutex> lock(sleep_);
      wake_.notify_all();
    }
    for (std::thread& worker : workers_) worker.join();
    workers_.clear();
  }

  static bool same_round(std::uint64_t a, std::uint64_t b) { return a / next_round == b / next_round; }

  // Spins for a moment, since most loops follow one another closely, then sleeps.
  void wait_for_work(std::uint64_t seen, std::size_t me) {
    inside_ = true;
    for (;;) {
      for (int turn = 0; turn < 8000 && same_round(gate_.load(std::memory_order_acquire), seen); ++turn)
        if (turn % 64 == 63) std::this_thread::yield();
      if (same_round(gate_.load(std::memory_order_acquire), seen)) {
        std::unique_lock<std::mutex> lock(sleep_);
        sleepers_.fetch_add(1, std::memory_order_seq_cst);
        wake_.wait(lock, [&] { return !same_round(gate_.load(std::memory_order_seq_cst), seen); });
        sleepers_.fetch_sub(1, std::memory_order_seq_cst);
      }
      seen = gate_.load(std::memory_order_acquire);
      if (ending_) return;
      while ((seen & open) != 0)
        if (gate_.compare_exchange_weak(seen, seen + 1, std::memory_order_acq_rel, std::memory_order_acquire)) {
          work(me);
          gate_.fetch_sub(1, std::memory_order_acq_rel);
          break;
        }
    }
  }

  void work(std::size_t me) {
    const bool outer = inside_;
    inside_ = true;
    const std::size_t sharers = workers_.size() + 1;
    for (std::size_t turn = 0; turn < sharers; ++turn) {
      Share& share = shares_[(me + turn) % sharers];
      for (Index i; (i = share.next.fetch_add(1, std::memory_order_relaxed)) < share.end;) {
        try {
          job_(argument_, i);
        } catch (...) {
          const std::lock_guard<std::mutex> lock(failure_);
          if (!error_) error_ = std::current_exception();
        }
      }
    }
    inside_ = outer;
  }

  std::vector<std::thread> workers_;
  std::unique_ptr<Share[]> shares_;  // one for each thread, the calling one first
  std::mutex loop_, sleep_, failure_;
  std::condition_variable wake_;
  std::atomic<std::uint64_t> gate_{0};
  std::atomic<int> sleepers_{0};
  std::atomic<bool> ending_{false};
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
