#include <doctest/doctest.h>

#include <cstring>

#include "cmoe/core/functors.hpp"
#include "cmoe/cpu/elementwise.hpp"
#include "cpu/matrices.hpp"

namespace cmoe::elementwise_test {

using test::numbers;

TEST_CASE_TEMPLATE("an element's bits do not depend on its place in the row", Real, float, double) {
  const Index n = 67;
  const auto x = numbers<Real>(n, 1, true);
  std::vector<Real> all(n);
  cpu::map<fn::Silu>(n, x.data(), all.data());
  for (Index i = 0; i < n; ++i) {
    Real one = 0;
    cpu::map<fn::Silu>(Index{1}, &x[static_cast<std::size_t>(i)], &one);
    CHECK(std::memcmp(&one, &all[static_cast<std::size_t>(i)], sizeof(Real)) == 0);
  }
}

TEST_CASE("a map writes n elements and nothing beyond them") {
  for (const Index n : {0, 1, 3, 16, 17, 40000}) {
    const auto x = numbers<float>(n, 2);
    std::vector<float> y(static_cast<std::size_t>(n) + 16, 5.f);
    cpu::map<fn::Square>(n, x.data(), y.data());
    bool right = true;
    for (Index i = 0; i < n; ++i) right &= y[static_cast<std::size_t>(i)] == x[static_cast<std::size_t>(i)] * x[static_cast<std::size_t>(i)];
    for (Index i = n; i < n + 16; ++i) right &= y[static_cast<std::size_t>(i)] == 5.f;
    CHECK(right);
  }
}

TEST_CASE("the ways back multiply by the formula's derivatives") {
  const Index n = 21;
  const auto a = numbers<double>(n, 3, true), b = numbers<double>(n, 4, true), dy = numbers<double>(n, 5, true);
  std::vector<double> y(n), da(n), db(n), dx(n);
  cpu::zip<fn::SwiGlu>(n, a.data(), b.data(), y.data());
  cpu::zip_back<fn::SwiGlu>(n, a.data(), b.data(), y.data(), dy.data(), da.data(), db.data());
  cpu::map<fn::Tanh>(n, a.data(), y.data());
  cpu::map_back<fn::Tanh>(n, a.data(), y.data(), dy.data(), dx.data());
  const auto gated = [](double p, double q) { return p * sigmoid(p) * q; };
  const double h = 1e-6;
  for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
    CHECK(da[i] == doctest::Approx(dy[i] * (gated(a[i] + h, b[i]) - gated(a[i] - h, b[i])) / (2 * h)).epsilon(1e-6));
    CHECK(db[i] == doctest::Approx(dy[i] * (gated(a[i], b[i] + h) - gated(a[i], b[i] - h)) / (2 * h)).epsilon(1e-6));
    CHECK(dx[i] == doctest::Approx(dy[i] * (std::tanh(a[i] + h) - std::tanh(a[i] - h)) / (2 * h)).epsilon(1e-6));
  }
}

TEST_CASE_TEMPLATE("both gradients of two operands in one pass are those of one pass for each", F, fn::Multiply, fn::Divide, fn::SwiGlu) {
  const Index n = 37;
  const auto a = numbers<double>(n, 3, true), b = numbers<double>(n, 4, true), dy = numbers<double>(n, 5, true);
  std::vector<double> y(n), da(n), db(n), da_alone(n), db_alone(n);
  cpu::zip<F>(n, a.data(), b.data(), y.data());
  cpu::zip_back<F, double>(n, a.data(), b.data(), y.data(), dy.data(), da.data(), db.data());
  cpu::zip_back<F, double>(n, a.data(), b.data(), y.data(), dy.data(), da_alone.data(), nullptr);
  cpu::zip_back<F, double>(n, a.data(), b.data(), y.data(), dy.data(), nullptr, db_alone.data());
  for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
    CHECK(da[i] == doctest::Approx(da_alone[i]).epsilon(1e-14));
    CHECK(db[i] == doctest::Approx(db_alone[i]).epsilon(1e-14));
  }
}

TEST_CASE("a broadcast operand meets every element of its slice") {
  for (const Index inner : {1, 3, 20}) {
    const Index outer = 4, mid = 5;
    const auto a = numbers<float>(outer * mid * inner, 6), b = numbers<float>(mid, 7);
    std::vector<float> y(a.size());
    cpu::zip_broadcast<fn::Multiply>(outer, mid, inner, a.data(), b.data(), y.data());
    for (std::size_t i = 0; i < a.size(); ++i)
      CHECK(y[i] == a[i] * b[(i / static_cast<std::size_t>(inner)) % static_cast<std::size_t>(mid)]);
  }
}

TEST_CASE("maps and zips have the same bits for any number of threads") {
  const Index n = 100003;
  const auto a = numbers<float>(n, 8, true), b = numbers<float>(n, 9, true);
  std::vector<float> one(a.size()), three(a.size());
  const int before = pool().threads();
  pool().resize(1);
  cpu::zip<fn::SwiGlu>(n, a.data(), b.data(), one.data());
  pool().resize(3);
  cpu::zip<fn::SwiGlu>(n, a.data(), b.data(), three.data());
  pool().resize(before);
  CHECK(std::memcmp(one.data(), three.data(), one.size() * sizeof(float)) == 0);
}

}  // namespace cmoe::elementwise_test
