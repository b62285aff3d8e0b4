#include <doctest/doctest.h>

#include "cmoe/cpu/cpu.hpp"
#include "cmoe/nn/linear.hpp"
#include "cmoe/nn/rotary.hpp"

namespace cmoe::module_test {

using B = Cpu<double>;
using T = Tensor<B>;

namespace {

struct Inner {
  std::vector<Linear<B>> layers;
  std::optional<Linear<B>> extra;
  using Backend = B;
  static void visit(auto& self, auto&& v) {
    v("layers", self.layers);
    v("extra", self.extra);
  }
};
struct Outer {
  Inner inner;
  Param<B> scale;
  using Backend = B;
  static void visit(auto& self, auto&& v) {
    v("inner", self.inner);
    v("scale", self.scale);
  }
};

std::vector<std::string> names(const auto& model) {
  std::vector<std::string> out;
  for_each_param(model, [&](const std::string& name, const Param<B>&) { out.push_back(name); });
  return out;
}

Outer outer(bool extra) {
  Outer o;
  o.inner.layers.emplace_back(2, 3, Rng(1), true);
  o.inner.layers.emplace_back(3, 2, Rng(2));
  if (extra) o.inner.extra.emplace(2, 2, Rng(3));
  o.scale = Param<B>({1}, 2);
  return o;
}

}  // namespace

TEST_CASE("parameters are named by their path through fields, lists and optional parts, absent ones are left out") {
  CHECK(names(outer(false)) ==
        std::vector<std::string>{"inner.layers.0.weight", "inner.layers.0.bias", "inner.layers.1.weight", "scale"});
  CHECK(names(outer(true)).size() == 5);
  CHECK(names(outer(true))[3] == "inner.extra.weight");
}

TEST_CASE("counting, freezing and unfreezing are visitors") {
  Outer o = outer(false);
  CHECK(parameter_count(o) == 6 + 3 + 6 + 1);
  freeze(o.inner);
  CHECK(parameter_count(o, Count::trainable) == 1);
  CHECK(o.inner.layers[0].weight.frozen());
  unfreeze(o);
  CHECK(parameter_count(o, Count::trainable) == 16);
}

TEST_CASE("a parameter is counted while it lives, and moving it makes no second one") {
  const Index before = Param<B>::live();
  {
    Param<B> a({2}), none;
    CHECK(Param<B>::live() == before + 1);
    Param<B> b = std::move(a);
    CHECK(Param<B>::live() == before + 1);
    none = std::move(b);
    CHECK(Param<B>::live() == before + 1);
    none = Param<B>({3});
    CHECK(Param<B>::live() == before + 1);
    CHECK(none.size() == 3);
  }
  CHECK(Param<B>::live() == before);
}

TEST_CASE("the hash sees names, shapes and bits") {
  Outer a = outer(true), b = outer(true);
  CHECK(hash(a) == hash(b));
  b.scale.data()[0] = std::nextafter(2.0, 3.0);
  CHECK(hash(a) != hash(b));
  b.scale.data()[0] = 2;
  CHECK(hash(a) == hash(b));
  b.scale = Param<B>({1, 1}, 2);
  CHECK(hash(a) != hash(b));
}

TEST_CASE("copying parameters needs the target to have them in the same shape") {
  const Outer small = outer(false);
  Outer large = outer(true);
  large.scale.data()[0] = 5;
  copy_parameters(small, large);
  CHECK(large.scale.item() == 2);
  Outer target = outer(false);
  CHECK_THROWS_WITH_AS(copy_parameters(large, target), "copy_parameters: the target has no inner.extra.weight", Error);
  target.scale = Param<B>({2}, 0);
  CHECK_THROWS_AS(copy_parameters(small, target), Error);
}

TEST_CASE("initial values depend on the name and the seed alone") {
  CHECK(Linear<B>(3, 2, Rng(1)).weight.values() == Linear<B>(3, 2, Rng(1)).weight.values());
  CHECK(Linear<B>(3, 2, Rng(1)).weight.values() != Linear<B>(3, 2, Rng(2)).weight.values());
  Rng drawn(1);
  drawn.next();
  CHECK(Linear<B>(3, 2, drawn).weight.values() == Linear<B>(3, 2, Rng(1)).weight.values());
}

TEST_CASE("a turn by the rotary angles keeps lengths, leaves position 0 alone and makes products depend on distance") {
  const RotaryTable<B> table(32, 4, 100);
  for (const RotaryLayout layout : {RotaryLayout::adjacent, RotaryLayout::halves}) {
    const T q({1, 1, 1, 4}, {1, 2, 3, 4}), k({1, 1, 1, 4}, {-2, 1, 0.5, 3});
    const auto product = [&](Index i, Index j) {
      const auto a = rotary(q, table, layout, i).values(), b = rotary(k, table, layout, j).values();
      return a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3];
    };
    CHECK(rotary(q, table, layout, 0).values() == q.values());
    CHECK(product(7, 3) == doctest::Approx(product(24, 20)).epsilon(1e-12));
    CHECK(product(7, 3) != doctest::Approx(product(7, 4)).epsilon(1e-3));
    double length = 0;
    for (double x : rotary(q, table, layout, 9).values()) length += x * x;
    CHECK(length == doctest::Approx(30).epsilon(1e-12));
  }
  const double angle = 3;  // the first pair turns by the position itself
  const auto adjacent = rotary(T({1, 1, 1, 4}, {1, 0, 0, 0}), table, RotaryLayout::adjacent, 3).values();
  CHECK(adjacent[0] == doctest::Approx(std::cos(angle)));
  CHECK(adjacent[1] == doctest::Approx(std::sin(angle)));
  const auto halves = rotary(T({1, 1, 1, 4}, {1, 0, 0, 0}), table, RotaryLayout::halves, 3).values();
  CHECK(halves[2] == doctest::Approx(std::sin(angle)));
}

