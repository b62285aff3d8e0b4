// The whole library in 60 lines: a tensor, an operation, a tape, a module, a mixture of experts, a training step.
#include <doctest/doctest.h>

#include "cmoe/cpu/cpu.hpp"
#include "cmoe/moe/mixture.hpp"
#include "cmoe/nn/linear.hpp"
#include "cmoe/regularizer/balance.hpp"
#include "cmoe/train/step.hpp"

using namespace cmoe;
using B = Cpu<float>;  // a device and a number type in one: the only letter that the rest depends on

TEST_CASE("the whole library in 60 lines") {
  // A tensor is a value: numbers with a shape. Operations are functions.
  const Tensor<B> x({2, 3}, {1, 2, 3, 4, 5, 6});  // (2,3)
  const Tensor<B> y = x * x - 1;                  // (2,3)
  CHECK(y.values() == std::vector<float>{0, 3, 8, 15, 24, 35});
  CHECK_THROWS_WITH_AS(matmul(x, x), "matmul: inner sizes differ: (2,3) · (2,3)", Error);

  // A tape is a scope. What happens while it lives can be played backwards, once.
  Tensor<B> w({3, 1}, {1, 0, -1});  // (3,1)
  w.want_gradient();
  {
    Tape<B> tape;
    tape.backward(sum(matmul(x, w)));
  }
  CHECK(w.grad().values() == std::vector<float>{5, 7, 9});

  // A module is a struct with parameters; one line of it names them. What it draws depends on seed and name alone.
  const Linear<B> linear(3, 4, Rng(1), true);
  CHECK(parameter_count(linear) == 3 * 4 + 4);
  CHECK(linear(x).shape() == Shape{2, 4});

  // A mixture: a router sends each token to 2 of 8 experts, one product computes all. How it decided is returned too.
  MixtureOfExperts<TopK>::On<B> mixture(3, {.hidden = 16, .router = {.experts = 8, .chosen = 2}}, 1, Rng(2));
  const auto [out, routing] = mixture(reshape(x, {1, 2, 3}));  // (1,2,3)
  CHECK(out.shape() == Shape{1, 2, 3});
  CHECK(routing.chosen.shape() == Shape{2, 2});

  // Training: a loss of named terms, and a step that clips, updates, and changes nothing if a number is bad.
  AdamW<B> optimizer({.lr = 0.02});
  optimizer.add_module(mixture);
  const Schedule schedule{.decay = Decay::cosine};
  std::vector<double> errors;
  for (Index step = 0; step < 60; ++step) {
    const StepResult result = training_step(optimizer, schedule, step, 60, 1, [&](Index) {
      const auto [made, decided] = mixture(reshape(x, {1, 2, 3}));
      Loss<B> loss;
      loss.add("error", mean(square(reshape(made, {2, 3}) - y)));
      loss.add("balance", switch_loss(decided), 0.01);
      return loss;
    });
    errors.push_back(result.terms[0].second);
  }
  CHECK(errors.back() < errors.front() / 10);

  // A new expert may come at any time. What is frozen is out of training; only the newcomer's slabs and row learn.
  freeze(mixture);
  mixture.insert(1, Rng(3));
  CHECK(mixture.router.experts() == 9);
  CHECK(parameter_count(mixture, Count::trainable) == 3 * 16 + 16 * 3 + 3);
}
