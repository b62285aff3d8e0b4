// A stable counting sort of ids, and the check of their range.
#pragma once

#include <vector>

#include "execute.cuh"

namespace cmoe::cuda {

// Raises a flag where an id lies outside. Many threads may write, all the same.
struct FindOutsideBody {
  const Id* ids;
  Index limit;
  Id allowed;
  Id* found;
  constexpr void operator()(Index i) const {
    if ((ids[i] < 0 || ids[i] >= limit) && ids[i] != allowed) *found = 1;
  }
};

inline constexpr Index sort_chunk = 256;

// counts (groups,chunks): how many ids of a chunk are of a group. An element for each pair.
struct CountBody {
  Index n, chunks;
  const Id* ids;
  Index* counts;
  constexpr void operator()(Index i) const {
    const Index group = i / chunks, begin = i % chunks * sort_chunk;
    Index count = 0;
    for (Index at = begin; at < std::min(n, begin + sort_chunk); ++at) count += ids[at] == group ? 1 : 0;
    counts[i] = count;
  }
};

// Each of n counts becomes the sum of those before it, by one team: every thread adds a stretch, the stretches' sums are added in
// order, then every thread goes over its stretch again.
struct PrefixKernel {
  static constexpr int threads = 256;
  struct Shared {
    Index sums[threads];
  };
  Index n;
  Index* counts;

  template <class Team>
  constexpr void operator()(Team& team, Shared& shared) const {
    const Index stretch = ceil_divide(n, threads);
    team.phase([&](int t) {
      Index sum = 0;
      for (Index i = t * stretch; i < std::min(n, (t + 1) * stretch); ++i) sum += counts[i];
      shared.sums[t] = sum;
    });
    team.phase([&](int t) {
      if (t != 0) return;
      Index before = 0;
      for (Index& sum : shared.sums) {
        const Index own = sum;
        sum = before;
        before += own;
      }
    });
    team.phase([&](int t) {
      Index before = shared.sums[t];
      for (Index i = t * stretch; i < std::min(n, (t + 1) * stretch); ++i) {
        const Index own = counts[i];
        counts[i] = before;
        before += own;
      }
    });
  }
};

// The ids of a group in a chunk get their places in order. An element for each pair.
struct PlaceBody {
  Index n, chunks;
  const Id* ids;
  const Index* places;
  Id* order;
  constexpr void operator()(Index i) const {
    const Index group = i / chunks, begin = i % chunks * sort_chunk;
    Index place = places[i];
    for (Index at = begin; at < std::min(n, begin + sort_chunk); ++at)
      if (ids[at] == group) order[place++] = static_cast<Id>(at);
  }
};

// offsets[g] = where group g's first chunk begins
struct OffsetsBody {
  Index chunks;
  const Index* places;
  Index* offsets;
  constexpr void operator()(Index group) const { offsets[group] = places[group * chunks]; }
};

template <class Machine>
bool Sorting<Machine>::ids_within(Index n, const Id* ids, Index limit, Id allowed) {
  const Scratch<Id, Machine> found(1);
  Memory<Machine>::fill(1, Id{0}, found.data());
  Execute<Machine>::each(n, FindOutsideBody{ids, limit, allowed, found.data()});
  Id flag = 0;
  Memory<Machine>::download(1, found.data(), &flag);
  return flag == 0;
}

template <class Machine>
void Sorting<Machine>::sort_by_group(Index n, Index groups, const Id* ids, Id* order, Index* offsets) {
  std::fill_n(offsets, groups + 1, Index{0});
  if (n == 0 || groups == 0) return;
  const Index chunks = ceil_divide(n, sort_chunk);
  const Scratch<Index, Machine> places(groups * chunks), begins(groups);
  Execute<Machine>::each(groups * chunks, CountBody{n, chunks, ids, places.data()});
  Execute<Machine>::teams(1, PrefixKernel{groups * chunks, places.data()});
  Execute<Machine>::each(groups * chunks, PlaceBody{n, chunks, ids, places.data(), order});
  Execute<Machine>::each(groups, OffsetsBody{chunks, places.data(), begins.data()});
  Memory<Machine>::download(groups, begins.data(), offsets);
  offsets[groups] = n;
}

}  // namespace cmoe::cuda
