#include <doctest/doctest.h>

#include "cmoe/moe/gate.hpp"
#include "cmoe/moe/mixture.hpp"
#include "ops/draw.hpp"

namespace cmoe::routing_test {

using draw::B, draw::Draw, draw::T;

namespace {

// A backend that counts the multiply-adds of its products.
struct Counting : Cpu<float> {
  static inline Index multiply_adds = 0;
  static void gemm_grouped(Form form, Index groups, const Index* offsets, Index n, Index k, float alpha, const float* a,
                           const float* b, bool accumulate, float* c) {
    multiply_adds += offsets[groups] * n * k;
    Cpu<float>::gemm_grouped(form, groups, offsets, n, k, alpha, a, b, accumulate, c);
  }
};

using LinearGate = Gate<PromptMean, LinearSoftmax>::On<B>;

}  // namespace

TEST_CASE("the order of experts is stable, drops no token and allows experts without any") {
  const ExpertOrder<B> order(Ids<B>({4, 2}, {2, 0, 2, 2, 0, 4, 4, 2}), 5);
  CHECK(order.offsets == std::vector<Index>{0, 2, 2, 6, 6, 8});
  CHECK(order.slot.values() == std::vector<Id>{1, 4, 0, 2, 3, 7, 5, 6});
  CHECK(order.token.values() == std::vector<Id>{0, 2, 0, 1, 1, 3, 2, 3});
  const auto place = order.place.values(), slot = order.slot.values();
  for (std::size_t p = 0; p < slot.size(); ++p) CHECK(place[static_cast<std::size_t>(slot[p])] == static_cast<Id>(p));
}

TEST_CASE("only the chosen experts are computed, however many there are") {
  Index counted[2];
  for (Index experts : {4, 64}) {
    const MixtureOfExperts<TopK>::On<Counting> layer(6, {.hidden = 5, .router = {.experts = experts, .chosen = 2}}, 1, Rng(1));
    Counting::multiply_adds = 0;
    layer(Tensor<Counting>({1, 10, 6}, 1.f));
    counted[experts == 64] = Counting::multiply_adds;
  }
  CHECK(counted[0] == 10 * 2 * (6 * 5 + 5 * 6));
  CHECK(counted[1] == counted[0]);
}

TEST_CASE("no tokens at all pass through a mixture") {
  const MixtureOfExperts<TopK>::On<B> layer(6, {.hidden = 5, .router = {.experts = 3, .chosen = 2}}, 1, Rng(1));
  CHECK(layer(T(Shape{2, 0, 6})).y.shape() == Shape{2, 0, 6});
}

TEST_CASE("inserted experts are trained while the old ones are frozen, to the bit") {
  Draw d{Rng(1)};
  MixtureOfExperts<TopK>::On<B> layer(6, {.hidden = 5, .router = {.experts = 2, .chosen = 2}}, 1, Rng(1));
  freeze(layer);
  layer.insert(2, Rng(2));
  layer.router.chosen = 4;
  Tape<B> tape;
  tape.backward(sum(square(layer(d.tensor({2, 4, 6})).y)));
  for_each_param(layer, [](const std::string& name, const Param<B>& p) {
    CAPTURE(name);
    CHECK(static_cast<bool>(p.grad()) == (name.back() == '1'));
  });
}

TEST_CASE("copies begin as experts that are there, with rows that part a little") {
  MixtureOfExperts<TopK>::On<B> layer(6, {.hidden = 5, .router = {.experts = 3, .chosen = 2}}, 1, Rng(1));
  layer.insert(2, Rng(2), Insertion::copies);
  CHECK(layer.router.experts() == 5);
  const auto matrix = [](const Param<B>& slab, Index e) { return slab.value().rows(e, e + 1).values(); };
  std::vector<Index> sources;
  for (Index copy = 0; copy < 2; ++copy)
    for (Index e = 0; e < 3; ++e) {
      if (matrix(layer.up.slabs[1], copy) != matrix(layer.up.slabs[0], e)) continue;
      sources.push_back(e);
      CHECK(matrix(layer.down.slabs[1], copy) == matrix(layer.down.slabs[0], e));
      const auto row = matrix(layer.router.rows[1], copy), source = matrix(layer.router.rows[0], e);
      CHECK(row != source);
      for (std::size_t c = 0; c < row.size(); ++c) CHECK(std::abs(row[c] - source[c]) < 0.15);
    }
  REQUIRE(sources.size() == 2);
  CHECK(sources[0] != sources[1]);
}

TEST_CASE("a gate's new expert is masked until it is activated") {
  LinearGate gate(3);
  CHECK_THROWS_AS(gate.scores(T({2, 3}, 1.0)), Error);
  gate.grow();
  gate.active = 1;
  gate.grow();
  CHECK(gate.experts() == 2);
  CHECK(gate.weights(T({2, 3}, 1.0)).values() == std::vector<double>{1, 1});
  gate.active = 2;
  CHECK(gate.weights(T({2, 3}, 1.0)).values() == std::vector<double>{0.5, 0.5, 0.5, 0.5});
  gate.active = 3;
  CHECK_THROWS_WITH_AS(gate.scores(T({2, 3}, 1.0)), "gate: 3 of 2 experts are active", Error);
}

TEST_CASE("growing keeps the old rows of a gate") {
  LinearGate gate(2);
  gate.grow();
  gate.weight.data()[0] = 3;
  gate.weight.data()[1] = -4;
  gate.grow();
  CHECK(gate.weight.values() == std::vector<double>{3, -4, 0, 0});
  CHECK_FALSE(gate.weight.frozen());
}

TEST_CASE("a gate reads the mean of the prompt or its last token, normalised") {
  const T states({1, 3, 2}, {1, 2, 5, 2, 100, 100});
  Flow<B> flow;
  flow.prompt_first = Ids<B>({1}, {0});
  flow.prompt_last = Ids<B>({1}, {2});
  const auto mean = PromptMean::pool<B>(states, flow).values(), last = LastPromptToken::pool<B>(states, flow).values();
  CHECK(mean[0] / mean[1] == doctest::Approx(1.5));
  CHECK(mean[0] * mean[0] + mean[1] * mean[1] == doctest::Approx(2).epsilon(1e-5));
  CHECK(last[0] / last[1] == doctest::Approx(2.5));
  CHECK_THROWS_AS(PromptMean::pool<B>(states, Flow<B>{}), Error);
  CHECK_THROWS_AS(LastPromptToken::pool<B>(states, Flow<B>{}), Error);
}

TEST_CASE("a lower temperature makes a gate more certain") {
  LinearGate gate(1);
  gate.grow();
  gate.grow();
  gate.active = 2;
  gate.weight.data()[0] = 1;
  const T query({1, 1}, 1.0);
  const double warm = gate.weights(query).values()[0];
  gate.config.temperature = 0.1;
  CHECK(gate.weights(query).values()[0] > warm);
  CHECK(gate.weights(query).values()[0] == doctest::Approx(1 / (1 + std::exp(-10.0))));
}

}  // namespace cmoe::routing_test
