// What travels beside the activations through a model: who is valid, who is adapted how much, what was computed before.
#pragma once

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "cmoe/ops/index.hpp"
#include "cmoe/ops/layout.hpp"

namespace cmoe {

// Keys and values of earlier tokens in one attention layer, (N,S,Hkv,D) each. Appending to a single sequence copies nothing
// old until the capacity is used up. Where keys and values are one array, they are kept once.
template <class B>
class KvCache {
 public:
  Index length() const { return length_; }                         // tokens kept, prompts in front among them
  Index prompts = 0;                                               // in front: they have no position of their own
  Index scalars() const { return length_ == 0 ? 0 : keys_.size() + (once_ ? 0 : values_.size()); }  // that have room here

  // Adds the keys and values (N,T,Hkv,D) of new tokens and returns those of all tokens so far.
  std::pair<Array<B>, Array<B>> append(const Array<B>& keys, const Array<B>& values) {
    const Shape& s = keys.shape();
    check(s.rank() == 4 && values.shape() == s, "kv cache: keys ", s, " with values ", values.shape());
    check(length_ == 0 || (keys_.shape()[0] == s[0] && keys_.shape()[2] == s[2] && keys_.shape()[3] == s[3]), "kv cache: ", s,
          " after ", keys_.shape());
    const bool once = keys.data() == values.data();
    check(length_ == 0 || once == once_, ErrorKind::misuse, "kv cache: keys and values that are one array ", once ? "after" : "before",
          " such that are two");
    once_ = once;
    const Index total = length_ + s[1];
    if (!keys_ || total > keys_.shape()[1]) {
      const Index capacity = std::max<Index>(64, 2 * total);
      keys_ = moved(keys_, s.with(1, capacity));
      if (!once) values_ = moved(values_, s.with(1, capacity));
    }
    const Index row = s[2] * s[3], capacity = keys_.shape()[1];
    for (Index n = 0; n < s[0]; ++n) {
      B::copy(s[1] * row, keys.data() + n * s[1] * row, keys_.data() + (n * capacity + length_) * row);
      if (!once) B::copy(s[1] * row, values.data() + n * s[1] * row, values_.data() + (n * capacity + length_) * row);
    }
    length_ = total;
    return kept();
  }

  // What is there, without anything new.
  std::pair<Array<B>, Array<B>> kept() const {
    check(static_cast<bool>(keys_), ErrorKind::misuse, "kv cache: nothing was ever put in");
    Array<B> all_keys = used(keys_), all_values = once_ ? all_keys : used(values_);
    return {std::move(all_keys), std::move(all_values)};
  }

  // Forgets the tokens behind the first `length`.
  void cut(Index length) {
    check(length >= 0 && length <= length_, ErrorKind::misuse, "kv cache: cut to ", length, " of ", length_, " tokens");
    length_ = length;
    if (length == 0) keys_ = {}, values_ = {};
  }

 private:
  Array<B> moved(const Array<B>& old, const Shape& shape) const {
    Array<B> fresh(shape);
    const Index row = shape[2] * shape[3];
    for (Index n = 0; old && n < shape[0]; ++n)
      B::copy(length_ * row, old.data() + n * old.shape()[1] * row, fresh.data() + n * shape[1] * row);
    return fresh;
  }
  Array<B> used(const Array<B>& all) const {
    const Shape& s = all.shape();
    if (s[0] == 1) return all.reshape({s[1], s[2], s[3]}).rows(0, length_).reshape({1, length_, s[2], s[3]});
    Array<B> tight(s.with(1, length_));
    B::copy_block(s[0], length_ * s[2] * s[3], all.data(), s[1] * s[2] * s[3], false, tight.data(), length_ * s[2] * s[3]);
    return tight;
  }

  Array<B> keys_, values_;
  Index length_ = 0;
  bool once_ = false;
};

// Handed down by reference; nothing of it is stored in a global or in a layer.
template <class B>
struct Flow {
  Tensor<B> gates;                // (N,E) weight of each task's expert for each sequence; empty: no mixture is active
  Ids<B> prompt_first, prompt_last;  // (N) the range of prompt tokens: all that a gate may read
  Ids<B> first, last;             // (N) the range of valid tokens of each sequence; empty: all are valid
  Ids<B> scored;                  // (R) the positions of all N·T whose logits are asked for; empty: all of them
  KvCache<B>* cache = nullptr;    // keys and values of earlier tokens in this layer: generation
  std::vector<Tensor<B>>* auxiliary = nullptr;  // where layers put loss terms of their own; null: nobody asks for them
  const std::function<void(const Tensor<B>& newest, const Tensor<B>& x)>* observer = nullptr;  // is shown the inputs of observed maps
  bool training = false;          // dropout and exploration are on
  std::uint64_t dropout_key = 0;  // changes from step to step
};

// What the output layer should see of the residual stream: h (N,T,C), or (R,C) where only some positions are scored.
template <class B>
Tensor<B> scored_rows(const Tensor<B>& h, const Flow<B>& flow) {
  if (!flow.scored) return h;
  const Shape& s = h.shape();
  return gather_rows(reshape(h, {s[0] * s[1], s[2]}), flow.scored);
}

}  // namespace cmoe
