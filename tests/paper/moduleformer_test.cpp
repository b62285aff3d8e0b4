// The invariants of stick-breaking attention and of the routing losses, spec/moduleformer.md sections 3, 6 and 15, numbered as
// in 15.
#include <doctest/doctest.h>

#include "cmoe/attention/stickbreaking.hpp"
#include "cmoe/autograd/gradcheck.hpp"
#include "cmoe/regularizer/balance.hpp"
#include "ops/draw.hpp"

namespace cmoe::moduleformer_test {

using draw::B, draw::Draw, draw::T;

namespace {

T identity(Index n) {
  T x({1, n, 1, n}, 0.0);
  for (Index i = 0; i < n; ++i) x.data()[i * n + i] = 1;
  return x;
}

// Queries that are the rows of logits (T,S), keys and values that are unit vectors: the output is the row of weights A.
StickBreak<B> weights_of(const T& logits, bool current = true) {
  const Index t = logits.shape()[0], s = logits.shape()[1];
  return stickbreaking_attention(reshape(logits, {1, t, 1, s}), identity(s), identity(s), 1, current);
}

std::vector<double> gradient_of(const std::vector<double>& logits, const std::vector<double>& g, double rho) {
  T x({1, static_cast<Index>(logits.size())}, std::span<const double>(logits));
  x.want_gradient();
  Tape<B> tape;
  const auto [a, r] = weights_of(x);
  tape.backward(sum(reshape(a, x.shape()) * T(x.shape(), std::span<const double>(g))) + sum(r * rho));
  return x.grad().values();
}

void near(const std::vector<double>& ours, const std::vector<double>& expected) {
  REQUIRE(ours.size() == expected.size());
  for (std::size_t i = 0; i < ours.size(); ++i) CHECK(ours[i] == doctest::Approx(expected[i]).epsilon(1e-12));
}

double worst(const T& a, const T& b) {
  REQUIRE(a.shape() == b.shape());
  double largest = 0;
  for (Index i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a.data()[i] - b.data()[i]));
  return largest;
}

Routing<B> routing_of(const T& logits, Index k) { return choose(logits, k); }

}  // namespace

TEST_CASE("1. weights are not negative, nothing is taken from the future, and weights and rest sum to 1") {
  Draw d{Rng(1)};
  for (const bool current : {true, false})
    for (Index t : {1, 2, 9, 70}) {
      const auto [a, r] = weights_of(d.tensor({t, t}) * 3.0, current);
      for (Index i = 0; i < t; ++i) {
        double total = r.data()[i];
        for (Index j = 0; j < t; ++j) {
          const double weight = a.data()[i * t + j];
          REQUIRE(weight >= 0);
          if (j > i || (j == i && !current)) REQUIRE(weight == 0);
          total += weight;
        }
        REQUIRE(total == doctest::Approx(1).epsilon(1e-12));
      }
    }
}

TEST_CASE("2. the row worked by hand: shares 3/4, 1/2, 1/4 from the oldest to the current") {
  const double ln3 = std::log(3.0);
  const auto [a, r] = weights_of(T({1, 3}, {ln3, 0, -ln3}));
  near(a.values(), {0.28125, 0.375, 0.25});
  near(r.values(), {0.09375});
  near(gradient_of({ln3, 0, -ln3}, {1, 0, 0}, 0), {0.0703125, -0.140625, -0.0703125});
  near(gradient_of({ln3, 0, -ln3}, {0, 0, 0}, 1), {-0.0703125, -0.046875, -0.0234375});
}

TEST_CASE("2. logits of zero halve the stick with every key") {
  for (Index n : {1, 2, 10, 50}) {
    const auto [a, r] = weights_of(T({1, n}, 0.0));
    for (Index j = 0; j < n; ++j) CHECK(a.data()[j] == doctest::Approx(std::ldexp(1.0, static_cast<int>(j - n))).epsilon(1e-12));
    CHECK(r.item() == doctest::Approx(std::ldexp(1.0, static_cast<int>(-n))).epsilon(1e-12));
  }
}

TEST_CASE("2. logits of 60 and -200 give tiny weights and no NaN") {
  const auto [a, r] = weights_of(T({1, 4}, {60, -60, 60, -200}));
  const std::vector<double> expected = {8.757e-27, 7.668e-53, 1.0, 1.384e-87};
  for (std::size_t j = 0; j < 4; ++j) CHECK(a.values()[j] / expected[j] == doctest::Approx(1).epsilon(1e-3));
  CHECK(std::log(r.item()) == doctest::Approx(-120));
  for (double g : gradient_of({60, -60, 60, -200}, {1, 2, 3, 4}, 1)) CHECK(std::isfinite(g));
  for (double g : gradient_of({800, -800, 800, -800}, {1, 2, 3, 4}, 1)) CHECK(std::isfinite(g));
}

