#include <doctest/doctest.h>

#include "cmoe/cpu/layout.hpp"
#include "cpu/matrices.hpp"

namespace cmoe::layout_test {

using test::numbers;

TEST_CASE_TEMPLATE("pairs are turned as one by one, in both layouts and for halves that fill no pack", Real, float, double) {
  const Index n = 2, t = 3, h = 2;
  for (const Index half : {1, 3, 8, 16, 21})
    for (const bool adjacent : {true, false})
      for (const Real direction : {Real(1), Real(-1)}) {
        const Index d = 2 * half, step = adjacent ? 2 : 1, apart = adjacent ? 1 : half;
        const auto x = numbers<Real>(n * t * h * d, 1, true), c = numbers<Real>(t * half, 2, true), s = numbers<Real>(t * half, 3, true);
        std::vector<Real> y(x.size() + 16, Real(5));
        cpu::rotary(n, t, h, d, adjacent, direction, c.data(), s.data(), x.data(), y.data());
        for (Index head = 0; head < n * t * h; ++head)
          for (Index p = 0; p < half; ++p) {
            const auto a = static_cast<std::size_t>(head * d + p * step), b = a + static_cast<std::size_t>(apart),
                       angle = static_cast<std::size_t>(head / h % t * half + p);
            CHECK(y[a] == doctest::Approx(x[a] * c[angle] - x[b] * direction * s[angle]).epsilon(1e-5));
            CHECK(y[b] == doctest::Approx(x[a] * direction * s[angle] + x[b] * c[angle]).epsilon(1e-5));
          }
        for (std::size_t i = x.size(); i < y.size(); ++i) CHECK(y[i] == Real(5));
      }
}

TEST_CASE("alpha x + beta is exact for whole numbers of any count, and writes nothing beyond") {
  for (const Index n : {1, 15, 16, 33}) {
    const auto x = numbers<float>(n, 4);
    std::vector<float> y(x.size() + 16, 5.f);
    cpu::affine(n, -3.f, x.data(), 2.f, y.data());
    for (std::size_t i = 0; i < x.size(); ++i) CHECK(y[i] == 2.f - 3.f * x[i]);
    for (std::size_t i = x.size(); i < y.size(); ++i) CHECK(y[i] == 5.f);
  }
}

}  // namespace cmoe::layout_test
