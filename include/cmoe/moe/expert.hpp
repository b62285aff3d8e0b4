// Slabs of expert weights: one (E,in,out) array for the experts a layer began with, one more for each insertion.
#pragma once

#include "cmoe/moe/dispatch.hpp"
#include "cmoe/moe/router.hpp"
#include "cmoe/nn/init.hpp"
#include "cmoe/nn/module.hpp"
#include "cmoe/ops/layout.hpp"

namespace cmoe {

// How inserted experts begin.                                                          spec/moduleformer.md section 7: ours
enum class Insertion {
  zero_output,  // random, but their output map is 0: they add nothing, the old weights shrink by Z_old / (Z_old + Z_new)
  copies,       // copies of experts that are there, router rows included and a little disturbed
  split,        // exact copies that share the probability of their source: with all experts chosen the output stays the same
  random,       // as those that a layer begins with
  masked        // random and out of every decision until enable(): the output stays the same to the bit
};

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
  double deviation = 0;         // of initial values

  ExpertWeights() = default;
  ExpertWeights(Index experts, Index in, Index out, double initial_deviation, const Rng& rng) : deviation(initial_deviation) {
    slabs.push_back(init::normal<B>({experts, in, out}, deviation, rng.fork("slab")));
  }

  // Appends new experts with random weights, or with weights 0.
  void insert(Index experts, bool zero, const Rng& rng) {
    const Shape& s = slabs[0].shape();
    slabs.push_back(init::normal<B>({experts, s[1], s[2]}, zero ? 0 : deviation,
                                    rng.fork("slab").fork(static_cast<std::uint64_t>(slabs.size()))));
  }

  // Appends copies of experts that are there.
  void insert_copies(const std::vector<Index>& sources) { slabs.emplace_back(detail::rows_taken(all().value(), sources)); }

  // Keeps the named experts, ascending.
  void keep(const std::vector<Index>& kept) { slabs = detail::kept_slabs(slabs, kept); }

  Tensor<B> all() const {  // (E,in,out); a copy only if there are several slabs
    if (slabs.size() == 1) return slabs[0];
    return concat_rows(std::vector<Tensor<B>>(slabs.begin(), slabs.end()));
  }

  static void visit(auto& self, auto&& v) { v("slabs", self.slabs); }
};

namespace detail {

// Inserts experts into a router and both maps of its mixture.
template <class B, class RouterOn>
void insert_experts(RouterOn& router, ExpertWeights<B>& in, ExpertWeights<B>& out, Index count, const Rng& rng, Insertion how,
                    const char* in_name, const char* out_name) {
  if (how == Insertion::copies || how == Insertion::split) {
    const std::vector<Index> sources = draw_experts(count, router.experts(), rng.fork("sources"));
    if (how == Insertion::copies) router.insert_copies(sources, rng.fork("router"));
    else router.insert_split(sources);
    in.insert_copies(sources);
    out.insert_copies(sources);
    return;
  }
  router.insert(count, rng.fork("router"));
  in.insert(count, false, rng.fork(in_name));
  out.insert(count, how == Insertion::zero_output, rng.fork(out_name));
  if (how == Insertion::masked) router.mask();
}

}  // namespace detail

}  // namespace cmoe
