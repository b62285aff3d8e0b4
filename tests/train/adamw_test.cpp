#include <doctest/doctest.h>

#include "cmoe/cpu/cpu.hpp"
#include "cmoe/nn/linear.hpp"
#include "cmoe/ops/reduce.hpp"
#include "cmoe/train/step.hpp"

namespace cmoe::adamw_test {

using B = Cpu<double>;
using T = Tensor<B>;

namespace {

void give(const Param<B>& p, std::initializer_list<double> gradient) { p.slot().add(Array<B>(p.shape(), gradient)); }

Param<B> param(std::initializer_list<double> values) { return Param<B>(Array<B>({static_cast<Index>(values.size())}, values)); }

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();

}  // namespace

TEST_CASE("the first step moves each value by the learning rate against the sign of its gradient") {
  Param<B> p = param({1, 2, 3});
  AdamW<B> optimizer({.lr = 0.1, .clip = 0});
  optimizer.add("p", p);
  give(p, {5, -0.01, 0});
  CHECK(optimizer.step() == doctest::Approx(std::sqrt(25.0001)));
  CHECK(p.values()[0] == doctest::Approx(0.9));
  CHECK(p.values()[1] == doctest::Approx(2.1));
  CHECK(p.values()[2] == 3);
  CHECK_FALSE(static_cast<bool>(p.grad()));
}

TEST_CASE("two steps follow the formula written out") {
  Param<B> p = param({2});
  AdamW<B> optimizer({.lr = 0.1, .beta1 = 0.8, .beta2 = 0.9, .epsilon = 1e-3, .weight_decay = 0.5, .clip = 0});
  optimizer.add("p", p, 3);
  double x = 2, m = 0, v = 0;
  for (int t = 1; t <= 2; ++t) {
    const double g = t == 1 ? 0.5 : -2, lr = 0.1 * 0.25 * 3;
    give(p, {2 * g});
    optimizer.step(0.25, 0.5);
    m = 0.8 * m + 0.2 * g;
    v = 0.9 * v + 0.1 * g * g;
    x -= lr * 0.5 * x;
    x -= lr * (m / (1 - std::pow(0.8, t))) / (std::sqrt(v / (1 - std::pow(0.9, t))) + 1e-3);
    CHECK(p.item() == doctest::Approx(x).epsilon(1e-14));
  }
}

TEST_CASE("gradients are clipped together, but parameters outside the group neither count nor shrink") {
  Param<B> a = param({0}), b = param({0}), router = param({0}), alone = param({0});
  AdamW<B> optimizer({.lr = 1, .beta1 = 0, .epsilon = 1e3, .clip = 1}), other({.lr = 1, .beta1 = 0, .epsilon = 1e3, .clip = 0});
  optimizer.add("a", a);
  optimizer.add("b", b);
  optimizer.add("router", router, 1, false);
  other.add("alone", alone);
  give(a, {30});
  give(b, {40});
  give(router, {1000});
  give(alone, {1000});
  CHECK(optimizer.step() == 50);
  other.step();
  CHECK(a.item() == doctest::Approx(-0.6 / 1000).epsilon(1e-2));
  CHECK(b.item() == doctest::Approx(-0.8 / 1000).epsilon(1e-2));
  CHECK(router.item() == alone.item());
}

TEST_CASE("a frozen parameter does not move, has no moments and no part in the norm") {
  Param<B> frozen = param({1, 2}), free = param({1});
  frozen.freeze();
  AdamW<B> optimizer({.lr = 0.1, .weight_decay = 0.5});
  optimizer.add("frozen", frozen);
  optimizer.add("free", free);
  for (int i = 0; i < 3; ++i) {
    give(free, {1});
    CHECK(optimizer.step() == 1);
  }
  CHECK(frozen.values() == std::vector<double>{1, 2});
  CHECK(free.item() < 1);
  std::vector<std::string> moments;
  optimizer.for_each_moment([&](const std::string& name, Array<B>&) { moments.push_back(name); });
  CHECK(moments == std::vector<std::string>{"first.free", "second.free"});
}

TEST_CASE("a gradient that is not a number names the parameter and changes nothing") {
  for (const double bad : {not_a_number, infinity, -infinity}) {
    Param<B> good = param({1, 2}), broken = param({3, 4});
    AdamW<B> optimizer({.lr = 0.1, .weight_decay = 0.5});
    optimizer.add("layers.0.good", good);
    optimizer.add("layers.1.broken", broken);
    give(good, {1, 1});
    give(broken, {0, bad});
    try {
      optimizer.step();
      FAIL("the step was taken");
    } catch (const Error& e) {
      CHECK(e.kind() == ErrorKind::numeric);
      CHECK(std::string(e.what()) == "adamw: the gradient of layers.1.broken (2) has NaN or infinity at step 1");
    }
    CHECK(good.values() == std::vector<double>{1, 2});
    CHECK(broken.values() == std::vector<double>{3, 4});
    CHECK(optimizer.steps() == 0);
    optimizer.for_each_moment([](const std::string&, Array<B>& m) { CHECK(m.values() == std::vector<double>{0, 0}); });
  }
}

TEST_CASE("options that make no sense are refused") {
  CHECK_THROWS_AS(AdamW<B>({.lr = -1}), Error);
  CHECK_THROWS_AS(AdamW<B>({.lr = not_a_number}), Error);
  CHECK_THROWS_AS(AdamW<B>({.beta1 = 1}), Error);
  CHECK_THROWS_AS(AdamW<B>({.beta2 = -0.1}), Error);
  CHECK_THROWS_AS(AdamW<B>({.epsilon = 0}), Error);
  CHECK_THROWS_AS(AdamW<B>({.weight_decay = -1}), Error);
  CHECK_THROWS_AS(AdamW<B>({.clip = -1}), Error);
}

TEST_CASE("schedules have the values of their formulas") {
  const Schedule cosine{.decay = Decay::cosine, .warmup = 4, .floor = 0.2};
  CHECK(cosine(0, 12) == 0);
  CHECK(cosine(1, 12) == 0.25);
  CHECK(cosine(4, 12) == 1);
  CHECK(cosine(8, 12) == doctest::Approx(0.6));
  CHECK(cosine(12, 12) == doctest::Approx(0.2));
  CHECK(cosine(100, 12) == doctest::Approx(0.2));
  const Schedule linear{.decay = Decay::linear};
  CHECK(linear(0, 10) == 1);
  CHECK(linear(5, 10) == 0.5);
  CHECK(linear(10, 10) == 0);
  const Schedule constant{.decay = Decay::constant, .warmup = 2};
  CHECK(constant(1, 10) == 0.5);
  CHECK(constant(9, 10) == 1);
  CHECK((Schedule{.decay = Decay::cosine, .warmup = 5})(5, 5) == 1);
}

TEST_CASE("a step over two halves of a batch equals one over the whole") {
  const Linear<B> start(3, 1, Rng(1));
  std::vector<double> results[2];
  const T x({4, 3}, {1, 2, 3, -1, 0, 2, 0.5, 1, -2, 3, 1, 1});
  for (Index parts : {1, 2}) {
    Linear<B> map(3, 1, Rng(1));
    AdamW<B> optimizer({.lr = 0.1, .clip = 0.5});
    optimizer.add_module(map);
    const StepResult result = training_step(optimizer, Schedule{.decay = Decay::constant}, 0, 1, parts, [&](Index part) {
      Loss<B> loss;
      loss.add("square", mean(square(map(T(x.value().rows(part * 4 / parts, (part + 1) * 4 / parts))))), 2);
      return loss;
    });
    CHECK(result.terms.size() == 1);
    CHECK(result.lr == 0.1);
    auto& out = results[parts - 1];
    out = map.weight.values();
    out.push_back(result.terms[0].second);
    out.push_back(result.gradient_norm);
  }
  for (std::size_t i = 0; i < results[0].size(); ++i) CHECK(results[0][i] == doctest::Approx(results[1][i]).epsilon(1e-12));
}

TEST_CASE("a loss term that is not finite is named, and nothing has changed") {
  Linear<B> map(2, 1, Rng(1));
  const std::uint64_t before = hash(map);
  AdamW<B> optimizer({});
  optimizer.add_module(map);
  const auto step = [&] {
    training_step(optimizer, Schedule{}, 3, 10, 1, [&](Index) {
      Loss<B> loss;
      loss.add("fine", mean(map(T({1, 2}, {1, 2}))));
      loss.add("broken", mean(log(T({1}, {-1.0}))));
      return loss;
    });
  };
  try {
    step();
    FAIL("the step was taken");
  } catch (const Error& e) {
    CHECK(e.kind() == ErrorKind::numeric);
    CHECK(std::string(e.what()).find("training step 3: the loss term broken is") == 0);
  }
  CHECK(hash(map) == before);
  CHECK(optimizer.steps() == 0);
  CHECK_THROWS_WITH_AS(training_step(optimizer, Schedule{}, 0, 1, 1, [](Index) { return Loss<B>(); }),
                       "training step: the loss has no terms", Error);
}

TEST_CASE("a step that failed leaves no gradient behind for the next one") {
  Linear<B> map(2, 1, Rng(1)), fresh(2, 1, Rng(1));
  AdamW<B> optimizer({.epsilon = 1e3, .clip = 0}), other({.epsilon = 1e3, .clip = 0});  // steps in proportion to the gradient
  optimizer.add_module(map);
  other.add_module(fresh);
  const auto step = [](AdamW<B>& how, const Linear<B>& what, double fault) {
    training_step(how, Schedule{.decay = Decay::constant}, 0, 1, 2, [&](Index part) {
      Loss<B> loss;
      loss.add("loss", mean(what(T({1, 2}, {1, part == 1 ? fault : 2.0}))));
      return loss;
    });
  };
  CHECK_THROWS_AS(step(optimizer, map, not_a_number), Error);
  step(optimizer, map, 2);
  step(other, fresh, 2);
  CHECK(map.weight.values() == fresh.weight.values());
}

}  // namespace cmoe::adamw_test
