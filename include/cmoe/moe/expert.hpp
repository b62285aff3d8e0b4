// Slabs of expert weights: one (E,in,out) array for the experts a layer began with, one more for each insertion.
#pragma once

#include "cmoe/moe/dispatch.hpp"
#include "cmoe/nn/init.hpp"
#include "cmoe/nn/module.hpp"
#include "cmoe/ops/layout.hpp"

namespace cmoe {

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

  Tensor<B> all() const {  // (E,in,out); a copy only if there are several slabs
    if (slabs.size() == 1) return slabs[0];
    return concat_rows(std::vector<Tensor<B>>(slabs.begin(), slabs.end()));
  }

  static void visit(auto& self, auto&& v) { v("slabs", self.slabs); }
};

}  // namespace cmoe
