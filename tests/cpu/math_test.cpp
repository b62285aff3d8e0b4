#include <doctest/doctest.h>

#include <cfloat>
#include <cstring>
#include <vector>

#include "cmoe/cpu/elementwise.hpp"

namespace cmoe::math_test {

namespace {

struct Exp { static auto f(const auto& x) { return exp(x); } };
struct Expm1 { static auto f(const auto& x) { return expm1(x); } };
struct Log { static auto f(const auto& x) { return log(x); } };
struct Log1p { static auto f(const auto& x) { return log1p(x); } };
struct Tanh { static auto f(const auto& x) { return tanh(x); } };
struct Erf { static auto f(const auto& x) { return erf(x); } };
struct Sigmoid { static auto f(const auto& x) { return sigmoid(x); } };
struct Softplus { static auto f(const auto& x) { return softplus(x); } };
struct LogSigmoid { static auto f(const auto& x) { return log_sigmoid(x); } };
struct Sqrt { static auto f(const auto& x) { return sqrt(x); } };

using Wide = long double;
Wide wide_sigmoid(Wide x) { return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x)); }
Wide wide_softplus(Wide x) { return (x > 0 ? x : 0) + std::log1p(std::exp(-std::abs(x))); }

// Some thousands of numbers: the ends and the special ones, and every magnitude with both signs.
template <class Real>
std::vector<Real> arguments() {
  using Limits = std::numeric_limits<Real>;
  std::vector<Real> x = {0, Real(-0.0), 1, -1, Limits::min(), Limits::denorm_min(), Limits::max(), Limits::lowest(),
                         Limits::infinity(), -Limits::infinity(), Limits::quiet_NaN(), Limits::epsilon()};
  for (int e = Limits::min_exponent - 10; e < Limits::max_exponent; e += sizeof(Real) == 4 ? 1 : 7)
    for (const Real f : {Real(1), Real(1.3), Real(1.4142135), Real(1.99)}) {
      x.push_back(std::ldexp(f, e));
      x.push_back(-std::ldexp(f, e));
    }
  for (int i = -12000; i <= 12000; ++i) x.push_back(Real(i) * Real(0.00931));
  for (int i = 0; i < 4000; ++i) x.push_back(1 + (Real(i) - 2000) * Real(0.00031));
  return x;
}

// The greatest error in units of the last place of the exact result; where that is below the normal numbers, of the smallest one.
template <class F, class Real>
double worst_error(Wide (*exact)(Wide)) {
  const std::vector<Real> x = arguments<Real>();
  std::vector<Real> y(x.size());
  cpu::map<F>(static_cast<Index>(x.size()), x.data(), y.data());
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const Wide right = exact(static_cast<Wide>(x[i]));
    const Real nearest = static_cast<Real>(right);
    if (std::isnan(nearest) || std::isinf(nearest) || y[i] == nearest) {
      const bool same = std::isnan(nearest) ? std::isnan(y[i]) : y[i] == nearest;
      CHECK_MESSAGE(same, x[i], " gives ", y[i]);
      continue;
    }
    if (std::isinf(y[i]) && std::abs(right) > 0.9999995L * static_cast<Wide>(std::numeric_limits<Real>::max())) continue;
    const int exponent = std::max(std::ilogb(nearest), std::numeric_limits<Real>::min_exponent - 1);
    const Wide unit = std::ldexp(Wide(1), exponent + 1 - std::numeric_limits<Real>::digits);
    const auto error = static_cast<double>(std::abs(static_cast<Wide>(y[i]) - right) / unit);
    if (!(error <= worst)) worst = error;
    if (!(error < 8)) MESSAGE(x[i], " gives ", y[i], " for ", nearest);
  }
  return worst;
}

}  // namespace

TEST_CASE_TEMPLATE("functions of packs are exact to the units of the last place that math.hpp promises", Real, float, double) {
  const auto within = [](const char* name, double error, double bound) {
    CHECK_MESSAGE(error <= bound, name, ": ", error);
  };
  within("exp", worst_error<Exp, Real>(std::exp), 1.5);
  within("expm1", worst_error<Expm1, Real>(std::expm1), 2);
  within("log", worst_error<Log, Real>(std::log), 1);
  within("log1p", worst_error<Log1p, Real>(std::log1p), 1.5);
  within("tanh", worst_error<Tanh, Real>(std::tanh), 3);
  within("erf", worst_error<Erf, Real>(std::erf), sizeof(Real) == 4 ? 3 : 5);
  within("sigmoid", worst_error<Sigmoid, Real>(wide_sigmoid), 3);
  within("softplus", worst_error<Softplus, Real>(wide_softplus), 2.5);
  within("log_sigmoid", worst_error<LogSigmoid, Real>([](Wide x) { return -wide_softplus(-x); }), 2.5);
  within("sqrt", worst_error<Sqrt, Real>(std::sqrt), 0.5);
}

TEST_CASE("a number gets the same formula as a pack") {
  CHECK(Sigmoid::f(0.0) == 0.5);
  CHECK(Softplus::f(0.0f) == doctest::Approx(0.693147));
  CHECK(LogSigmoid::f(-1000.0) == -1000);
  CHECK(Sigmoid::f(-1000.0f) == 0);
}

}  // namespace cmoe::math_test
