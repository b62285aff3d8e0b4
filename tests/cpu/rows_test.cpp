#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>

#include "cmoe/cpu/rows.hpp"
#include "cmoe/cpu/update.hpp"
#include "cpu/matrices.hpp"

namespace cmoe::rows_test {

using test::numbers;

namespace {

using Vector = std::vector<double>;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

// Compares dx with the slope of Σ dy ∘ f(x), element by element.
void check_gradient(const std::function<Vector(const Vector&)>& f, const Vector& x, const Vector& dy, const Vector& dx) {
  const double h = 1e-5;
  for (std::size_t i = 0; i < x.size(); ++i) {
    Vector up = x, down = x;
    up[i] += h;
    down[i] -= h;
    const Vector high = f(up), low = f(down);
    double slope = 0;
    for (std::size_t j = 0; j < dy.size(); ++j) slope += dy[j] * (high[j] - low[j]) / (2 * h);
    CHECK(dx[i] == doctest::Approx(slope).epsilon(1e-6).scale(1));
  }
}

const Index rows = 3, cols = 21;
const Vector x = numbers<double>(rows * cols, 1, true), dy = numbers<double>(rows * cols, 2, true), dr = numbers<double>(rows, 3, true);
const Vector gain = numbers<double>(cols, 4, true), bias = numbers<double>(cols, 5, true);

}  // namespace

TEST_CASE("softmax rows are the exponentials over their sum, and the way back is its slope") {
  const auto f = [](const Vector& v) {
    Vector y(v.size());
    cpu::softmax_rows(rows, cols, v.data(), y.data());
    return y;
  };
  const Vector y = f(x);
  for (Index i = 0; i < rows; ++i) {
    double total = 0;
    for (Index j = 0; j < cols; ++j) total += std::exp(x[at(i * cols + j)]);
    for (Index j = 0; j < cols; ++j) CHECK(y[at(i * cols + j)] == doctest::Approx(std::exp(x[at(i * cols + j)]) / total).epsilon(1e-14));
  }
  Vector dx(x.size());
  cpu::softmax_rows_back(rows, cols, y.data(), dy.data(), dx.data());
  check_gradient(f, x, dy, dx);
}

TEST_CASE("log-sum-exp rows do not overflow, and the way back is their slope") {
  const auto f = [](const Vector& v) {
    Vector y(rows);
    cpu::logsumexp_rows(rows, cols, v.data(), y.data());
    return y;
  };
  const Vector y = f(x);
  Vector dx(x.size());
  cpu::logsumexp_rows_back(rows, cols, x.data(), y.data(), dr.data(), dx.data());
  check_gradient(f, x, dr, dx);
  const float large[] = {1000, 1000};
  float sum = 0;
  cpu::logsumexp_rows(1, 2, large, &sum);
  CHECK(sum == doctest::Approx(1000.6931f));
}

TEST_CASE("log-sum-exp of nothing, or of minus infinities, is minus infinity with gradient 0; NaN and infinity pass") {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  const float none[] = {-inf, -inf, -inf}, some[] = {1, inf, 2}, bad[] = {1, nan, 2}, one = 1;
  float y = 0, dx[3] = {7, 7, 7};
  cpu::logsumexp_rows(1, 0, none, &y);
  CHECK(y == -inf);
  cpu::logsumexp_rows(1, 3, none, &y);
  CHECK(y == -inf);
  cpu::logsumexp_rows_back(1, 3, none, &y, &one, dx);
  CHECK(dx[1] == 0);
  cpu::logsumexp_rows(1, 3, some, &y);
  CHECK(y == inf);
  cpu::logsumexp_rows(1, 3, bad, &y);
  CHECK(std::isnan(y));
}

TEST_CASE("layer norm has mean bias and deviation gain, and its way back is its slope") {
  const auto f = [](const Vector& v, const Vector& g, const Vector& b) {
    Vector y(v.size()), mean(rows), rstd(rows);
    cpu::layer_norm(rows, cols, 1e-5, v.data(), g.data(), b.data(), y.data(), mean.data(), rstd.data());
    return y;
  };
  Vector y(x.size()), mean(rows), rstd(rows), dx(x.size()), dgain(cols, 9.0), dbias(cols, 9.0);
  cpu::layer_norm(rows, cols, 1e-5, x.data(), gain.data(), bias.data(), y.data(), mean.data(), rstd.data());
  const Vector plain = f(x, Vector(cols, 1.0), Vector(cols, 0.0));
  double sum = 0, squares = 0;
  for (Index j = 0; j < cols; ++j) {
    sum += plain[at(j)];
    squares += plain[at(j)] * plain[at(j)];
  }
  CHECK(sum == doctest::Approx(0).scale(1));
  CHECK(squares / cols == doctest::Approx(1).epsilon(1e-3));
  cpu::layer_norm_back(rows, cols, x.data(), gain.data(), mean.data(), rstd.data(), dy.data(), dx.data(), dgain.data(), dbias.data());
  check_gradient([&](const Vector& v) { return f(v, gain, bias); }, x, dy, dx);
  check_gradient([&](const Vector& g) { return f(x, g, bias); }, gain, dy, dgain);
  check_gradient([&](const Vector& b) { return f(x, gain, b); }, bias, dy, dbias);
  cpu::layer_norm_back<double>(rows, cols, x.data(), gain.data(), mean.data(), rstd.data(), dy.data(), dx.data(), nullptr, nullptr);
}

TEST_CASE("root-mean-square norm with and without a gain has its slope as way back") {
  for (const double* g : {gain.data(), static_cast<const double*>(nullptr)}) {
    const auto f = [&](const Vector& v) {
      Vector y(v.size()), rstd(rows);
      cpu::rms_norm(rows, cols, 1e-5, v.data(), g, y.data(), rstd.data());
      return y;
    };
    Vector y(x.size()), rstd(rows), dx(x.size()), dgain(cols);
    cpu::rms_norm(rows, cols, 1e-5, x.data(), g, y.data(), rstd.data());
    cpu::rms_norm_back(rows, cols, x.data(), g, rstd.data(), dy.data(), dx.data(), g ? dgain.data() : nullptr);
    check_gradient(f, x, dy, dx);
    if (g) {
      check_gradient(
          [&](const Vector& w) {
            Vector z(x.size()), scale(rows);
            cpu::rms_norm(rows, cols, 1e-5, x.data(), w.data(), z.data(), scale.data());
            return z;
          },
          gain, dy, dgain);
    }
  }
}

TEST_CASE("cross entropy is minus the label's log probability, ignored rows count nothing") {
  const Id labels[] = {4, -100, 20};
  const auto f = [&](const Vector& v) {
    Vector loss(rows), log_sum(rows);
    cpu::cross_entropy(rows, cols, v.data(), labels, -100, loss.data(), log_sum.data());
    return loss;
  };
  Vector loss(rows), log_sum(rows), dx(x.size(), 9.0), p(x.size());
  cpu::cross_entropy(rows, cols, x.data(), labels, -100, loss.data(), log_sum.data());
  cpu::softmax_rows(rows, cols, x.data(), p.data());
  CHECK(loss[0] == doctest::Approx(-std::log(p[4])));
  CHECK(loss[1] == 0);
  cpu::cross_entropy_back(rows, cols, x.data(), labels, -100, log_sum.data(), dr.data(), dx.data());
  check_gradient(f, x, dr, dx);
}

TEST_CASE_TEMPLATE("sums of whole numbers are exact for every size", Real, float, double) {
  for (const Index r : {0, 1, 7, 500})
    for (const Index c : {0, 1, 5, 16, 40}) {
      const auto v = numbers<Real>(r * c, 6);
      std::vector<Real> by_row(at(r), 9), by_column(at(c), 9), by_slice(at(c), 9);
      cpu::sum_rows(r, c, v.data(), by_row.data());
      cpu::sum_columns(r, c, v.data(), by_column.data());
      if (r > 0) cpu::reduce_broadcast(Index{1}, c, r, v.data(), by_slice.data());
      std::vector<Real> expected_row(at(r)), expected_column(at(c)), expected_slice(at(c));
      double squares = 0;
      for (Index i = 0; i < r; ++i)
        for (Index j = 0; j < c; ++j) {
          const Real value = v[at(i * c + j)];
          expected_row[at(i)] += value;
          expected_column[at(j)] += value;
          expected_slice[at((i * c + j) / r)] += value;
          squares += static_cast<double>(value) * static_cast<double>(value);
        }
      CHECK(by_row == expected_row);
      CHECK(by_column == expected_column);
      if (r > 0) CHECK(by_slice == expected_slice);
      CHECK(cpu::sum_squares(r * c, v.data()) == squares);
    }
}

TEST_CASE("the greatest come first, equals by rising id, and NaN is seen") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float v[] = {1, 5, 5, 0, 5, -1, /**/ 3, nan, 2, 8, 1, nan};
  Id best[2], ids[6];
  float values[6];
  cpu::argmax_rows(2, 6, v, best);
  CHECK(best[0] == 1);
  CHECK(best[1] == 1);
  cpu::topk_rows(2, 6, 3, v, values, ids);
  CHECK(std::vector<Id>(ids, ids + 6) == std::vector<Id>{1, 2, 4, 1, 5, 3});
  CHECK(values[2] == 5);
  CHECK(values[5] == 8);
  const float all[] = {2, 9, 4};
  cpu::topk_rows(1, 3, 3, all, values, ids);
  CHECK(std::vector<float>(values, values + 3) == std::vector<float>{9, 4, 2});
}

