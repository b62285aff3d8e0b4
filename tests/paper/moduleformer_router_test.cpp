// The routers of ModuleFormer and the losses on routing, spec/moduleformer.md sections 4 and 6.
#include <doctest/doctest.h>

#include <map>

#include "cmoe/autograd/gradcheck.hpp"
#include "cmoe/models/moduleformer.hpp"
#include "cmoe/nn/expect_module.hpp"
#include "ops/draw.hpp"

namespace cmoe::moduleformer_router_test {

using draw::B, draw::Draw, draw::T;
using RouterOn = TopK::On<B>;
using Feed = MixtureOfExperts<TopK>::On<B>;

namespace {

constexpr Index width = 6;
constexpr RouterForm forms[] = {RouterForm::linear, RouterForm::mlp, RouterForm::gmm};

TopK::Config config_of(RouterForm form, Index experts = 5, Index chosen = 2) {
  return {.experts = experts, .chosen = chosen, .form = form, .gating_size = form == RouterForm::linear ? Index{0} : Index{4}};
}

double dot(const double* a, const double* b, Index n) {
  double total = 0;
  for (Index i = 0; i < n; ++i) total += a[i] * b[i];
  return total;
}

}  // namespace

TEST_CASE("a linear router scores with its rows, a trunk has exact GELU and no bias behind it") {
  Draw d{Rng(1)};
  const T x = d.tensor({3, width});
  const RouterOn linear(width, config_of(RouterForm::linear), Rng(1));
  const RouterOn mlp(width, config_of(RouterForm::mlp), Rng(2));
  CHECK(linear(x).logits.values() == matmul_transposed(x, linear.rows[0]).values());
  const T z = mlp(x).logits;
  for (Index i = 0; i < 3; ++i) {
    double inner[4];
    for (Index g = 0; g < 4; ++g) {
      double h = mlp.trunk.bias.data()[g];
      for (Index c = 0; c < width; ++c) h += x.data()[i * width + c] * mlp.trunk.weight.data()[c * 4 + g];
      inner[g] = h * 0.5 * std::erfc(-h / std::sqrt(2.0));
    }
    for (Index e = 0; e < 5; ++e) CHECK(z.data()[i * 5 + e] == doctest::Approx(dot(inner, mlp.rows[0].data() + e * 4, 4)).epsilon(1e-12));
  }
}

TEST_CASE("a gmm router scores with the cosine to its centroids, times e to the temperature") {
  Draw d{Rng(2)};
  RouterOn router(width, config_of(RouterForm::gmm), Rng(1));
  router.temperature.data()[0] = 0.7;
  CHECK_FALSE(router.trunk.bias);
  const T x = d.tensor({3, width}), z = router(x).logits, inner = matmul(x, router.trunk.weight);
  for (Index i = 0; i < 3; ++i)
    for (Index e = 0; e < 5; ++e) {
      const double *a = inner.data() + i * 4, *b = router.rows[0].data() + e * 4;
      CHECK(z.data()[i * 5 + e] == doctest::Approx(std::exp(0.7) * dot(a, b, 4) / std::sqrt(dot(a, a, 4) * dot(b, b, 4))).epsilon(1e-12));
    }
  const std::vector<double> before = z.values(), after = router(x * 3.0).logits.values();  // lengths do not matter
  for (std::size_t i = 0; i < before.size(); ++i) CHECK(after[i] == doctest::Approx(before[i]).epsilon(1e-12));
}

TEST_CASE("3. every form of router hands back the right gradients, with modules inserted, and through every loss") {
  for (const RouterForm form : forms) {
    CAPTURE(static_cast<int>(form));
    const T x = Draw{Rng(3)}.tensor({4, width});
    const auto make = [&] {
      RouterOn router(width, config_of(form), Rng(1));
      router.insert(2, Rng(2));
      router.insert_split({0, 0, 3});
      for (auto& slab : router.rows) B::affine(slab.size(), form == RouterForm::gmm ? 1 : 40, slab.data(), 0, slab.data());
      for (Index i = 0; i < router.rows[2].size(); i += 2) router.rows[2].data()[i] += 0.05 * static_cast<double>(i + 1);  // no ties: their choice would jump
      return router;
    };
    expect_module<RouterOn>(make, [&](const RouterOn& router) { return router(x).weights; });
    expect_module<RouterOn>(make, [&](const RouterOn& router) { return mutual_information_loss(router(x).probabilities); });
    expect_module<RouterOn>(make, [&](const RouterOn& router) { return concentration_loss(router(x).probabilities, T({4}, {1, 0, 1, 1})); });
    expect_module<RouterOn>(make, [&](const RouterOn& router) { return switch_loss(router(x), 0.1, T({4}, {1, 1, 0, 1})); });
  }
}

TEST_CASE("the concentration loss is 0 when one expert has all, log E when all have the same, with the gradient of the spec") {
  CHECK(std::abs(concentration_loss(T({3, 2}, {1, 0, 1, 0, 1, 0})).item()) < 1e-15);
  CHECK(concentration_loss(T({3, 4}, 0.25)).item() == doctest::Approx(std::log(4.0)));
  Draw d{Rng(4)};
  T z = d.tensor({5, 4});
  z.want_gradient();
  const T p = softmax(z).detach();
  Tape<B> tape;
  tape.backward(concentration_loss(softmax(z)));
  for (Index x = 0; x < 5; ++x) {
    double log_mean[4], expected = 0, sum = 0;
    for (Index e = 0; e < 4; ++e) {
      double mean = 0;
      for (Index i = 0; i < 5; ++i) mean += p.data()[i * 4 + e] / 5;
      log_mean[e] = std::log(mean);
      expected += p.data()[x * 4 + e] * log_mean[e];
    }
    for (Index e = 0; e < 4; ++e) {
      CHECK(z.grad().data()[x * 4 + e] == doctest::Approx(-p.data()[x * 4 + e] * (log_mean[e] - expected) / 5).epsilon(1e-10));
      sum += z.grad().data()[x * 4 + e];
    }
    CHECK(std::abs(sum) < 1e-15);
  }
}

TEST_CASE("training on the concentration loss moves the load to few experts, on mutual information to all of them") {
  const auto load = [](double sign) {
    RouterOn router(width, config_of(RouterForm::linear, 6, 1), Rng(5));
    const T x = Draw{Rng(5)}.tensor({64, width});
    for (int step = 0; step < 400; ++step) {
      {
        Tape<B> tape;
        const T p = router(x).probabilities;
        tape.backward(sign > 0 ? concentration_loss(p) : mutual_information_loss(p));
      }
      Param<B>& rows = router.rows[0];
      B::axpy(rows.size(), -1.0, rows.grad().data(), rows.data());
      rows.clear_gradient();
    }
    const std::vector<double> mean = (sum_rows(router(x).probabilities) / 64.0).values();
    return *std::max_element(mean.begin(), mean.end());
  };
  CHECK(load(1) > 0.5);
  CHECK(load(-1) < 0.3);
}

TEST_CASE("the z loss is the mean squared log-sum of the tokens that count") {
  const T z({2, 2}, {0, 0, 1, 1});
  const double a = std::log(2.0), b = 1 + std::log(2.0);
  CHECK(z_loss(z).item() == doctest::Approx((a * a + b * b) / 2));
  CHECK(z_loss(z, T({2}, {0, 1})).item() == doctest::Approx(b * b));
  CHECK_THROWS_WITH_AS(z_loss(z, T({3}, 1.0)), "z_loss: 3 marks for 2 tokens", Error);
  Draw d{Rng(6)};
  CHECK(gradcheck([](const auto& x) { return z_loss(x[0], T({3}, {1, 0, 1})); }, std::vector<T>{d.tensor({3, 4})}).worst < 1e-7);
}

TEST_CASE("exploration keeps the surest experts, draws the others in proportion, repeats itself, and is off outside of training") {
  TopK::Config config = config_of(RouterForm::linear, 4, 2);
  config.sampled = 1;
  RouterOn router(2, config, Rng(1));
  const std::vector<double> logs = {std::log(0.4), 0, std::log(0.3), 0, std::log(0.2), 0, std::log(0.1), 0};
  router.rows[0].assign(logs);
  const Index n = 4000;
  T x({n, 2}, 0.0);
  for (Index i = 0; i < n; ++i) x.data()[2 * i] = 1;
  Flow<B> flow;
  CHECK(router(x, flow).chosen.values() == router(x).chosen.values());
  flow.training = true;
  flow.dropout_key = 7;
  const Routing<B> drawn = router(x, flow);
  CHECK(drawn.chosen.values() == router(x, flow).chosen.values());
  std::map<Id, double> second;
  for (Index i = 0; i < n; ++i) {
    REQUIRE(drawn.chosen.data()[2 * i] == 0);
    REQUIRE(drawn.chosen.data()[2 * i + 1] != 0);
    REQUIRE(drawn.weights.data()[2 * i + 1] == drawn.probabilities.data()[i * 4 + drawn.chosen.data()[2 * i + 1]]);
    second[drawn.chosen.data()[2 * i + 1]] += 1.0 / static_cast<double>(n);
  }
  CHECK(second[1] == doctest::Approx(0.5).epsilon(0.06));
  CHECK(second[2] == doctest::Approx(1 / 3.0).epsilon(0.08));
  CHECK(second[3] == doctest::Approx(1 / 6.0).epsilon(0.12));
  flow.dropout_key = 8;
  CHECK(drawn.chosen.values() != router(x, flow).chosen.values());
  const RouterOn other(2, config, Rng(2));
  CHECK(other.key != router.key);
}

TEST_CASE("a shared expert serves every token beside the chosen ones, outside of all routing") {
  Draw d{Rng(7)};
  const T x = d.tensor({2, 3, width});
  Feed with(width, {.hidden = 5, .router = config_of(RouterForm::mlp), .shared_hidden = 3}, 1, Rng(1));
  const Feed without(width, {.hidden = 5, .router = config_of(RouterForm::mlp)}, 1, Rng(1));
  const T rows = reshape(x, {6, width}), shared = with.shared_down(gelu_tanh(with.shared_up(rows)));
  const auto ours = with(x).y.values(), expected = (without(x).y + reshape(shared, x.shape())).values();
  for (std::size_t i = 0; i < ours.size(); ++i) CHECK(ours[i] == doctest::Approx(expected[i]).epsilon(1e-13));
  expect_module<Feed>([] { return Feed(4, {.hidden = 3, .router = {.experts = 2, .chosen = 2}, .shared_hidden = 3}, 1, Rng(1)); },
                      [&](const Feed& layer) { return layer(Draw{Rng(8)}.tensor({1, 3, 4})).y; });
}

TEST_CASE("routers that cannot be are refused") {
  const auto refused = [](TopK::Config config) { CHECK_THROWS_AS(RouterOn(width, config, Rng(1)), Error); };
  refused({.experts = 2, .chosen = 3});
  refused({.experts = 2, .chosen = 1, .form = RouterForm::mlp});
  refused({.experts = 2, .chosen = 1, .gating_size = 4});
  refused({.experts = 4, .chosen = 2, .sampled = 3});
}

}  // namespace cmoe::moduleformer_router_test
