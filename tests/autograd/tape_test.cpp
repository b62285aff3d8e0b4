#include <doctest/doctest.h>

#include <stdexcept>

#include "cmoe/cpu/cpu.hpp"
#include "cmoe/ops/arithmetic.hpp"
#include "cmoe/ops/reduce.hpp"

namespace cmoe::tape_test {

using B = Cpu<double>;
using T = Tensor<B>;

namespace {

T leaf(const Shape& shape, std::initializer_list<double> values) {
  T x(shape, values);
  x.want_gradient();
  return x;
}

std::string message(auto&& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

bool contains(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("an operation is recorded only while a tape lives and some input wants a gradient") {
  const T x = leaf({2}, {1, 2}), constant({2}, {3, 4});
  CHECK_FALSE((x * x).wants_gradient());
  Tape<B> tape;
  CHECK_FALSE((constant * constant).wants_gradient());
  CHECK(tape.steps() == 0);
  CHECK((constant * x).wants_gradient());
  CHECK(tape.steps() == 1);
}

TEST_CASE("the gradient of a sum of squares is twice the values") {
  const T x = leaf({3}, {1, -2, 3});
  Tape<B> tape;
  tape.backward(sum(square(x)));
  CHECK(x.grad().values() == std::vector<double>{2, -4, 6});
  CHECK(tape.steps() == 0);
}

TEST_CASE("gradients of two uses and of two passes add up, until they are cleared") {
  const T x = leaf({1}, {3});
  for (int pass = 1; pass <= 2; ++pass) {
    Tape<B> tape;
    tape.backward(sum(x * x + x));
    CHECK(x.grad().values() == std::vector<double>{7.0 * pass});
  }
  x.clear_gradient();
  CHECK_FALSE(static_cast<bool>(x.grad()));
}

TEST_CASE("a gradient that others see is not changed in place") {
  const T a = leaf({2}, {1, 2}), b = leaf({2}, {3, 4});
  {
    Tape<B> tape;
    const T first = a + b;  // a and b are handed the same array
    tape.backward(sum(a * 3.0) + sum(first));
  }
  CHECK(a.grad().values() == std::vector<double>{4, 4});
  CHECK(b.grad().values() == std::vector<double>{1, 1});
  const Array<B> held = a.grad();
  Tape<B> tape;
  tape.backward(sum(a));
  CHECK(held.values() == std::vector<double>{4, 4});
  CHECK(a.grad().values() == std::vector<double>{5, 5});
}

TEST_CASE("a gradient that nobody else sees is added to in place") {
  const T x = leaf({2}, {1, 2});
  x.slot().add(Array<B>({2}, 1.0));
  const double* where = x.grad().data();
  x.slot().add(Array<B>({2}, 2.0));
  CHECK(x.grad().data() == where);
  CHECK(x.grad().values() == std::vector<double>{3, 3});
}

TEST_CASE("backward from a tensor that was not recorded names both causes") {
  const T x = leaf({1}, {2}), constant({1}, {2});
  const T before = x * x;
  Tape<B> tape;
  for (const T& loss : {before, constant * constant, x}) {
    const std::string said = message([&] { tape.backward(loss); });
    CHECK(contains(said, "no tape (or another one) was alive"));
    CHECK(contains(said, "none of its inputs wants a gradient (all parameters frozen?)"));
  }
}

TEST_CASE("backward from more than one number says its shape") {
  const T x = leaf({2, 3}, {1, 2, 3, 4, 5, 6});
  Tape<B> tape;
  const T y = x * x;
  CHECK(message([&] { tape.backward(y); }) == "backward: the loss must be one number, it has shape (2,3)");
  CHECK(message([&] { tape.backward(y, Array<B>({3}, 1.0)); }) == "backward: gradient (3) for (2,3)");
}

TEST_CASE("a tensor of a dead tape is refused, even where a new tape lies at the same place") {
  const T x = leaf({1}, {2});
  T stale;
  for (int i = 0; i < 2; ++i) {
    Tape<B> tape;
    if (i == 0)
      stale = x * x;
    else
      CHECK(contains(message([&] { tape.backward(stale); }), "another one"));
  }
  CHECK_FALSE(static_cast<bool>(x.grad()));
}

TEST_CASE("the innermost tape records, and the outer one goes on after it") {
  const T x = leaf({1}, {3});
  Tape<B> outer;
  const T y = x * x;
  {
    Tape<B> inner;
    const T z = sum(x * 5.0);
    CHECK(inner.steps() == 2);
    CHECK(outer.steps() == 1);
    CHECK(contains(message([&] { outer.backward(z); }), "another one"));
    inner.backward(z);
    CHECK(x.grad().values() == std::vector<double>{5});
  }
  outer.backward(sum(y));
  CHECK(x.grad().values() == std::vector<double>{11});
}

TEST_CASE("nothing is recorded while a pause lives") {
  const T x = leaf({1}, {3});
  Tape<B> tape;
  {
    const Tape<B>::Pause pause;
    CHECK_FALSE(Tape<B>::recording());
    CHECK_FALSE((x * x).wants_gradient());
  }
  CHECK(Tape<B>::recording());
  CHECK(tape.steps() == 0);
}

TEST_CASE("tapes of two scalars are two") {
  Tape<B> tape;
  CHECK_FALSE(Tape<Cpu<float>>::recording());
}

TEST_CASE("a million chained operations run and are released without recursion") {
  const std::size_t before = memory_in_use();
  {
    const T x = leaf({1}, {1});
    for (const bool backwards : {true, false}) {
      Tape<B> tape;
      T y = x;
      for (int i = 0; i < 1000000; ++i) y = affine(y, 1, 1e-6);
      CHECK(tape.steps() == 1000000);
      if (backwards) tape.backward(y);
    }
    CHECK(x.grad().values() == std::vector<double>{1});
  }
  CHECK(memory_in_use() == before);
}

TEST_CASE("what a step keeps is released as soon as it was played") {
  T x({10000}, 1.0);
  x.want_gradient();
  Tape<B> tape;
  std::size_t kept = 0, left = 0;
  T y = x;
  for (int i = 0; i < 10; ++i)
    y = Tape<B>::record(y.value().copy(), {&y}, [y, &left](const Array<B>& dy) {
      left = memory_in_use();
      y.slot().add(dy);
    });
  const T loss = sum(y);
  y = {};
  kept = memory_in_use();
  tape.backward(loss);
  CHECK(kept > left + 6 * 80000);  // the first step, played last, finds the others gone
}

TEST_CASE("a product keeps its operands and not its result, a quotient keeps both") {
  const T x({10000}, 1.0);
  T w({10000}, 2.0);
  w.want_gradient();
  const std::size_t before = memory_in_use();
  Tape<B> tape;
  { const T y = x * w; }
  CHECK(memory_in_use() < before + 80000);
  { const T y = x / w; }
  CHECK(memory_in_use() > before + 80000);
}

TEST_CASE("a gradient that an operation hands on as it is stays one array") {
  const T x = leaf({2}, {1, 2});
  const Array<B> dy({2}, 1.0);
  {
    Tape<B> tape;
    const T y = (x + T({2}, {1, 1})) - T({2}, {2, 2});
    tape.backward(y, dy);
  }
  CHECK(x.grad().data() == dy.data());
}

TEST_CASE("an exception on the way back leaves a tape that can be destroyed, and no memory behind") {
  const std::size_t before = memory_in_use();
  {
    const T x = leaf({2}, {1, 2});
    Tape<B> tape;
    const T y = x * x;
    const T bad = Tape<B>::record(
        y.value().copy(), {&y}, [keep = Array<B>({1000}, 0.0)](const Array<B>&) { throw std::runtime_error("on the way back"); });
    const T loss = sum(exp(bad));
    CHECK_THROWS_AS(tape.backward(loss), std::runtime_error);
    CHECK(Tape<B>::recording());
    CHECK(tape.steps() == 1);
    CHECK((x * x).wants_gradient());
  }
  CHECK_FALSE(Tape<B>::recording());
  CHECK(memory_in_use() == before);
}

TEST_CASE("an exception between recording and backward leaves nothing behind") {
  const T x = leaf({2}, {1, 2});
  try {
    Tape<B> tape;
    const T y = x * x;
    (void)(y + T({3}, 1.0));
  } catch (const Error& e) {
    CHECK(std::string(e.what()) == "+: (3) does not repeat over (2)");
  }
  CHECK_FALSE(Tape<B>::recording());
}

TEST_CASE("a detached value passes no gradient on") {
  const T x = leaf({1}, {3});
  Tape<B> tape;
  tape.backward(sum(x * x.detach()));
  CHECK(x.grad().values() == std::vector<double>{3});
}

TEST_CASE("the item of a tensor is its single number") {
  CHECK(T({1, 1}, {2.5}).item() == 2.5);
  CHECK_THROWS_WITH_AS(T({2}, 0.0).item(), "item: (2) has not one element", Error);
}

}  // namespace cmoe::tape_test
