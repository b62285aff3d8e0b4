#include <doctest/doctest.h>

#include "cmoe/continual/baselines/moelora.hpp"
#include "cmoe/nn/expect_module.hpp"
#include "continual/small_stream.hpp"
#include "ops/draw.hpp"

namespace cmoe::routed_lora_test {

using draw::B, draw::Draw, draw::T;

namespace {

AdaptedLinear<B, RoutedLoRA> routed_map(Index experts, Index rank = 2, double alpha = 6) {
  AdaptedLinear<B, RoutedLoRA> map(5, 4, Rng(1));
  map.delta.grow(5, 4, {.experts = experts, .expert = {.rank = rank, .alpha = alpha}}, Rng(2));
  return map;
}

void fill(Param<B>& p, std::uint64_t seed) {
  Rng rng(seed);
  for (Index i = 0; i < p.size(); ++i) p.data()[i] = rng.normal();
}

MoELoraLearner<B> moelora(Index experts, double balance = 0.01) {
  auto config = small::sizes<MoELora::Config>();
  config.shallow.experts = experts;
  config.shallow.expert = {.rank = 1, .alpha = 2.0 * static_cast<double>(experts)};
  config.deep = config.shallow;
  return {MoELora::On<B>(config, Rng(1)), {balance}, Rng(2)};
}

double imbalance(MoELoraLearner<B>& learner, const EncodedTask& task) {
  std::vector<T> terms;
  const Batch<B> batch = small::all(task);
  Flow<B> flow = learner.flow(batch, 0);
  flow.auxiliary = &terms;
  learner.model()(batch.ids, flow);
  double total = 0;
  for (const T& term : terms) total += term.item();
  return total / static_cast<double>(terms.size());
}

}  // namespace

TEST_CASE("each token mixes the experts by its own softmax: alpha over R times the sum of p x A B") {
  Draw d{Rng(1)};
  auto map = routed_map(3);
  const T x = d.tensor({2, 3, 5});
  CHECK(map(x, {}).values() == matmul(x, map.base.weight).values());  // fresh
  fill(map.delta.router, 7);
  for (std::size_t e = 0; e < 3; ++e) fill(map.delta.experts[e].b, e);
  T expected = matmul(x, map.base.weight);
  const T p = softmax(matmul(x, map.delta.router));
  for (Index e = 0; e < 3; ++e) {
    const auto& expert = map.delta.experts[static_cast<std::size_t>(e)];
    expected = expected + matmul(matmul(x, expert.a), expert.b) * reshape(slice_columns(p, e, e + 1), {2, 3, 1}) * 3.0;
  }
  CHECK(small::difference(map(x, {}), expected) < 1e-13);
}

TEST_CASE("one expert alone is plain LoRA, whatever its router says") {
  Draw d{Rng(2)};
  auto map = routed_map(1);
  AdaptedLinear<B, Single<LoRA>> plain(5, 4, Rng(1));
  plain.delta.grow(5, 4, {.rank = 2, .alpha = 6}, Rng(2));
  fill(map.delta.router, 7);
  fill(map.delta.experts[0].b, 3);
  plain.delta.block->a.assign(map.delta.experts[0].a.values());
  plain.delta.block->b.assign(map.delta.experts[0].b.values());
  const T x = d.tensor({2, 3, 5});
  CHECK(small::difference(map(x, {}), plain(x, {})) < 1e-14);
}

TEST_CASE("routed LoRA is a sound module: every parameter is visited and its gradient is right") {
  Draw d{Rng(3)};
  const T x = d.tensor({2, 3, 5});
  expect_module<AdaptedLinear<B, RoutedLoRA>>(
      [] {
        auto map = routed_map(3);
        fill(map.delta.router, 7);
        for (auto& expert : map.delta.experts) fill(expert.b, 8);
        return map;
      },
      [&](const auto& map) { return map(x, {}); });
}

TEST_CASE("the imbalance is the variance over the squared mean: 0 for even shares, E - 1 for one expert alone, padding left out") {
  Flow<B> flow;
  const T even({1, 2, 2}, {1, 0, 0, 1}), single({1, 2, 2}, {1, 0, 1, 0}), mixed({1, 2, 2}, {0.8, 0.2, 0.6, 0.4});
  CHECK(RoutedLoRA::On<B>::imbalance(even, flow).item() == doctest::Approx(0));
  CHECK(RoutedLoRA::On<B>::imbalance(single, flow).item() == doctest::Approx(1));
  CHECK(RoutedLoRA::On<B>::imbalance(mixed, flow).item() == doctest::Approx((0.2 * 0.2) / (0.5 * 0.5)));
  flow.last = Ids<B>({1}, {1});
  CHECK(RoutedLoRA::On<B>::imbalance(even, flow).item() == doctest::Approx(1));
}

TEST_CASE("every adapted map hands out one auxiliary term, and only when asked") {
  const auto data = small::stream();
  MoELoraLearner<B> learner = moelora(3);
  learner.before_task(0, data[0]);
  const auto terms = learner.loss(small::all(data[0]), 0, 0).terms();
  REQUIRE(terms.size() == 2);
  CHECK(terms[1].first == "balance");
  CHECK(std::abs(terms[1].second) < 1e-12);  // the router starts even
  MoELoraLearner<B> without = moelora(3, 0);
  without.before_task(0, data[0]);
  CHECK(without.loss(small::all(data[0]), 0, 0).terms().size() == 1);
}

TEST_CASE("four experts of rank 1 fit more than one, and the balance term keeps them even") {
  const auto data = small::stream({.tasks = 1, .symbols = 8});
  double loss[2];
  for (const int many : {0, 1}) {
    MoELoraLearner<B> learner = moelora(many ? 4 : 1, 0);
    small::run(learner, data, 1e-2, 40);
    loss[many] = learner.loss(small::all(data[0]), 0, 0).total().item();
  }
  MoELoraLearner<B> loose = moelora(4, 0), even = moelora(4, 1);
  small::run(loose, data, 1e-2, 40);
  small::run(even, data, 1e-2, 40);
  MESSAGE("loss ", loss[0], " with one, ", loss[1], " with four; imbalance ", imbalance(loose, data[0]), " and ", imbalance(even, data[0]));
  CHECK(loss[1] < loss[0]);
  CHECK(imbalance(even, data[0]) < 0.5 * imbalance(loose, data[0]));
}

}  // namespace cmoe::routed_lora_test
