#include <doctest/doctest.h>

#include "cmoe/autograd/checkpoint.hpp"
#include "cmoe/cpu/cpu.hpp"
#include "cmoe/ops/arithmetic.hpp"
#include "cmoe/ops/layout.hpp"
#include "cmoe/ops/matmul.hpp"
#include "cmoe/ops/norm.hpp"
#include "cmoe/ops/reduce.hpp"
#include "ops/draw.hpp"

namespace cmoe::checkpoint_test {

using draw::B, draw::T;

namespace {

struct Deep {  // several products, whose results only the plain tape keeps
  T weight;
  T operator()(const T& x) const {
    T h = x;
    for (int i = 0; i < 6; ++i) h = tanh(matmul(h, weight));
    return h;
  }
};

T leaf(T x) {
  x.want_gradient();
  return x;
}

}  // namespace

TEST_CASE("a checkpoint gives the plain gradients to the bit and keeps fewer bytes") {
  draw::Draw d{Rng(4)};
  const T x = leaf(d.tensor({400, 16})), w = leaf(d.tensor({16, 16}));
  const Deep f{w};
  std::vector<double> plain_x, plain_w;
  std::size_t bytes[2] = {0, 0};
  double losses[2] = {0, 0};
  for (const bool kept : {false, true}) {
    const std::size_t before = memory_in_use();
    Tape<B> tape;
    const T loss = sum(square(kept ? checkpoint([f](const T& in) { return f(in); }, x) : f(x)));
    bytes[kept] = memory_in_use() - before;
    losses[kept] = loss.item();
    tape.backward(loss);
    if (!kept)
      plain_x = x.grad().values(), plain_w = w.grad().values();
    else {
      CHECK(x.grad().values() == plain_x);
      CHECK(w.grad().values() == plain_w);
    }
    x.clear_gradient();
    w.clear_gradient();
  }
  CHECK(losses[0] == losses[1]);
  CHECK(bytes[1] * 3 < bytes[0]);
}

TEST_CASE("a product keeps the recipe of a normalised or gated input: the plain gradients to the bit, and the values are not held") {
  draw::Draw d{Rng(9)};
  const T a = leaf(d.tensor({300, 32})), b = leaf(d.tensor({300, 32})), gain = leaf(d.tensor({32})), w = leaf(d.tensor({32, 2}));
  const std::vector<std::function<T()>> inputs = {[&] { return rms_norm(a, gain); }, [&] { return rms_norm<B>(a); },
                                                  [&] { return layer_norm(a, gain, gain); }, [&] { return swiglu(a, b); }};
  for (const auto& input : inputs) {
    std::vector<std::vector<double>> plain;
    std::size_t bytes[2] = {0, 0};
    for (const bool by_recipe : {false, true}) {
      const std::size_t before = memory_in_use();
      Tape<B> tape;
      const auto product = [&] {
        T x = input();
        if (!by_recipe) x = reshape(x, {30, 10, 32});  // a view has no recipe
        return by_recipe ? matmul(x, w) : reshape(matmul(x, w), {300, 2});
      };
      const T loss = sum(square(product()));
      bytes[by_recipe] = memory_in_use() - before;
      tape.backward(loss);
      std::vector<std::vector<double>> gradients;
      for (const T* leaf : {&a, &b, &gain, &w}) {
        gradients.push_back(leaf->grad() ? leaf->grad().values() : std::vector<double>());
        leaf->clear_gradient();
      }
      if (!by_recipe) plain = gradients;
      CHECK(gradients == plain);
    }
    CHECK(bytes[1] + 300 * 32 * sizeof(double) < bytes[0] + 2000);  // the slots of a view, the recipe
  }
}

TEST_CASE("a product with a frozen operand keeps nothing of the other") {
  draw::Draw d{Rng(10)};
  const T x = leaf(d.tensor({300, 32})), frozen = d.tensor({32, 2});
  const std::size_t before = memory_in_use();
  Tape<B> tape;
  const T y = matmul(x * 2, frozen);
  CHECK(memory_in_use() - before < 300 * 32 * sizeof(double));
  tape.backward(sum(y));
  CHECK(x.grad().shape() == x.shape());
}

TEST_CASE("a checkpoint within a checkpoint gives the plain gradients") {
  draw::Draw d{Rng(5)};
  const T x = leaf(d.tensor({5, 4})), w = leaf(d.tensor({4, 4}));
  const Deep f{w};
  std::vector<double> plain;
  for (int depth = 0; depth < 3; ++depth) {
    const auto once = [f](const T& in) { return f(in); };
    const auto twice = [once](const T& in) { return checkpoint(once, in); };
    Tape<B> tape;
    tape.backward(sum(depth == 0 ? once(x) : depth == 1 ? twice(x) : checkpoint(twice, x)));
    if (depth == 0) plain = w.grad().values();
    CHECK(w.grad().values() == plain);
    w.clear_gradient();
  }
}

TEST_CASE("a checkpoint of frozen inputs with a trained weight passes the weight's gradient") {
  draw::Draw d{Rng(6)};
  const T x = d.tensor({3, 4}), w = leaf(d.tensor({4, 4}));
  Tape<B> tape;
  const T y = checkpoint([w](const T& in) { return matmul(in, w); }, x);
  CHECK(y.wants_gradient());
  tape.backward(sum(y));
  CHECK(static_cast<bool>(w.grad()));
}

TEST_CASE("a checkpoint in which nothing wants a gradient is not recorded") {
  draw::Draw d{Rng(7)};
  const T x = d.tensor({3, 4});
  Tape<B> tape;
  CHECK_FALSE(checkpoint([](const T& in) { return tanh(in); }, x).wants_gradient());
  CHECK(tape.steps() == 0);
}

TEST_CASE("a checkpoint that gives its input back passes the gradient through") {
  const T x = leaf(T({2}, {1, 2}));
  Tape<B> tape;
  tape.backward(sum(checkpoint([](const T& in) { return in; }, x)));
  CHECK(x.grad().values() == std::vector<double>{1, 1});
}

}  // namespace cmoe::checkpoint_test