TEST_CASE("rotary scaling leaves fast pairs alone, divides slow ones, and goes over from one to the other") {
  // base 100, heads of size 8: frequencies 1, 0.316, 0.1, 0.0316. Of 120 positions the pairs make 19.1, 6.04, 1.91 and 0.60 turns.
  const RotaryScaling scaling{.kind = RotaryScaling::Kind::llama3, .factor = 8, .low_frequency = 1, .high_frequency = 4, .context = 120};
  const RotaryTable<B> plain(64, 8, 100), scaled(64, 8, 100, scaling);
  const auto angle = [](const RotaryTable<B>& table, Index p) {
    const Index at = 4 + p;  // position 1
    return std::atan2(table.sine.values()[static_cast<std::size_t>(at)], table.cosine.values()[static_cast<std::size_t>(at)]);
  };
  CHECK(angle(scaled, 0) == angle(plain, 0));
  CHECK(angle(scaled, 1) == angle(plain, 1));
  const double turns = 120 * 0.1 / (2 * std::numbers::pi), kept = (turns - 1) / 3;  // 0.303
  CHECK(angle(scaled, 2) == doctest::Approx(0.1 * (kept + (1 - kept) / 8)).epsilon(1e-12));
  CHECK(angle(scaled, 3) == doctest::Approx(angle(plain, 3) / 8).epsilon(1e-12));
  const RotaryTable<B> linear(64, 8, 100, {.kind = RotaryScaling::Kind::linear, .factor = 4});
  const RotaryTable<B> listed(64, 8, 100, {.kind = RotaryScaling::Kind::listed, .divisors = {4, 4, 4, 4}});
  for (Index p = 0; p < 4; ++p) CHECK(angle(linear, p) == doctest::Approx(angle(plain, p) / 4).epsilon(1e-12));
  CHECK(linear.sine.values() == listed.sine.values());
  CHECK_THROWS_WITH_AS(RotaryTable<B>(64, 8, 100, {.kind = RotaryScaling::Kind::listed, .divisors = {4, 4}}),
                       "rotary: 2 divisors for heads of size 8", Error);
  CHECK_THROWS_AS(RotaryTable<B>(64, 8, 100, {.kind = RotaryScaling::Kind::linear, .factor = 0}), Error);
}

}  // namespace cmoe::module_test
