#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "cmoe/cpu/causal.hpp"
#include "cmoe/cpu/stickbreaking.hpp"
#include "cpu/matrices.hpp"

namespace cmoe::attention_test {

using test::numbers;

namespace {

enum class Kind { causal, stick, stick_strict };

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

// One attention with its inputs; `rest` is the log-sum-exp or the log of the leftover stick.
template <class Real>
struct Case {
  Kind kind;
  AttentionShape s;
  std::vector<Real> q, k, v;
  std::vector<Id> first, last;
  Real scale = 0;
  std::vector<Real> out, rest;

  Case(Kind a_kind, const AttentionShape& shape, unsigned seed = 1) : kind(a_kind), s(shape) {
    q = numbers<Real>(s.sequences * s.queries * s.heads * s.head_size, seed, true);
    k = numbers<Real>(s.sequences * s.keys * s.kv_heads * s.head_size, seed + 1, true);
    v = numbers<Real>(s.sequences * s.keys * s.kv_heads * s.head_size, seed + 2, true);
    scale = Real(2) / std::sqrt(static_cast<Real>(s.head_size));
  }
  const Id* firsts() const { return first.empty() ? nullptr : first.data(); }
  const Id* lasts() const { return last.empty() ? nullptr : last.data(); }
  bool sees(Index n, Index i, Index j) const {
    const Index place = i + s.keys - s.queries;
    return (first.empty() || j >= first[at(n)]) && (last.empty() || j < last[at(n)]) &&
           (kind == Kind::stick_strict ? j < place : j <= place);
  }
  void run() {
    out.assign(q.size(), Real(77));
    rest.assign(at(s.sequences * s.queries * s.heads), Real(77));
    if (kind == Kind::causal)
      cpu::causal_attention(s, scale, q.data(), k.data(), v.data(), firsts(), lasts(), out.data(), rest.data());
    else
      cpu::stickbreaking_attention(s, scale, kind == Kind::stick, q.data(), k.data(), v.data(), firsts(), lasts(), out.data(), rest.data());
  }
  void back(const std::vector<Real>& dout, const Real* drest, std::vector<Real>& dq, std::vector<Real>& dk, std::vector<Real>& dv) const {
    dq.assign(q.size(), Real(77));
    dk.assign(k.size(), Real(77));
    dv.assign(v.size(), Real(77));
    if (kind == Kind::causal)
      cpu::causal_attention_back(s, scale, q.data(), k.data(), v.data(), firsts(), lasts(), out.data(), rest.data(), dout.data(),
                                 dq.data(), dk.data(), dv.data());
    else
      cpu::stickbreaking_attention_back(s, scale, kind == Kind::stick, q.data(), k.data(), v.data(), firsts(), lasts(), rest.data(),
                                        dout.data(), drest, dq.data(), dk.data(), dv.data());
  }
};

// The definition, one weight after another: products of (1 − β) for the stick, a softmax for the other.
double greatest_difference(const Case<double>& c) {
  const auto [N, T, S, H, Hkv, D] = c.s;
  double worst = 0;
  for (Index n = 0; n < N; ++n)
    for (Index i = 0; i < T; ++i)
      for (Index h = 0; h < H; ++h) {
        std::vector<double> weight(at(S));
        const Index g = h / (H / Hkv);
        double left = 1, total = 0;
        for (Index j = S - 1; j >= 0; --j) {
          if (!c.sees(n, i, j)) continue;
          double score = 0;
          for (Index d = 0; d < D; ++d) score += c.q[at(((n * T + i) * H + h) * D + d)] * c.k[at(((n * S + j) * Hkv + g) * D + d)];
          const double share = 1 / (1 + std::exp(-c.scale * score));
          weight[at(j)] = c.kind == Kind::causal ? std::exp(c.scale * score) : share * left;
          left *= 1 - share;
          total += weight[at(j)];
        }
        const bool causal = c.kind == Kind::causal;
        for (Index d = 0; d < D; ++d) {
          double sum = 0;
          for (Index j = 0; j < S; ++j) sum += weight[at(j)] * c.v[at(((n * S + j) * Hkv + g) * D + d)];
          const double right = causal ? (total == 0 ? 0 : sum / total) : sum;
          worst = std::max(worst, std::abs(right - c.out[at(((n * T + i) * H + h) * D + d)]));
        }
        const double rest = c.rest[at((n * T + i) * H + h)], right = std::log(causal ? total : left);
        if (!(rest == right)) worst = std::max(worst, std::abs(rest - right) / std::max(1.0, std::abs(right)));
        if (std::isnan(rest)) worst = 1e9;
      }
  return worst;
}

const AttentionShape shapes[] = {{1, 1, 1, 1, 1, 1},   {2, 5, 5, 2, 1, 3},    {1, 1, 40, 4, 2, 8},    {2, 3, 7, 6, 3, 16},
                                 {1, 7, 4, 2, 2, 5},   {1, 150, 150, 2, 1, 8}, {1, 66, 300, 1, 1, 20}, {0, 3, 3, 1, 1, 4},
                                 {1, 0, 5, 1, 1, 4},   {2, 4, 0, 2, 1, 4}};
const Kind kinds[] = {Kind::causal, Kind::stick, Kind::stick_strict};

}  // namespace

TEST_CASE("both attentions are their definitions for every shape, window and grouping of heads") {
  for (const Kind kind : kinds)
    for (const AttentionShape& s : shapes)
      for (const bool window : {false, true}) {
        Case<double> c(kind, s);
        if (window)
          for (Index n = 0; n < s.sequences; ++n) {
            c.first.push_back(static_cast<Id>(s.keys / 4 + n));
            c.last.push_back(static_cast<Id>(s.keys - s.keys / 5 + 2 * n));  // one lies beyond the end
          }
        c.run();
        CHECK_MESSAGE(greatest_difference(c) < 1e-12, static_cast<int>(kind), " T ", s.queries, " S ", s.keys);
      }
}

TEST_CASE("the ways back are the slope of the results along any direction") {
  for (const Kind kind : kinds)
    for (const AttentionShape& s : shapes) {
      Case<double> c(kind, s);
      if (s.keys > 6) {
        c.first.assign(at(s.sequences), 2);
        c.last.assign(at(s.sequences), static_cast<Id>(s.keys - 1));
      }
      c.run();
      const auto dout = numbers<double>(static_cast<Index>(c.out.size()), 11, true);
      const auto drest = numbers<double>(static_cast<Index>(c.rest.size()), 12, true);
      const bool stick = kind != Kind::causal;
      const auto loss = [&](const Case<double>& x) {
        double sum = 0;
        for (std::size_t i = 0; i < dout.size(); ++i) sum += dout[i] * x.out[i];
        for (std::size_t i = 0; stick && i < drest.size(); ++i) sum += drest[i] * std::exp(x.rest[i]);
        return sum;
      };
      std::vector<double> gradient[3];
      c.back(dout, stick ? drest.data() : nullptr, gradient[0], gradient[1], gradient[2]);
      std::vector<double> Case<double>::*const inputs[] = {&Case<double>::q, &Case<double>::k, &Case<double>::v};
      for (int which = 0; which < 3; ++which) {
        const auto direction = numbers<double>(static_cast<Index>(gradient[which].size()), 13, true);
        const double h = 1e-5;
        Case<double> up = c, down = c;
        double slope = 0;
        for (std::size_t i = 0; i < direction.size(); ++i) {
          (up.*inputs[which])[i] += h * direction[i];
          (down.*inputs[which])[i] -= h * direction[i];
          slope += gradient[which][i] * direction[i];
        }
        up.run();
        down.run();
        CHECK_MESSAGE(slope == doctest::Approx((loss(up) - loss(down)) / (2 * h)).epsilon(1e-7).scale(1), static_cast<int>(kind),
                      " input ", which, " T ", s.queries, " S ", s.keys);
      }
    }
}

TEST_CASE("stick-breaking gives the worked numbers of three keys, and their gradients") {
  // scores ln 3, 0, −ln 3 from the oldest key on: shares ¾, ½, ¼; values are unit vectors, so that out is the row of weights
  Case<double> c(Kind::stick, {1, 1, 3, 1, 1, 3});
  const double l = std::log(3.0);
  c.scale = 1;
  c.q = {1, 0, 0};
  c.k = {l, 0, 0, 0, 0, 0, -l, 0, 0};
  c.v = {1, 0, 0, 0, 1, 0, 0, 0, 1};
  c.run();
  const double weights[] = {0.28125, 0.375, 0.25};
  for (std::size_t j = 0; j < 3; ++j) CHECK(c.out[j] == doctest::Approx(weights[j]).epsilon(1e-14));
  CHECK(std::exp(c.rest[0]) == doctest::Approx(0.09375).epsilon(1e-14));
  std::vector<double> dq, dk, dv;
  c.back({1, 0, 0}, nullptr, dq, dk, dv);
  CHECK(dk[0] == doctest::Approx(0.0703125).epsilon(1e-14));
  CHECK(dk[3] == doctest::Approx(-0.140625).epsilon(1e-14));
  CHECK(dk[6] == doctest::Approx(-0.0703125).epsilon(1e-14));
  const double drest = 1;
  c.back({0, 0, 0}, &drest, dq, dk, dv);
  CHECK(dk[0] == doctest::Approx(-0.0703125).epsilon(1e-14));
  CHECK(dk[3] == doctest::Approx(-0.046875).epsilon(1e-14));
  CHECK(dk[6] == doctest::Approx(-0.0234375).epsilon(1e-14));
}

TEST_CASE_TEMPLATE("scores of 0 halve the stick at every key, and extreme scores neither overflow nor give NaN", Real, float, double) {
  Case<Real> c(Kind::stick, {1, 4, 4, 1, 1, 4});
  c.q.assign(16, 0);
  c.v = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
  c.run();
  for (Index i = 0; i < 4; ++i) {
    for (Index j = 0; j < 4; ++j)
      CHECK(c.out[at(i * 4 + j)] == doctest::Approx(j > i ? 0 : std::pow(2.0, static_cast<double>(j - i - 1))));
    CHECK(c.rest[at(i)] == doctest::Approx(-std::log(2.0) * static_cast<double>(i + 1)));
  }
  c.s.queries = 1;
  c.scale = 1;
  c.q = {1, 0, 0, 0};
  c.k.assign(16, 0);
  c.k[0] = 60, c.k[4] = -60, c.k[8] = 60, c.k[12] = -200;
  c.run();
  CHECK(c.rest[0] == doctest::Approx(-120));
  CHECK(c.out[0] == doctest::Approx(8.757e-27).epsilon(1e-3));
  CHECK(c.out[2] == 1);
  for (const Real weight : c.out) CHECK(std::isfinite(weight));
}

TEST_CASE("a query that sees no key gives 0, and so do its gradients") {
  for (const Kind kind : kinds) {
    Case<float> c(kind, {1, 3, 3, 1, 1, 4});
    c.first = {1};
    c.last = {1};
    c.run();
    for (const float value : c.out) CHECK(value == 0);
    for (const float value : c.rest) CHECK(value == (kind == Kind::causal ? -std::numeric_limits<float>::infinity() : 0.f));
    std::vector<float> dq, dk, dv;
    c.back(c.q, nullptr, dq, dk, dv);
    for (const auto* gradient : {&dq, &dk, &dv})
      for (const float value : *gradient) CHECK(value == 0);
  }
}

TEST_CASE("padding after the last key changes no bit: it takes nothing and passes the stick through") {
  for (const Kind kind : {Kind::causal, Kind::stick}) {
    Case<float> padded(kind, {1, 1, 90, 1, 1, 8}), plain(kind, {1, 1, 70, 1, 1, 8});
    padded.last = {70};
    plain.k.assign(padded.k.begin(), padded.k.begin() + 70 * 8);
    plain.v.assign(padded.v.begin(), padded.v.begin() + 70 * 8);
    padded.run();
    plain.run();
    CHECK(padded.out == plain.out);
    CHECK(padded.rest == plain.rest);
  }
}

TEST_CASE("a query alone, as in generation, has the same bits as among all queries") {
  const Index T = 200, H = 2, D = 12;
  for (const Kind kind : kinds) {
    Case<float> all(kind, {1, T, T, H, 1, D});
    all.run();
    for (const Index i : {0, 63, 64, 130, 199}) {
      Case<float> one(kind, {1, 1, i + 1, H, 1, D});
      one.q.assign(all.q.begin() + i * H * D, all.q.begin() + (i + 1) * H * D);
      one.k.assign(all.k.begin(), all.k.begin() + (i + 1) * D);
      one.v.assign(all.v.begin(), all.v.begin() + (i + 1) * D);
      one.run();
      CHECK(std::memcmp(one.out.data(), all.out.data() + i * H * D, one.out.size() * sizeof(float)) == 0);
      CHECK(std::memcmp(one.rest.data(), all.rest.data() + i * H, one.rest.size() * sizeof(float)) == 0);
    }
  }
}

TEST_CASE("attention and its gradient have the same bits for any number of threads") {
  const int before = pool().threads();
  for (const Kind kind : kinds) {
    std::vector<float> results[2];
    for (const int threads : {1, 3}) {
      pool().resize(threads);
      Case<float> c(kind, {2, 70, 70, 4, 2, 16});
      c.run();
      std::vector<float> dq, dk, dv;
      c.back(c.out, nullptr, dq, dk, dv);
      auto& all = results[threads / 2];
      for (const auto* part : {&c.out, &c.rest, &dq, &dk, &dv}) all.insert(all.end(), part->begin(), part->end());
    }
    CHECK(std::memcmp(results[0].data(), results[1].data(), results[0].size() * sizeof(float)) == 0);
  }
  pool().resize(before);
}

TEST_CASE("NaN in a query stays in its row; NaN in a key reaches every row that sees it") {
  for (const Kind kind : {Kind::causal, Kind::stick}) {
    Case<float> c(kind, {1, 20, 20, 1, 1, 4});
    c.q[5 * 4] = std::numeric_limits<float>::quiet_NaN();
    c.run();
    for (Index i = 0; i < 20; ++i) CHECK(std::isnan(c.out[at(i * 4)]) == (i == 5));
    c.q[5 * 4] = 1;
    c.k[7 * 4] = std::numeric_limits<float>::quiet_NaN();
    c.run();
    for (Index i = 0; i < 20; ++i) CHECK(std::isnan(c.out[at(i * 4)]) == (i >= 7));
  }
}

}  // namespace cmoe::attention_test
