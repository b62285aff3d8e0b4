// Kernels in phases: what a kernel is, and what every kernel may use, on a device and on the host alike.
#pragma once

#include <algorithm>
#include <limits>

#include "cmoe/core/scalar.hpp"
#include "cmoe/cuda/primitives.hpp"

namespace cmoe::cuda {

// There are two kinds of kernels. All their functions are constexpr, which is how one body runs on the device and on the host.
//
// A body for each element: body(i) for i in 0..n-1, in any order, no element reading what another writes.
//
// A kernel for teams: `threads` numbers a team's threads, Shared is the team's shared memory, and
//     kernel(team, shared)
// does all work in phases. team.phase(f) calls f(t) for every thread t and then waits for all: a phase may read what an earlier one
// wrote, but never what another thread writes in the same phase. Outside of phases only sizes and addresses are computed, the same
// in all threads. A number that a thread keeps from phase to phase is a Team::PerThread<T>. A team takes the items block(),
// block() + blocks(), ... of its work, so that any number of teams can do it.
//
// Execute<Machine> runs them:   each(n, body)   and   teams(items, kernel).
template <class Machine>
struct Execute;

// Memory of the device that a primitive needs for itself.
template <class T, class Machine>
class Scratch {
 public:
  explicit Scratch(Index n) : buffer_(static_cast<std::size_t>(n) * sizeof(T)) {}
  T* data() const { return static_cast<T*>(buffer_.data()); }

 private:
  Buffer<Machine> buffer_;
};

constexpr Index ceil_divide(Index a, Index b) { return (a + b - 1) / b; }

// A team for each row: enough threads for wide rows, few enough that narrow ones do not idle much.
inline constexpr int row_threads = 128;
inline constexpr int warp = 32;

template <class Real>
struct RowShared {
  Real part[row_threads / warp];
};

struct Plus {
  template <class Real>
  constexpr Real operator()(Real a, Real b) const {
    return a + b;
  }
};
struct Greater {  // ignores NaN as Cpu does: the sum of exponentials will see it
  template <class Real>
  constexpr Real operator()(Real a, Real b) const {
    return max(b, a);
  }
};

// The sum of term(j) for j < n, the same number in all threads: each adds every row_threads-th, then a tree joins them.
template <class Team, class Real, class Term>
constexpr Real sum_of(Team& team, RowShared<Real>& shared, Index n, const Term& term) {
  typename Team::template PerThread<Real> sum;
  team.phase([&](int t) {
    Real own = 0;
    for (Index j = t; j < n; j += row_threads) own += term(j);
    sum[t] = own;
  });
  return team.reduce(sum, shared.part, Plus{});
}

template <class Team, class Real>
constexpr Real max_of(Team& team, RowShared<Real>& shared, Index n, const Real* x) {
  typename Team::template PerThread<Real> greatest;
  team.phase([&](int t) {
    Real own = -std::numeric_limits<Real>::infinity();
    for (Index j = t; j < n; j += row_threads) own = max(x[j], own);
    greatest[t] = own;
  });
  return team.reduce(greatest, shared.part, Greater{});
}

// write(j) for j < n by all threads.
template <class Team, class Write>
constexpr void for_columns(Team& team, Index n, const Write& write) {
  team.phase([&](int t) {
    for (Index j = t; j < n; j += row_threads) write(j);
  });
}

template <class Real>
constexpr bool finite(Real x) {
  return x - x == 0;
}

// Whether a stands before b in descending order; NaN counts as the greatest, so that it is seen.
template <class Real>
constexpr bool before(Real a, Real b) {
  return a > b || (a != a && b == b);
}

}  // namespace cmoe::cuda