TEST_CASE("3. the gradients in logits and rest equal central differences") {
  Draw d{Rng(3)};
  const auto both = [](const auto& x) {
    const auto [a, r] = weights_of(x[0]);
    return concat_columns(std::vector<T>{reshape(a, x[0].shape()), reshape(r, {x[0].shape()[0], 1})});
  };
  CHECK(gradcheck(both, std::vector<T>{d.tensor({6, 6})}).worst < 1e-7);
}

TEST_CASE("4. all queries at once equal one query at a time, however long the row") {
  Draw d{Rng(4)};
  for (Index t : {3, 33, 150}) {
    const T q = d.tensor({1, t, 2, 8}), k = d.tensor({1, t, 2, 8}), v = d.tensor({1, t, 2, 8});
    const auto all = stickbreaking_attention(q, k, v, 0.4);
    const auto up_to = [&](const T& x, Index n) { return reshape(slice_rows(reshape(x, {t, 2, 8}), 0, n), {1, n, 2, 8}); };
    for (Index i = 0; i < t; i += 7) {
      const T one = reshape(slice_rows(reshape(q, {t, 2, 8}), i, i + 1), {1, 1, 2, 8});
      const auto row = stickbreaking_attention(one, up_to(k, i + 1), up_to(v, i + 1), 0.4);
      for (Index c = 0; c < 16; ++c) REQUIRE(row.out.data()[c] == doctest::Approx(all.out.data()[i * 16 + c]).epsilon(1e-12));
      for (Index h = 0; h < 2; ++h) REQUIRE(row.rest.data()[h] == doctest::Approx(all.rest.data()[i * 2 + h]).epsilon(1e-12));
    }
  }
}

TEST_CASE("5. masked keys on the left leave the real rows unchanged") {
  Draw d{Rng(5)};
  const Index t = 6, padding = 3;
  const T q = d.tensor({1, t, 1, 4}), k = d.tensor({1, t, 1, 4}), v = d.tensor({1, t, 1, 4});
  const auto padded = [&](const T& x) {
    return reshape(concat_rows(std::vector<T>{d.tensor({padding, 4}), reshape(x, {t, 4})}), {1, padding + t, 1, 4});
  };
  const auto plain = stickbreaking_attention(q, k, v, 0.5);
  const auto left = stickbreaking_attention(padded(q), padded(k), padded(v), 0.5, true, Ids<B>({1}, {padding}));
  CHECK(worst(slice_rows(reshape(left.out, {padding + t, 4}), padding, padding + t), reshape(plain.out, {t, 4})) < 1e-14);
  CHECK(worst(slice_rows(reshape(left.rest, {padding + t}), padding, padding + t), reshape(plain.rest, {t})) < 1e-14);
}

TEST_CASE("6. keys that are appended to a cache give what all at once give, wherever the sequence is split") {
  Draw d{Rng(6)};
  const Index t = 9;
  const T q = d.tensor({2, t, 2, 3}), k = d.tensor({2, t, 1, 3}), v = d.tensor({2, t, 1, 3});
  const T full = stickbreaking_attention(q, k, v, 0.5).out;
  const auto part = [&](const T& x, Index begin, Index end) {  // along the tokens
    const Shape& s = x.shape();
    const T turned = swap_axes(reshape(x, {s[0], s[1], s[2] * s[3]}), 0);
    return reshape(swap_axes(slice_rows(turned, begin, end), 0), {s[0], end - begin, s[2], s[3]});
  };
  for (Index split = 1; split < t; ++split) {
    KvCache<B> cache;
    T out[2];
    for (int piece = 0; piece < 2; ++piece) {
      const Index begin = piece == 0 ? 0 : split, end = piece == 0 ? split : t;
      const auto [keys, values] = cache.append(part(k, begin, end).value(), part(v, begin, end).value());
      out[piece] = stickbreaking_attention(part(q, begin, end), T(keys), T(values), 0.5).out;
    }
    CHECK(worst(out[0], part(full, 0, split)) < 1e-14);
    CHECK(worst(out[1], part(full, split, t)) < 1e-14);
  }
}

TEST_CASE("7. a key with share 0 may be dropped, one with share 1 leaves nothing for older keys") {
  const T with({1, 4}, {0.3, -1e4, 0.7, -0.2}), without({1, 3}, {0.3, 0.7, -0.2});
  const auto a = weights_of(with), b = weights_of(without);
  CHECK(a.out.values()[1] == 0);
  for (auto [i, j] : {std::pair<std::size_t, std::size_t>{0, 0}, {2, 1}, {3, 2}})
    CHECK(a.out.values()[i] == doctest::Approx(b.out.values()[j]).epsilon(1e-14));
  CHECK(a.rest.item() == doctest::Approx(b.rest.item()).epsilon(1e-14));
  const auto all = weights_of(T({1, 4}, {0.3, 0.5, 1e4, -0.2}));
  CHECK(all.out.values()[0] == 0);
  CHECK(all.out.values()[1] == 0);
  CHECK(all.out.values()[2] > 0.5);
  CHECK(all.rest.item() == 0);
}

