// Positions as a bias of the scores: one number a head for every bucket of distances.                          T5, arXiv 1910.10683
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "cmoe/nn/init.hpp"
#include "cmoe/ops/arithmetic.hpp"
#include "cmoe/ops/index.hpp"
#include "cmoe/ops/layout.hpp"

namespace cmoe {

// The bucket of a key `ahead` of its query (behind it if negative). Half of the buckets hold one distance each, the others grow
// logarithmically up to `max_distance` and hold all beyond. Where keys on both sides are seen each side has half of the buckets; else
// keys ahead share the bucket of distance 0.
// The logarithm is taken in float, as in the released code: a distance on the border of two buckets falls where it fell in training.
inline Id relative_bucket(Index ahead, Index buckets, Index max_distance, bool both_sides) {
  const Index own = both_sides ? buckets / 2 : buckets, base = both_sides && ahead > 0 ? own : 0;
  const Index distance = both_sides ? std::abs(ahead) : std::max<Index>(-ahead, 0), exact = own / 2;
  if (distance < exact) return static_cast<Id>(base + distance);
  const float share = std::log(static_cast<float>(distance) / static_cast<float>(exact)) /
                      static_cast<float>(std::log(static_cast<double>(max_distance) / static_cast<double>(exact)));
  return static_cast<Id>(base + std::min(own - 1, exact + static_cast<Index>(share * static_cast<float>(own - exact))));
}

// b_ij of every head for queries i and keys j, shared by the layers of a stack.
template <class B>
struct RelativeBias {
  Param<B> weight;  // (buckets,H)
  Index max_distance = 128;
  bool both_sides = true;  // else a key ahead of its query is hidden: a bias of −inf

  RelativeBias() = default;
  // Not yet filled: whoever makes it assigns the weights.
  RelativeBias(Index buckets, Index heads, Index distance, bool both) : weight(Array<B>({buckets, heads})), max_distance(distance), both_sides(both) {
    check(buckets >= 4 && buckets % 2 == 0 && distance > buckets / 2, ErrorKind::config, "relative bias: ", buckets, " buckets for distances up to ",
          distance);
  }

  // For `queries` at the end of `keys` positions -> (H,T,S)
  Tensor<B> operator()(Index queries, Index keys) const {
    using Real = typename B::Scalar;
    const Index heads = weight.shape()[1], offset = keys - queries;
    std::vector<Id> by_distance, buckets;  // from keys-1 behind on
    std::vector<Real> hidden;
    for (Index ahead = 1 - keys; ahead < queries; ++ahead) by_distance.push_back(relative_bucket(ahead, weight.shape()[0], max_distance, both_sides));
    buckets.reserve(static_cast<std::size_t>(queries * keys));
    for (Index i = 0; i < queries; ++i)
      for (Index j = 0; j < keys; ++j) {
        buckets.push_back(by_distance[static_cast<std::size_t>(j - i - offset + keys - 1)]);
        if (!both_sides) hidden.push_back(j > i + offset ? -std::numeric_limits<Real>::infinity() : Real(0));
      }
    const Tensor<B> rows = gather_rows(weight, Ids<B>({queries * keys}, buckets));  // (T·S,H)
    const Tensor<B> bias = reshape(swap_axes(rows, 0), {heads, queries, keys});
    return both_sides || queries == 1 ? bias : bias + Tensor<B>({queries, keys}, std::span<const Real>(hidden));
  }

  static void visit(auto& self, auto&& v) { v("weight", self.weight); }
};

}  // namespace cmoe
