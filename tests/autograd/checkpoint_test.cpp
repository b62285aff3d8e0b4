#include <doctest/doctest.h>

#include "cmoe/autograd/checkpoint.hpp"
#include "cmoe/cpu/cpu.hpp"
#include "cmoe/ops/elementwise.hpp"
#include "cmoe/ops/matmul.hpp"
#include "cmoe/ops/reduce.hpp"
#include "ops/draw.hpp"

using namespace cmoe;
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