TEST_CASE("13. the mutual information loss lies in -log E .. 0 and is minus the mean divergence from the mean") {
  Draw d{Rng(13)};
  for (int i = 0; i < 20; ++i) {
    const Index n = d.some(), e = d.some();
    const T p = softmax(d.tensor({n, e}) * 3.0);
    const double loss = mutual_information_loss(p).item();
    CHECK(loss <= 1e-14);
    CHECK(loss >= -std::log(static_cast<double>(e)) - 1e-14);
    double divergence = 0;
    for (Index c = 0; c < e; ++c) {
      double mean = 0;
      for (Index x = 0; x < n; ++x) mean += p.data()[x * e + c] / static_cast<double>(n);
      for (Index x = 0; x < n; ++x)
        divergence += p.data()[x * e + c] * std::log(p.data()[x * e + c] / mean) / static_cast<double>(n);
    }
    CHECK(loss == doctest::Approx(-divergence).epsilon(1e-10));
  }
}

TEST_CASE("13. the gradient of the mutual information loss sums to 0 over each token's experts") {
  Draw d{Rng(14)};
  T z = d.tensor({5, 4});
  z.want_gradient();
  Tape<B> tape;
  tape.backward(mutual_information_loss(softmax(z)));
  for (Index x = 0; x < 5; ++x) {
    double total = 0, size = 0;
    for (Index e = 0; e < 4; ++e) total += z.grad().data()[x * 4 + e], size += std::abs(z.grad().data()[x * 4 + e]);
    CHECK(std::abs(total) < 1e-15);
    CHECK(size > 1e-4);
  }
}

TEST_CASE("2. the mutual information values worked by hand") {
  CHECK(mutual_information_loss(T({2, 2}, {0.9, 0.1, 0.1, 0.9})).item() == doctest::Approx(-0.368064).epsilon(1e-6));
  CHECK(mutual_information_loss(T({2, 2}, {0.8, 0.2, 0.6, 0.4})).item() == doctest::Approx(-0.024157).epsilon(1e-5));
  CHECK(std::abs(mutual_information_loss(T({3, 4}, 0.25)).item()) < 1e-15);                // uniform
  CHECK(std::abs(mutual_information_loss(T({3, 2}, {1, 0, 1, 0, 1, 0})).item()) < 1e-15);  // collapse: the same
  CHECK(mutual_information_loss(T({3, 3}, {1, 0, 0, 0, 1, 0, 0, 0, 1})).item() == doctest::Approx(-std::log(3.0)));  // balanced
}

TEST_CASE("padding that is marked does not count in the mutual information") {
  const T p({4, 2}, {0.9, 0.1, 0.5, 0.5, 0.1, 0.9, 0.2, 0.8});
  CHECK(mutual_information_loss(p, T({4}, {1, 0, 1, 0})).item() == doctest::Approx(-0.368064).epsilon(1e-6));
  CHECK(mutual_information_loss(p).item() != doctest::Approx(-0.368064).epsilon(1e-3));
  CHECK_THROWS_AS(mutual_information_loss(p, T({4}, 0.0)), Error);
}

TEST_CASE("14. the switch loss is 1 when balanced, 2.8 in the example, and does not depend on the number of tokens") {
  const T balanced({4, 4}, {9, 0, 0, 0, 0, 9, 0, 0, 0, 0, 9, 0, 0, 0, 0, 9});
  CHECK(switch_loss(routing_of(balanced, 1), 0).item() == doctest::Approx(1));
  const double l = std::log(0.7), s = std::log(0.1);
  const T same({4, 4}, {l, s, s, s, l, s, s, s, l, s, s, s, l, s, s, s});
  CHECK(switch_loss(routing_of(same, 1), 0).item() == doctest::Approx(2.8));
  CHECK(switch_loss(routing_of(concat_rows(std::vector<T>{same, same}), 1), 0).item() == doctest::Approx(2.8));
  CHECK(switch_loss(routing_of(same, 4), 0).item() == doctest::Approx(1));  // all chosen: equal shares
}

TEST_CASE("14. the z term is a tenth of the mean squared log-sum") {
  const T z({2, 2}, {0, 0, 1, 1});
  const double log2 = std::log(2.0), expected = 0.1 * (log2 * log2 + (1 + log2) * (1 + log2)) / 2;
  CHECK(switch_loss(routing_of(z, 2)).item() - switch_loss(routing_of(z, 2), 0).item() == doctest::Approx(expected));
}

}  // namespace cmoe::moduleformer_test
