// What the kinds of attention share: the shapes, the checks and the concept.
#pragma once

#include <cmath>
#include <concepts>

#include "cmoe/nn/flow.hpp"

namespace cmoe {

namespace detail {

// The sizes of one attention, read from q (N,T,H,D) and k, v (N,S,Hkv,D).
template <class B>
AttentionShape attention_shape(const char* op, const Tensor<B>& q, const Tensor<B>& k, const Tensor<B>& v, const Ids<B>& first,
                               const Ids<B>& last) {
  const Shape &qs = q.shape(), &ks = k.shape();
  check(qs.rank() == 4 && ks.rank() == 4 && v.shape() == ks && qs[0] == ks[0] && qs[3] == ks[3] && qs[1] <= ks[1] && ks[2] > 0 &&
            qs[2] % ks[2] == 0,
        op, ": queries ", qs, ", keys ", ks, ", values ", v.shape(), " do not fit");
  for (const Ids<B>* range : {&first, &last}) {
    if (!*range) continue;
    check(range->size() == qs[0], op, ": ", range->size(), " ranges for ", qs[0], " sequences");
    check(B::ids_within(range->size(), range->data(), ks[1] + 1, 0), ErrorKind::index, op, ": a range leaves the ", ks[1], " keys");
  }
  return {qs[0], qs[1], ks[1], qs[2], ks[2], qs[3]};
}

}  // namespace detail

// A kind of attention: given queries (N,T,H,D), keys and values (N,S,Hkv,D), it gives (N,T,H,D). `positions` is called on the
// queries and on the keys before they meet; kinds without position encoding return them as they are.
template <class A, class B>
concept Attention = requires(const A& attention, const Tensor<B>& x, const Flow<B>& flow, Index start) {
  { attention.positions(x, start) } -> std::same_as<Tensor<B>>;
  { attention(x, x, x, flow) } -> std::same_as<Tensor<B>>;
};

}  // namespace cmoe
