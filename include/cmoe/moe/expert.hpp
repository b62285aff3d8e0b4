// Slabs of expert weights: one (E,in,out) array for the experts a layer began with, one more for each insertion.
#pragma once

#include "cmoe/moe/dispatch.hpp"
#include "cmoe/nn/init.hpp"
#include "cmoe/nn/module.hpp"
#include "cmoe/ops/layout.hpp"

namespace cmoe {

// How inserted experts begin: with output zero and small random router rows, or as copies of experts that are there, rows included.
enum class Insertion { zero_output, copies };

namespace detail {
// `count` different experts of `experts`, or with repetition if there are not so many.
inline std::vector<Index> draw_experts(Index count, Index experts, Rng rng) {
  std::vector<Index> order(static_cast<std::size_t>(experts)), drawn;
  for (std::size_t e = 0; e < order.size(); ++e) order[e] = static_cast<Index>(e);
  rng.shuffle(order);
  for (Index i = 0; i < count; ++i) drawn.push_back(order[static_cast<std::size_t>(i % experts)]);
  return drawn;
}
}  // namespace detail

// The weights of many experts of one shape. Slabs are what is frozen and trained: old ones keep, new ones learn.
template <class B>
struct ExpertWeights {
  std::vector<Param<B>> slabs;  // (E_i,in,out)

  ExpertWeights() = default;
  ExpertWeights(Index experts, Index in, Index out, double deviation, const Rng& rng) {
    slabs.push_back(init::normal<B>({experts, in, out}, deviation, rng.fork("slab")));
  }

  void insert(Index experts, double deviation, const Rng& rng) {
    const Shape& s = slabs[0].shape();
    slabs.push_back(init::normal<B>({experts, s[1], s[2]}, deviation, rng.fork("slab").fork(static_cast<std::uint64_t>(slabs.size()))));
  }

  // Appends copies of experts that are there.
  void insert_copies(const std::vector<Index>& sources) {
    const Shape s = slabs[0].shape();
    const Index size = s[1] * s[2];
    const Array<B> from = all().value();
    Array<B> copies(s.with(0, static_cast<Index>(sources.size())));
    for (std::size_t i = 0; i < sources.size(); ++i)
      B::copy(size, from.data() + sources[i] * size, copies.data() + static_cast<Index>(i) * size);
    slabs.emplace_back(std::move(copies));
  }

  Tensor<B> all() const {  // (E,in,out); a copy only if there are several slabs
    if (slabs.size() == 1) return slabs[0];
    return concat_rows(std::vector<Tensor<B>>(slabs.begin(), slabs.end()));
  }

  static void visit(auto& self, auto&& v) { v("slabs", self.slabs); }
};

}  // namespace cmoe
