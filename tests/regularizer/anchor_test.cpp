#include <doctest/doctest.h>

#include "cmoe/autograd/gradcheck.hpp"
#include "cmoe/nn/linear.hpp"
#include "cmoe/regularizer/anchor.hpp"
#include "ops/draw.hpp"

namespace cmoe::anchor_test {

using draw::B, draw::Draw, draw::T;

namespace {

struct Two {
  Param<B> a{Shape{2}}, b{Shape{3}};
  using Backend = B;
  static void visit(auto& self, auto&& v) {
    v("a", self.a);
    v("b", self.b);
  }
};

Anchor<B> random_anchor(std::uint64_t seed) {
  Draw d{Rng(seed)};
  Anchor<B> anchor;
  for (const auto& [name, size] : {std::pair{"a", Index{2}}, {"b", Index{3}}}) {
    anchor.centre.emplace(name, d.tensor({size}).value());
    anchor.weight.emplace(name, square(d.tensor({size})).value());
  }
  return anchor;
}

void move_to(Two& module, std::uint64_t seed) {
  Draw d{Rng(seed)};
  module.a.assign(d.tensor({2}).values());
  module.b.assign(d.tensor({3}).values());
}

}  // namespace

TEST_CASE("the Fisher diagonal is the mean of squared gradients of single sequences, not the square of their mean") {
  Two module;
  const double gradients[2][2] = {{1, -3}, {3, 1}};
  const auto fisher = diagonal_fisher<B>(module, 2, [&](Index n) { return sum(module.a * T({2}, {gradients[n][0], gradients[n][1]})); });
  CHECK(fisher.count() == 2);
  CHECK(fisher.mean().at("a").values() == std::vector<double>{5, 5});  // the square of the mean would be 4 and 1
  CHECK(fisher.mean().at("b").values() == std::vector<double>{0, 0, 0});
  CHECK_FALSE(static_cast<bool>(module.a.grad()));  // nothing is left for the optimiser
}

TEST_CASE("the normalised diagonal has mean 1 over all entries, and frozen parameters take no part") {
  Two module;
  const auto nll = [&](Index n) { return sum(module.a * T({2}, {1.0 + static_cast<double>(n), 2.0})) + sum(module.b); };
  const NamedArrays<B> f = diagonal_fisher<B>(module, 2, nll).normalised();
  double total = 0;
  for (const auto& [name, array] : f)
    for (double x : array.values()) total += x;
  CHECK(total / 5 == doctest::Approx(1));
  CHECK(f.at("a").values()[1] / f.at("b").values()[0] == doctest::Approx(4));
  module.b.freeze();
  CHECK(diagonal_fisher<B>(module, 1, nll).mean().size() == 1);
  CHECK_THROWS_AS(DiagonalFisher<B>{}.mean(), Error);
}

TEST_CASE("the Fisher diagonal of a Bernoulli model is p (1 - p) times the squared input in the mean over its labels") {
  Two module;  // log-odds a·x, x = (2,1), a = (0.3,-0.1): p = sigmoid(0.5)
  module.a.assign(std::vector<double>{0.3, -0.1});
  const double p = 1 / (1 + std::exp(-0.5));
  const auto with_label = [&](double y) {
    return diagonal_fisher<B>(module, 1, [&](Index) {
             const T odds = sum(module.a * T({2}, {2, 1}));
             return softplus(odds) - odds * y;
           }).mean().at("a").values()[0];
  };
  CHECK(p * with_label(1) + (1 - p) * with_label(0) == doctest::Approx(p * (1 - p) * 4));
}

TEST_CASE("the anchor's loss is one half F times the squared distance, its derivative F times the distance") {
  Two module;
  module.a.assign(std::vector<double>{2, 5});
  module.b.freeze();
  Anchor<B> anchor = random_anchor(1);
  anchor.centre.at("a") = Array<B>({2}, {1, 1});
  anchor.weight.at("a") = Array<B>({2}, {4, 0.5});
  Tape<B> tape;
  const T loss = anchor.loss(module);
  CHECK(loss.item() == doctest::Approx(0.5 * (4 * 1 + 0.5 * 16)));
  tape.backward(loss);
  CHECK(module.a.grad().values() == std::vector<double>{4, 2});
  module.a.clear_gradient();
}

TEST_CASE("the anchor's derivative agrees with differences") {
  Draw d{Rng(3)};
  const T centre = d.tensor({2, 3}), weight = square(d.tensor({2, 3}));
  CHECK(gradcheck([&](const auto& x) { return quadratic_penalty(x[0], centre, weight); }, std::vector{d.tensor({2, 3})}).worst < 1e-6);
}

TEST_CASE("one merged anchor is the sum of two but for a constant, so its gradients are theirs") {
  const Anchor<B> first = random_anchor(1), second = random_anchor(2), both = merged(first, second);
  Two module;
  std::vector<double> constants;
  for (std::uint64_t seed = 10; seed < 14; ++seed) {
    move_to(module, seed);
    constants.push_back((first.loss(module) + second.loss(module) - both.loss(module)).item());
  }
  for (double c : constants) CHECK(c == doctest::Approx(constants[0]).epsilon(1e-10));
  CHECK(constants[0] > 0);
}

TEST_CASE("the online anchor sits at the newest place and forgets old importance by its decay") {
  const Anchor<B> first = random_anchor(1), second = random_anchor(2);
  const Anchor<B> online = merged(first, second, 0.5, AnchorCentre::newest);
  CHECK(online.centre.at("b").values() == second.centre.at("b").values());
  for (std::size_t i = 0; i < 3; ++i)
    CHECK(online.weight.at("b").values()[i] == doctest::Approx(0.5 * first.weight.at("b").values()[i] + second.weight.at("b").values()[i]));
}

TEST_CASE("parameters that only one anchor knows keep what is known of them, and other shapes are refused") {
  Anchor<B> first = random_anchor(1), second = random_anchor(2);
  first.centre.erase("a"), first.weight.erase("a");
  second.centre.erase("b"), second.weight.erase("b");
  const Anchor<B> both = merged(first, second, 0.5);
  CHECK(both.centre.at("a").values() == second.centre.at("a").values());
  CHECK(both.centre.at("b").values() == first.centre.at("b").values());
  CHECK(both.weight.at("b").values()[0] == doctest::Approx(0.5 * first.weight.at("b").values()[0]));
  first.weight.at("b") = Array<B>({2}, {1, 1});
  CHECK_THROWS_WITH_AS(merged(first, random_anchor(2)), "anchor: b was (2) and is (3)", Error);
  CHECK_THROWS_AS(first.loss(Two{}), Error);
}

TEST_CASE("an anchor without any known parameter has no loss") {
  CHECK_FALSE(static_cast<bool>(Anchor<B>{}.loss(Two{})));
}

}  // namespace cmoe::anchor_test
