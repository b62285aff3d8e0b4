#include <doctest/doctest.h>

#include "cmoe/models/merged.hpp"
#include "cmoe/models/tuned.hpp"
#include "cmoe/nn/expect_module.hpp"
#include "ops/draw.hpp"

namespace cmoe::tuned_test {

using draw::B, draw::Draw, draw::T;

namespace {

double worst(const T& a, const T& b) {
  REQUIRE(a.shape() == b.shape());
  double largest = 0;
  for (Index i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a.data()[i] - b.data()[i]));
  return largest;
}

void shake(auto& module, std::uint64_t seed) {  // every parameter leaves its first value
  Rng rng(seed);
  for_each_param(module, [&](const std::string&, Param<B>& p) {
    for (Index i = 0; i < p.size(); ++i) p.data()[i] += 0.3 * rng.normal();
  });
}

DoRA::Config dora(bool constant_norm) {
  DoRA::Config config;
  config.rank = 2;
  config.alpha = 6;
  config.constant_norm = constant_norm;
  return config;
}

template <class Recipe>
AdaptedLinear<B, Recipe> map_with(const char* name, const typename Recipe::Config& config, bool bias = true) {
  AdaptedLinear<B, Recipe> map(5, 4, Rng(1));
  if (bias) map.base.bias = Param<B>(Array<B>({4}, {0.5, -1, 2, 0.25}));
  map.grow(name, config, Rng(2));
  return map;
}

template <class Recipe>
typename Recipe::template On<B> tuned(typename Recipe::Config c) {
  c.vocabulary = 10, c.width = 8, c.layers = 2, c.heads = 2, c.kv_heads = 1, c.hidden = 5, c.context = 8, c.qkv_bias = true;
  typename Recipe::template On<B> model(c, Rng(3));
  model.add_task(Rng(4));
  shake(model, 5);
  return model;
}

}  // namespace

TEST_CASE("a rank-stabilised block is scaled by alpha over the root of R") {
  AdaptedLinear<B, Single<LoRA>> map(5, 4, Rng(1));
  map.grow("query", {.rank = 4, .alpha = 6, .rank_stabilised = true}, Rng(2));
  CHECK(map.delta.scale == doctest::Approx(3));
  CHECK(LoRA::Config{.rank = 4, .alpha = 6}.scale() == doctest::Approx(1.5));
}

TEST_CASE("a fresh DoRA changes nothing, and one by hand has columns of the trained length") {
  Draw d{Rng(1)};
  auto map = map_with<DoRA>("query", dora(true));
  const T x = d.tensor({2, 3, 5});
  CHECK(worst(map(x, {}), map.base(x)) < 1e-14);
  shake(map.delta, 7);
  const T v = map.base.weight + matmul(map.delta.block->a, map.delta.block->b) * 3.0;
  std::vector<double> w(20);
  for (Index o = 0; o < 4; ++o) {
    double length = 0;
    for (Index i = 0; i < 5; ++i) length += v.data()[i * 4 + o] * v.data()[i * 4 + o];
    for (Index i = 0; i < 5; ++i) w[static_cast<std::size_t>(i * 4 + o)] = map.delta.magnitude.data()[o] * v.data()[i * 4 + o] / std::sqrt(length);
  }
  CHECK(worst(map(x, {}), matmul(x, T({5, 4}, std::span<const double>(w))) + map.base.bias) < 1e-13);
}

TEST_CASE("the gradient of DoRA is right with the norm's, and without it differs in A and B only") {
  Draw d{Rng(2)};
  const T x = d.tensor({2, 3, 5});
  using Map = AdaptedLinear<B, DoRA>;
  const auto make = [] {
    Map map = map_with<DoRA>("query", dora(false));
    shake(map.delta, 8);
    return map;
  };
  expect_module<Map>(make, [&](const Map& m) { return m(x, {}); });
  const auto gradients = [&](bool constant_norm) {
    Map map = make();
    map.delta.constant_norm = constant_norm;
    Tape<B> tape;
    tape.backward(sum(square(map(x, {}))));
    return std::pair(map.delta.magnitude.grad().values(), map.delta.block->a.grad().values());
  };
  const auto full = gradients(false), constant = gradients(true);
  CHECK(full.first == constant.first);
  CHECK(full.second != constant.second);
}

TEST_CASE("DoRA refuses a column that has no direction") {
  AdaptedLinear<B, DoRA> map(5, 4, Rng(1));
  for (Index i = 0; i < 5; ++i) map.base.weight.data()[i * 4 + 1] = 0;
  CHECK_THROWS_WITH_AS(map.grow("query", dora(true), Rng(2)), "dora: column 1 of the weight has length 0.000000 and so no direction", Error);
}

TEST_CASE("a fresh IA3 changes nothing; a filled one scales what enters the maps it names, and what leaves the others") {
  Draw d{Rng(3)};
  const T x = d.tensor({2, 3, 5});
  for (const char* name : {"key", "down"}) {
    auto map = map_with<IA3>(name, {});
    CHECK(map(x, {}).values() == map.base(x).values());
    const bool input = std::string(name) == "down";
    CHECK(map.delta.factor.shape() == Shape{input ? 5 : 4});
    shake(map.delta, 7);
    CHECK(worst(map(x, {}), input ? map.base(x * map.delta.factor) : map.base(x) * map.delta.factor) == 0);
    using Map = AdaptedLinear<B, IA3>;
    expect_module<Map>([&] { return map_with<IA3>(name, {}); }, [&](const Map& m) { return m(x, {}); });
  }
}

TEST_CASE("a tuned prompt stands in front of every sequence and is trained") {
  PromptTunedLlama::Config config;
  config.prefix.length = 3;
  auto model = tuned<PromptTunedLlama>(config);
  const T prompts = model.prefix.prompts({}, 2);
  CHECK(prompts.shape() == Shape{2, 3, 8});
  CHECK(std::equal(prompts.data(), prompts.data() + 24, prompts.data() + 24));
  using Model = PromptTunedLlama::On<B>;
  const Ids<B> ids({2, 4}, {3, 1, 4, 1, 5, 9, 2, 6});
  expect_module<Model>([&] { return tuned<PromptTunedLlama>(config); }, [&](const Model& m) { return m(ids, {}).logits; });
}

TEST_CASE("DoRA and IA3 are matrices: a merged decoder gives what the tuned one gives, biases included") {
  const Ids<B> ids({2, 5}, {3, 1, 4, 1, 5, 9, 2, 6, 5, 3});
  const auto same = [&](const auto& model) {
    const Llama::On<B> plain = merged(model);
    return worst(model(ids, {}).logits, plain(ids, {}).logits);
  };
  Ia3Llama::Config ia3;
  ia3.targets = {"key", "value", "down"};
  CHECK(same(tuned<DoraLlama>({})) < 1e-11);
  CHECK(same(tuned<Ia3Llama>(ia3)) < 1e-12);
}

}  // namespace cmoe::tuned_test
