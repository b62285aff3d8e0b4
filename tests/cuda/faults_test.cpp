// Kernels with faults: what the host execution is there to find, each found.
#include <doctest/doctest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <csignal>

#include "cmoe/core/array.hpp"
#include "host_execution.hpp"

namespace cmoe::cuda_faults_test {
using cuda::Execute, cuda::HostExecution, cuda::Order;

namespace {

using B = Emulated<double>;
constexpr int width = 64;

// y[i] = x[i] + x[i + 1] by way of shared memory, with all that can go wrong.
enum class Fault { none, race, global_race, tail, no_turns, stale_shared };

template <Fault fault>
struct NeighbourKernel {
  static constexpr int threads = width;
  struct Shared {
    double x[width + 1];
  };
  Index n;
  const double* x;
  double* y;

  template <class Team>
  constexpr void operator()(Team& team, Shared& shared) const {
    for (Index begin = team.block() * width; begin < n; begin += team.blocks() * width) {
      const auto load = [&](int t) {
        const Index i = begin + t;
        if (fault != Fault::tail || begin + width <= n) shared.x[t] = i < n ? x[i] : 0;
        if (fault != Fault::stale_shared && t == width - 1) shared.x[width] = i + 1 < n ? x[i + 1] : 0;
      };
      const auto add = [&](int t) {
        if (begin + t < n) y[begin + t] = shared.x[t] + shared.x[t + 1];
      };
      if (fault == Fault::race) {
        team.phase([&](int t) {
          load(t);
          add(t);  // the neighbour may not have loaded yet
        });
      } else {
        team.phase(load);
        team.phase(add);
      }
      if (fault == Fault::global_race) team.phase([&](int t) {
          if (t + 1 < width && begin + t + 1 < n) y[begin + t] += y[begin + t + 1];
        });
      if (fault == Fault::no_turns) return;
    }
  }
};

struct BeyondBody {  // reads one element too many at the end
  const double* x;
  double* y;
  constexpr void operator()(Index i) const { y[i] = x[i + 1]; }
};

constexpr Index n = 5 * width + 7;

template <class Kernel>
std::vector<double> run(const Kernel& kernel, Order order, Array<B>& y) {
  HostExecution::order = order;
  Execute<HostExecution>::teams(6, kernel);
  HostExecution::order = Order::forward;
  return y.values();
}
template <Fault fault>
std::vector<double> run(Order order) {
  std::vector<double> values(n);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i * i % 31);
  const Array<B> x({n}, std::span<const double>(values));
  Array<B> y({n});
  return run(NeighbourKernel<fault>{n, x.data(), y.data()}, order, y);
}

bool same(const std::vector<double>& a, const std::vector<double>& b) {
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!(a[i] == b[i])) return false;
  return true;
}
bool sound(const std::vector<double>& y) {
  for (std::size_t i = 0; i + 1 < y.size(); ++i)
    if (!(y[i] == static_cast<double>(i * i % 31 + (i + 1) * (i + 1) % 31))) return false;
  return true;
}

// Whether a process that does this comes to a bad end.
template <class F>
bool dies(const F& f) {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::close(STDERR_FILENO);
    std::signal(SIGSEGV, SIG_DFL);
    f();
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

bool watched() { return !cmoe::detail::cache_blocks; }  // by the address sanitizer

}  // namespace

TEST_CASE("a sound kernel gives the same bits in every order") {
  for (const Order order : {Order::forward, Order::reverse, Order::random}) CHECK(sound(run<Fault::none>(order)));
}

TEST_CASE("a race in shared memory and one in global memory show as results that depend on the order") {
  CHECK_FALSE(same(run<Fault::race>(Order::forward), run<Fault::race>(Order::reverse)));
  CHECK_FALSE(same(run<Fault::race>(Order::forward), run<Fault::race>(Order::random)));
  CHECK_FALSE(same(run<Fault::global_race>(Order::forward), run<Fault::global_race>(Order::reverse)));
}

TEST_CASE("a wrong tail, a team that leaves its further items, and shared memory that nobody wrote show as NaN") {
  CHECK_FALSE(sound(run<Fault::tail>(Order::forward)));
  CHECK_FALSE(sound(run<Fault::no_turns>(Order::forward)));
  CHECK_FALSE(sound(run<Fault::stale_shared>(Order::forward)));
}

TEST_CASE("a read behind an array ends the process under the address sanitizer, and finds NaN elsewhere") {
  const Array<B> x({n}, 1.0);
  Array<B> y({n});
  const auto read = [&] { Execute<HostExecution>::each(n, BeyondBody{x.data(), y.data()}); };
  if (watched()) {
    CHECK(dies(read));
  } else {
    read();
    CHECK(std::isnan(y.values().back()));
  }
  CHECK_FALSE(dies([&] { Execute<HostExecution>::each(n - 1, BeyondBody{x.data(), y.data()}); }));
}

TEST_CASE("who looks through a device pointer outside of a kernel comes to a bad end") {
  const Array<B> x({n}, 1.0);
  volatile double* const inside = const_cast<double*>(x.data()) + 3;
  CHECK(dies([&] { static_cast<void>(*inside); }));
  CHECK(dies([&] { *inside = 2; }));
  CHECK_FALSE(dies([&] {
    const HostExecution::Access open;
    ::_exit(x.data()[3] == 1.0 ? 0 : 1);
  }));
}

}  // namespace cmoe::cuda_faults_test
