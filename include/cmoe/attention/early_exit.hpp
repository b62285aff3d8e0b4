// Stick-breaking attention of one new token that stops walking when nothing is left to take.
#pragma once

#include "cmoe/attention/stick.hpp"
#include "cmoe/ops/layout.hpp"
#include "cmoe/ops/matmul.hpp"

namespace cmoe {

// What the walk that ends early gives, and how far it went.
template <class B>
struct EarlyExit {
  StickBreak<B> walk;   // out (N,1,H,D), rest (N,1,H): what was left where the walk ended
  Index visited = 0;    // keys looked at, over all sequences
};

// The walk goes in blocks from the newest keys to the oldest and ends behind the block where every head of a sequence has less than
// epsilon left of its stick: blocks combine as out = out_new + rest_new · out_old, rest = rest_new · rest_old.
// q (N,1,H,D), k, v (N,S,Hkv,D). The output differs from the whole walk's by at most epsilon · max |v|, because all that was not
// visited would have shared less than epsilon. No gradient: for generation.
// throws Error if the shapes do not fit, there is more than one query a sequence, epsilon is not in (0,1), or block < 1
// ours: spec/moduleformer.md section 3; softmax attention has no such bound
template <class B>
EarlyExit<B> stickbreaking_early_exit(const Tensor<B>& q, const Tensor<B>& k, const Tensor<B>& v, double scale, double epsilon,
                                      bool attend_current = true, Index block = 32) {
  using Real = typename B::Scalar;
  const AttentionShape shape = detail::attention_shape("stickbreaking_early_exit", q, k, v, {}, {});
  check(shape.queries == 1, "stickbreaking_early_exit: queries ", q.shape(), ", one token at a time");
  check(epsilon > 0 && epsilon < 1 && block >= 1, ErrorKind::config, "stickbreaking_early_exit: epsilon ", epsilon, " in blocks of ", block);
  const Index heads = shape.heads, d = shape.head_size;
  Array<B> out(q.shape(), Real(0)), rest({shape.sequences, 1, heads}, Real(1));
  EarlyExit<B> result;
  for (Index n = 0; n < shape.sequences; ++n) {
    const auto part = [&](const Tensor<B>& x, Index begin, Index end) {
      const Shape& s = x.shape();
      return Tensor<B>(x.value().rows(n, n + 1).reshape({s[1], s[2], s[3]}).rows(begin, end).reshape({1, end - begin, s[2], s[3]}));
    };
    Array<B> left = rest.rows(n, n + 1).reshape({heads, 1}), sum = out.rows(n, n + 1).reshape({heads, d});
    for (Index end = shape.keys; end > 0; end -= block) {
      const Index begin = std::max<Index>(0, end - block);
      const StickBreak<B> here = stickbreaking_attention(part(q, 0, 1), part(k, begin, end), part(v, begin, end), scale,
                                                         end < shape.keys || attend_current);
      result.visited += end - begin;
      const Tensor<B> taken = reshape(here.out, {heads, d}).detach() * Tensor<B>(left);
      B::axpy(sum.size(), Real(1), taken.data(), sum.data());
      B::template zip<fn::Multiply>(heads, left.data(), here.rest.data(), left.data());
      const std::vector<Real> remaining = left.values();
      if (*std::max_element(remaining.begin(), remaining.end()) < static_cast<Real>(epsilon)) break;
    }
  }
  result.walk = {Tensor<B>(std::move(out)), Tensor<B>(std::move(rest))};
  return result;
}

}  // namespace cmoe
