#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <numeric>
#include <stdexcept>

#include "cmoe/core/parallel.hpp"

namespace cmoe::parallel_test {

TEST_CASE("every block runs exactly once, on any number of threads") {
  for (int threads = 1; threads <= 8; ++threads) {
    ThreadPool pool(threads);
    CHECK(pool.threads() == threads);
    for (Index blocks : {0, 1, 2, 7, 100}) {
      std::vector<std::atomic<int>> counts(static_cast<std::size_t>(blocks));
      pool.run(blocks, [&](Index i) { ++counts[static_cast<std::size_t>(i)]; });
      for (const auto& count : counts) CHECK(count == 1);
    }
  }
}

TEST_CASE("an exception of a body comes out once, and the pool works on") {
  for (int threads : {1, 2, 4}) {
    ThreadPool pool(threads);
    for (int round = 0; round < 20; ++round) {
      int caught = 0;
      try {
        pool.run(16, [](Index i) {
          if (i % 3 == 0) throw std::runtime_error("block");
        });
      } catch (const std::runtime_error&) {
        ++caught;
      }
      CHECK(caught == 1);
      std::atomic<Index> total{0};
      pool.run(100, [&](Index i) { total += i; });
      CHECK(total == 4950);
    }
  }
}

TEST_CASE("a nested loop runs on the calling thread") {
  ThreadPool pool(4);
  std::atomic<int> count{0};
  pool.run(8, [&](Index) { pool.run(8, [&](Index) { ++count; }); });
  CHECK(count == 64);
}

TEST_CASE("what one thread has not begun is taken by the others") {
  ThreadPool pool(2);
  std::atomic<int> done{0};
  pool.run(10, [&](Index i) {  // block 0 waits until most others have run, so they cannot all wait for its thread
    if (i == 0)
      for (int turn = 0; done < 8 && turn < 100000000; ++turn) std::this_thread::yield();
    ++done;
  });
  CHECK(done == 10);
}

TEST_CASE("loops after a pause, when the workers sleep, run as well") {
  ThreadPool pool(3);
  for (int round = 0; round < 3; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    std::atomic<Index> total{0};
    pool.run(100, [&](Index i) { total += i; });
    CHECK(total == 4950);
  }
}

TEST_CASE("loops of several threads follow one another") {
  ThreadPool pool(3);
  std::atomic<int> count{0};
  std::vector<std::thread> callers;
  for (int c = 0; c < 4; ++c)
    callers.emplace_back([&] {
      for (int round = 0; round < 50; ++round) pool.run(5, [&](Index) { ++count; });
    });
  for (std::thread& caller : callers) caller.join();
  CHECK(count == 1000);
}

TEST_CASE("the number of threads can change, but not to nonsense") {
  ThreadPool pool(2);
  for (int threads : {5, 1, 3}) {
    pool.resize(threads);
    CHECK(pool.threads() == threads);
    std::atomic<int> count{0};
    pool.run(10, [&](Index) { ++count; });
    CHECK(count == 10);
  }
  CHECK_THROWS_AS(ThreadPool(0), Error);
  CHECK_THROWS_AS(ThreadPool(2000), Error);
}

TEST_CASE("blocks of parallel_for cover the range and depend on the grain alone") {
  for (Index n : {0, 1, 7, 8, 9, 64, 1000}) {
    std::vector<std::atomic<int>> seen(static_cast<std::size_t>(n));
    parallel_for(n, 8, [&](Index begin, Index end) {
      CHECK(begin % 8 == 0);
      CHECK((end == n || end == begin + 8));
      for (Index i = begin; i < end; ++i) ++seen[static_cast<std::size_t>(i)];
    });
    for (const auto& count : seen) CHECK(count == 1);
  }
}

}  // namespace cmoe::parallel_test
