#include <doctest/doctest.h>

#include "cmoe/models/llama.hpp"
#include "cmoe/pet/lora.hpp"
#include "ops/draw.hpp"

namespace cmoe::lora_test {

using draw::B, draw::Draw, draw::T;

namespace {

void fill(Param<B>& p, std::uint64_t seed) {
  Rng rng(seed);
  for (Index i = 0; i < p.size(); ++i) p.data()[i] = rng.normal();
}

double worst(const T& a, const T& b) {
  REQUIRE(a.shape() == b.shape());
  double largest = 0;
  for (Index i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a.data()[i] - b.data()[i]));
  return largest;
}

}  // namespace

TEST_CASE("a fresh block changes nothing, a filled one adds alpha over R times x A B") {
  Draw d{Rng(1)};
  AdaptedLinear<B, Single<LoRA>> map(5, 4, Rng(1));
  const T x = d.tensor({2, 3, 5}), plain = matmul(x, map.base.weight);
  CHECK(map(x, {}).values() == plain.values());
  map.delta.grow(5, 4, {.rank = 2, .alpha = 6}, Rng(2));
  CHECK(map(x, {}).values() == plain.values());
  fill(map.delta.block->b, 3);
  CHECK(worst(map(x, {}), plain + matmul(matmul(x, map.delta.block->a), map.delta.block->b) * 3.0) < 1e-14);
}

TEST_CASE("a single block is made once, a mixture gets one more for each task") {
  AdaptedLinear<B, Single<LoRA>> one(5, 4, Rng(1));
  AdaptedLinear<B, Mixture<LoRA>> many(5, 4, Rng(1));
  for (Index task = 1; task <= 3; ++task) {
    one.delta.grow(5, 4, {.rank = 2}, Rng(2));
    many.delta.grow(5, 4, {.rank = 2}, Rng(2));
    CHECK(parameter_count(one) == 20 + 18);
    CHECK(parameter_count(many) == 20 + 18 * task);
  }
  CHECK(many.delta.blocks[0].a.values() != many.delta.blocks[1].a.values());
}

TEST_CASE("a mixture without gates is the base map, and one with more gates than experts is refused") {
  Draw d{Rng(2)};
  AdaptedLinear<B, Mixture<LoRA>> map(5, 4, Rng(1));
  map.delta.grow(5, 4, {}, Rng(2));
  fill(map.delta.blocks[0].b, 3);
  const T x = d.tensor({2, 3, 5});
  CHECK(map(x, {}).values() == matmul(x, map.base.weight).values());
  Flow<B> flow;
  flow.gates = T({2, 2}, 0.5);
  CHECK_THROWS_WITH_AS(map(x, flow), "mixture: 2 gates for 1 experts", Error);
}

TEST_CASE("fewer gates than experts leave the newest out, so a masked expert has neither effect nor gradient") {
  Draw d{Rng(3)};
  AdaptedLinear<B, Mixture<LoRA>> map(5, 4, Rng(1));
  for (std::uint64_t e = 0; e < 2; ++e) {
    map.delta.grow(5, 4, {}, Rng(e));
    fill(map.delta.blocks.back().b, e);
  }
  Flow<B> flow;
  flow.gates = T({2, 1}, 1.0);
  const T x = d.tensor({2, 3, 5});
  Tape<B> tape;
  const T y = map(x, flow);
  CHECK(worst(y, matmul(x, map.base.weight) + matmul(matmul(x, map.delta.blocks[0].a), map.delta.blocks[0].b) * 2.0) < 1e-14);
  tape.backward(sum(y));
  CHECK(static_cast<bool>(map.delta.blocks[0].b.grad()));
  CHECK_FALSE(static_cast<bool>(map.delta.blocks[1].b.grad()));
}

TEST_CASE("ranks that are not positive are refused") {
  AdaptedLinear<B, Single<LoRA>> map(5, 4, Rng(1));
  CHECK_THROWS_WITH_AS(map.delta.grow(5, 4, {.rank = 0}, Rng(2)), "lora: the rank 0 is not positive", Error);
  CHECK_THROWS_AS(map.delta.grow(5, 4, {.rank = -1}, Rng(2)), Error);
}

TEST_CASE("only the maps that are asked for get deltas, and frozen weights stay out of the count") {
  LoraLlama::Config config;
  config.vocabulary = 10;
  config.width = 8;
  config.layers = 2;
  config.heads = config.kv_heads = 2;
  config.hidden = 12;
  config.context = 8;
  config.targets = {"query", "down"};
  config.deep.rank = 3;
  LoraLlama::On<B> model(config, Rng(1));
  freeze(model);
  model.add_task(Rng(2));
  CHECK(parameter_count(model, Count::trainable) == 2 * 3 * (8 + 8 + 12 + 8));
  std::vector<std::string> names;
  for_each_param(model, [&](const std::string& name, const Param<B>& p) {
    if (!p.frozen()) names.push_back(name);
  });
  CHECK(names[0] == "layers.0.mix.query.delta.block.a");
  CHECK(names.back() == "layers.1.feed.down.delta.block.b");
}

}  // namespace cmoe::lora_test
