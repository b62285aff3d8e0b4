// Decoding with stick-breaking attention and what becomes of the rest of the stick, spec/moduleformer.md sections 3, 14 and 15 (17, 18).
#include <doctest/doctest.h>

#include "cmoe/models/generate.hpp"
#include "cmoe/models/moduleformer.hpp"
#include "cmoe/nn/expect_module.hpp"
#include "ops/draw.hpp"

namespace cmoe::moduleformer_decode_test {

using draw::B, draw::Draw, draw::T;
using Kind = StickBreaking::On<B>;
using Attend = MixtureOfAttention<StickBreaking, TopK>::On<B>;

namespace {

double worst(const T& a, const T& b) {
  REQUIRE(a.shape() == b.shape());
  double largest = 0;
  for (Index i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a.data()[i] - b.data()[i]));
  return largest;
}

// One new token against S keys: q (N,1,H,D), k and v (N,S,Hkv,D).
struct Decoding {
  T q, k, v;
  Decoding(Index n, Index s, double sharpness, std::uint64_t seed) {
    Draw d{Rng(seed)};
    q = d.tensor({n, 1, 4, 3}) * sharpness, k = d.tensor({n, s, 2, 3}), v = d.tensor({n, s, 2, 3});
  }
  double largest_value() const {
    double largest = 0;  // the length of the longest value vector
    for (Index i = 0; i < v.size(); i += 3) largest = std::max(largest, std::hypot(v.data()[i], v.data()[i + 1], v.data()[i + 2]));
    return largest;
  }
};

ModuleFormer::Config identity_model(bool identity) {
  ModuleFormer::Config config{.vocabulary = 20, .width = 6, .layers = 2, .context = 100};
  config.block.mix = {.size = 6, .heads = 1, .router = {.experts = 4, .chosen = 2}, .identity = identity};
  config.block.feed = {.hidden = 5, .router = {.experts = 4, .chosen = 2}};
  return config;
}

}  // namespace

TEST_CASE("4. the walk in blocks of 1, 3, 8 and all keys is the walk") {
  for (const bool current : {true, false})
    for (Index s : {1, 7, 40}) {
      const Decoding x(2, s, 1, 1);
      const auto full = stickbreaking_attention(x.q, x.k, x.v, 0.5, current);
      for (Index block : {Index{1}, Index{3}, Index{8}, s}) {
        const auto walk = stickbreaking_early_exit(x.q, x.k, x.v, 0.5, 1e-300, current, block).walk;
        CHECK(worst(walk.out, full.out) < 1e-14);
        CHECK(worst(walk.rest, full.rest) < 1e-14);
      }
    }
}

TEST_CASE("17. a walk that ends early is off by at most epsilon times the largest value, and looks at fewer keys") {
  for (std::uint64_t seed = 0; seed < 20; ++seed)
    for (double epsilon : {0.3, 0.1, 1e-2, 1e-4, 1e-8})
      for (double sharpness : {0.3, 1.0, 4.0}) {
        const Decoding x(2, 200, sharpness, seed);
        const T full = stickbreaking_attention(x.q, x.k, x.v, 1).out;
        const auto early = stickbreaking_early_exit(x.q, x.k, x.v, 1, epsilon, true, 4);
        const T difference = early.walk.out - full;
        for (Index i = 0; i < full.size(); i += 3)
          CHECK(std::hypot(difference.data()[i], difference.data()[i + 1], difference.data()[i + 2]) <= epsilon * x.largest_value());
        if (epsilon > 0.05) CHECK(early.visited < 200);
      }
  const Decoding x(1, 5, 1, 1);
  CHECK_THROWS_AS(stickbreaking_early_exit(x.q, x.k, x.v, 1, 0), Error);
  CHECK_THROWS_AS(stickbreaking_early_exit(x.k, x.k, x.v, 1, 0.1), Error);
}

TEST_CASE("17. a model that ends its walks early generates what it generates without") {
  ModuleFormer::Config config{.vocabulary = 20, .width = 6, .layers = 2, .context = 100};
  config.block.mix = {.size = 4, .heads = 2, .router = {.experts = 4, .chosen = 2}};
  config.block.feed = {.hidden = 5, .router = {.experts = 4, .chosen = 2}};
  const std::vector<Id> prompt = {3, 1, 4, 1, 5};
  const auto made = [&] { return generate(ModuleFormer::On<B>(config, Rng(3)), prompt, 60, -1, {}, Rng(0), Flow<B>{}); };
  const auto whole = made();
  config.block.mix.attention.early_exit = 1e-9;
  CHECK(made() == whole);
}

TEST_CASE("18. where keys and values are the input itself, one cached array gives what two give, in half the room") {
  const ModuleFormer::On<B> one(identity_model(true), Rng(1));
  ModuleFormer::On<B> two(identity_model(false), Rng(1));
  CHECK(parameter_count(two) - parameter_count(one) == 2 * 2 * (6 * 6 + 6));
  copy_parameters(one, two);
  for (auto& block : two.blocks)
    for (Linear<B>* map : {&block.mix.key, &block.mix.value})
      for (Index r = 0; r < 6; ++r)
        for (Index c = 0; c < 6; ++c) map->weight.data()[r * 6 + c] = r == c;
  std::vector<KvCache<B>> caches(2), others(2);
  for (Index at = 0; at < 90; at += 9) {
    const Ids<B> ids({1, 9}, std::vector<Id>{3, 1, 4, 1, 5, 9, 2, 6, static_cast<Id>(at % 20)});
    CHECK(worst(one(ids, {}, &caches).logits, two(ids, {}, &others).logits) < 1e-12);
  }
  CHECK(caches[0].length() == 90);
  CHECK(2 * caches[0].scalars() == others[0].scalars());
  CHECK_THROWS_AS(caches[0].append(T({1, 1, 1, 6}, 0.0).value(), T({1, 1, 1, 6}, 0.0).value()), Error);
  ModuleFormer::Config wrong = identity_model(true);
  wrong.block.mix.heads = 2;
  CHECK_THROWS_AS(ModuleFormer::On<B>(wrong, Rng(1)), Error);
}