TEST_CASE("one step of AdamW by hand") {
  // g = 4 · ½ = 2: m = 0.2, v = 0.004; m / c1 = 2, √(v / c2) = 2; p = 1 − 0.1·0.5·1 − 0.1·2 / (2 + 0)
  double p = 1, g = 4, m = 0, v = 0;
  cpu::adamw<double>(1, &p, &g, &m, &v, {0.1, 0.9, 0.999, 0, 0.5, 0.1, 0.001, 0.5});
  CHECK(m == doctest::Approx(0.2));
  CHECK(v == doctest::Approx(0.004));
  CHECK(p == doctest::Approx(0.85));
}

TEST_CASE("a single infinity or NaN among many is found") {
  for (const Index n : {0, 1, 17, 40000}) {
    auto v = numbers<float>(n, 7);
    CHECK(cpu::all_finite(n, v.data()));
    for (const Index i : {Index{0}, n / 2, n - 1}) {
      if (i < 0 || i >= n) continue;
      auto bad = v;
      bad[at(i)] = i % 2 ? std::numeric_limits<float>::quiet_NaN() : -std::numeric_limits<float>::infinity();
      CHECK_FALSE(cpu::all_finite(n, bad.data()));
    }
  }
}

TEST_CASE("reductions over many rows have the same bits for any number of threads") {
  const Index r = 3000, c = 37;
  const auto v = numbers<float>(r * c, 8, true), d = numbers<float>(r * c, 9, true), g = numbers<float>(c, 10, true);
  const auto all = [&] {
    std::vector<float> out(at(4 * c + r * c)), rstd(at(r), 0.7f), mean(at(r), 0.1f);
    float* p = out.data();
    cpu::sum_columns(r, c, v.data(), p);
    cpu::layer_norm_back(r, c, v.data(), g.data(), mean.data(), rstd.data(), d.data(), p + 4 * c, p + c, p + 2 * c);
    p[3 * c] = static_cast<float>(cpu::sum_squares(r * c, v.data()));
    return out;
  };
  const int before = pool().threads();
  pool().resize(1);
  const auto one = all();
  pool().resize(3);
  const auto three = all();
  pool().resize(before);
  CHECK(std::memcmp(one.data(), three.data(), one.size() * sizeof(float)) == 0);
}

TEST_CASE("a row has the same bits in a matrix of one row as in a matrix of many") {
  const Index r = 40, c = 50;
  const auto v = numbers<float>(r * c, 11, true);
  std::vector<float> all(v.size()), one(at(c));
  cpu::softmax_rows(r, c, v.data(), all.data());
  for (Index i = 0; i < r; ++i) {
    cpu::softmax_rows(Index{1}, c, v.data() + i * c, one.data());
    CHECK(std::memcmp(one.data(), all.data() + i * c, one.size() * sizeof(float)) == 0);
  }
}

}  // namespace cmoe::rows_test
