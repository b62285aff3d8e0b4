#include <doctest/doctest.h>

#include "cmoe/attention/causal.hpp"
#include "cmoe/attention/self_attention.hpp"
#include "cmoe/attention/stickbreaking.hpp"
#include "ops/draw.hpp"

namespace cmoe::attention_test {

using draw::B, draw::Draw, draw::T;

namespace {

double worst(const T& a, const T& b) {
  REQUIRE(a.shape() == b.shape());
  double largest = 0;
  for (Index i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a.data()[i] - b.data()[i]));
  return largest;
}

// Tokens begin..end of x (N,T,...), N > 0.
T tokens(const T& x, Index begin, Index end) {
  const Shape& s = x.shape();
  const T turned = swap_axes(reshape(x, {s[0], s[1], x.size() / s[0] / s[1]}), 0);
  return reshape(swap_axes(slice_rows(turned, begin, end), 0), s.with(1, end - begin));
}

template <class Kind>
SelfAttention<B, Kind> layer(typename Kind::Config config) {
  SelfAttention<B, Kind> a;
  a.query = Linear<B>(8, 8, Rng(1));
  a.key = Linear<B>(8, 4, Rng(2));
  a.value = Linear<B>(8, 4, Rng(3));
  a.output = Linear<B>(8, 8, Rng(4));
  a.heads = 4;
  a.kv_heads = 2;
  a.head_size = 2;
  a.kind = typename Kind::template On<B>(config, 2);
  return a;
}

template <class Kind>
void split_anywhere(typename Kind::Config config) {
  Draw d{Rng(1)};
  const auto attention = layer<Kind>(config);
  const T x = d.tensor({3, 7, 8}), full = attention(x, {});
  for (Index split = 1; split < 7; ++split) {
    KvCache<B> cache;
    Flow<B> flow;
    flow.cache = &cache;
    CHECK(worst(attention(tokens(x, 0, split), flow), tokens(full, 0, split)) < 1e-13);
    CHECK(cache.length() == split);
    CHECK(worst(attention(tokens(x, split, 7), flow), tokens(full, split, 7)) < 1e-13);
  }
}

template <class Kind>
void padding_changes_nothing(typename Kind::Config config) {
  Draw d{Rng(2)};
  const auto attention = layer<Kind>(config);
  const T x = d.tensor({1, 5, 8}), full = attention(x, {});
  for (const auto& [left, right] : {std::pair<Index, Index>{3, 0}, {0, 4}, {2, 2}}) {
    const T padded = reshape(concat_rows(std::vector<T>{d.tensor({left, 8}), reshape(x, {5, 8}), d.tensor({right, 8})}),
                             {1, left + 5 + right, 8});
    Flow<B> flow;
    flow.first = Ids<B>({1}, {static_cast<Id>(left)});
    flow.last = Ids<B>({1}, {static_cast<Id>(left + 5)});
    CHECK(worst(tokens(attention(padded, flow), left, left + 5), full) < 1e-13);
  }
}

}  // namespace

TEST_CASE("a cache gives what the full pass gives, wherever the sequence is split, for both kinds of attention") {
  split_anywhere<Causal>({.context = 16});
  split_anywhere<StickBreaking>({});
  split_anywhere<StickBreaking>({.attend_current = false});
}

TEST_CASE("padding on either side leaves the valid tokens unchanged, for both kinds of attention") {
  padding_changes_nothing<Causal>({.context = 32});
  padding_changes_nothing<StickBreaking>({});
}

TEST_CASE("no token sees a later one") {
  Draw d{Rng(3)};
  const auto attention = layer<Causal>({.context = 16});
  T x = d.tensor({1, 6, 8});
  const T before = attention(x, {});
  for (Index c = 0; c < 8; ++c) x.data()[4 * 8 + c] += 1;
  const T after = attention(x, {});
  CHECK(worst(tokens(after, 0, 4), tokens(before, 0, 4)) == 0);
  CHECK(worst(tokens(after, 4, 5), tokens(before, 4, 5)) > 1e-3);
}

TEST_CASE("heads that share keys equal as many copies of the keys") {
  Draw d{Rng(4)};
  const T q = d.tensor({2, 5, 4, 3}), k = d.tensor({2, 5, 2, 3}), v = d.tensor({2, 5, 2, 3});
  const auto copies = [](const T& x) {  // (N,T,2,D) -> (N,T,4,D), each head twice
    const T rows = reshape(x, {20, 3});
    return reshape(concat_columns(std::vector<T>{rows, rows}), {2, 5, 4, 3});
  };
  CHECK(worst(causal_attention(q, k, v, 0.5), causal_attention(q, copies(k), copies(v), 0.5)) < 1e-14);
  CHECK(worst(stickbreaking_attention(q, k, v, 0.5).out, stickbreaking_attention(q, copies(k), copies(v), 0.5).out) < 1e-14);
}

TEST_CASE("softmax weights do not depend on a constant added to all logits, and large logits stay finite") {
  const T q({1, 2, 1, 2}, {1000, 1, -1000, 1}), k({1, 2, 1, 2}, {1, 0, -1, 0}), v({1, 2, 1, 2}, {1, 2, 3, 4});
  const T out = causal_attention(q, k, v, 1);
  CHECK(out.values() == std::vector<double>{1, 2, 3, 4});
}

TEST_CASE("a cache grows beyond its first room and keeps every sequence apart") {
  KvCache<B> cache;
  Draw d{Rng(5)};
  const T k = d.tensor({2, 150, 1, 2}), v = d.tensor({2, 150, 1, 2});
  for (Index t = 0; t < 150; t += 10) {
    const auto [keys, values] = cache.append(tokens(k, t, t + 10).value(), tokens(v, t, t + 10).value());
    CHECK(worst(T(keys), tokens(k, 0, t + 10)) == 0);
    CHECK(worst(T(values), tokens(v, 0, t + 10)) == 0);
  }
  CHECK(cache.length() == 150);
  CHECK_THROWS_AS(cache.append(d.tensor({1, 1, 1, 2}).value(), d.tensor({1, 1, 1, 2}).value()), Error);
  CHECK_THROWS_AS(cache.append(d.tensor({2, 1, 1, 2}).value(), d.tensor({2, 2, 1, 2}).value()), Error);
}

TEST_CASE("what a cache gave stays as it was when more is appended") {
  KvCache<B> cache;
  Draw d{Rng(6)};
  const auto keep = cache.append(d.tensor({1, 3, 1, 2}).value(), d.tensor({1, 3, 1, 2}).value());
  const auto before = keep.first.values();
  for (int i = 0; i < 100; ++i) cache.append(d.tensor({1, 1, 1, 2}).value(), d.tensor({1, 1, 1, 2}).value());
  CHECK(keep.first.values() == before);
}

}  // namespace cmoe::attention_test