TEST_CASE("the rest of the stick goes nowhere, to the token's own value, or to a learned vector of the head") {
  Draw d{Rng(5)};
  const Index n = 2, t = 4;
  const T q = d.tensor({n, t, 4, 3}), k = d.tensor({n, t, 2, 3}), v = d.tensor({n, t, 2, 3});
  for (const bool current : {true, false}) {
    const auto walk = stickbreaking_attention(q, k, v, 1 / std::sqrt(3.0), current);
    const auto kind = [&](Leftover leftover) { return Kind({.attend_current = current, .leftover = leftover}, 3, 2); };
    CHECK(worst(kind(Leftover::discard)(q, k, v, {}), walk.out) == 0);
    Kind with_bias = kind(Leftover::head_bias);
    CHECK(worst(with_bias(q, k, v, {}), walk.out) == 0);  // it starts at 0
    for (Index i = 0; i < 6; ++i) with_bias.bias.data()[i] = static_cast<double>(i + 1);
    const T itself = kind(Leftover::itself)(q, k, v, {}), biased = with_bias(q, k, v, {});
    for (Index i = 0; i < n * t; ++i)
      for (Index h = 0; h < 4; ++h)
        for (Index c = 0; c < 3; ++c) {
          const Index at = (i * 4 + h) * 3 + c;
          const double out = walk.out.data()[at], rest = walk.rest.data()[i * 4 + h];
          CHECK(itself.data()[at] == doctest::Approx(out + rest * v.data()[(i * 2 + h / 2) * 3 + c]).epsilon(1e-13));
          CHECK(biased.data()[at] == doctest::Approx(out + rest * static_cast<double>(h / 2 * 3 + c + 1)).epsilon(1e-13));
        }
  }
}

TEST_CASE("with the rest given to the token itself the weights of a row sum to 1: equal values come back") {
  Draw d{Rng(6)};
  const T q = d.tensor({1, 5, 2, 3}), k = d.tensor({1, 5, 2, 3}), v({1, 5, 2, 3}, 1.0);
  for (double x : Kind({.leftover = Leftover::itself}, 3, 2)(q, k, v, {}).values()) CHECK(x == doctest::Approx(1).epsilon(1e-13));
}

TEST_CASE("the norm of heads gives every head mean 0 and variance 1 before it is scaled and shifted") {
  Draw d{Rng(7)};
  const T q = d.tensor({1, 4, 4, 8}), k = d.tensor({1, 4, 2, 8}), v = d.tensor({1, 4, 2, 8});
  const T y = Kind({.head_norm = true}, 8, 2)(q, k, v, {});
  for (Index i = 0; i < 16; ++i) {
    double mean = 0, square = 0;
    for (Index c = 0; c < 8; ++c) mean += y.data()[i * 8 + c] / 8, square += y.data()[i * 8 + c] * y.data()[i * 8 + c] / 8;
    CHECK(std::abs(mean) < 1e-12);
    CHECK(square == doctest::Approx(1).epsilon(1e-2));
  }
}

TEST_CASE("3. gradients pass through every use of the rest and through the norm of heads") {
  const T x = Draw{Rng(8)}.tensor({2, 3, 4});
  for (const Leftover leftover : {Leftover::discard, Leftover::itself, Leftover::head_bias})
    for (const bool norm : {false, true}) {
      const StickBreaking::Config config{.attend_current = !norm, .leftover = leftover, .head_norm = norm};
      expect_module<Attend>([&] { return Attend(4, {.size = 4, .heads = 2, .router = {.experts = 3, .chosen = 2}, .attention = config}, 1, Rng(1)); },
                            [&](const Attend& layer) { return layer(x, {}).y; }, 1e-5);
    }
  expect_module<Attend>([&] { return Attend(4, {.size = 4, .heads = 1, .router = {.experts = 3, .chosen = 2}, .identity = true}, 1, Rng(1)); },
                        [&](const Attend& layer) { return layer(x, {}).y; });
}

TEST_CASE("the weights that are shown are those that attention uses, padding included") {
  Draw d{Rng(9)};
  const T q = d.tensor({2, 6, 4, 3}), k = d.tensor({2, 6, 2, 3}), v = d.tensor({2, 6, 2, 3});
  const Ids<B> first({2}, {0, 2}), last({2}, {5, 6});
  const T a = stickbreaking_weights(q, k, 0.5, true, first, last);  // (N,H,T,S)
  const T out = stickbreaking_attention(q, k, v, 0.5, true, first, last).out;
  for (Index n = 0; n < 2; ++n)
    for (Index h = 0; h < 4; ++h)
      for (Index i = 0; i < 6; ++i)
        for (Index c = 0; c < 3; ++c) {
          double sum = 0;
          for (Index j = 0; j < 6; ++j) sum += a.data()[((n * 4 + h) * 6 + i) * 6 + j] * v.data()[((n * 6 + j) * 2 + h / 2) * 3 + c];
          CHECK(out.data()[((n * 6 + i) * 4 + h) * 3 + c] == doctest::Approx(sum).epsilon(1e-12));
        }
}

}  // namespace cmoe::moduleformer_decode_test
