// Each fused operation against the composition it stands for, in double.
#include <doctest/doctest.h>

#include "cmoe/attention/biased_attention.hpp"
#include "cmoe/attention/causal.hpp"
#include "cmoe/attention/stickbreaking.hpp"
#include "cmoe/moe/dispatch.hpp"
#include "cmoe/ops/loss.hpp"
#include "cmoe/ops/matmul.hpp"
#include "cmoe/ops/norm.hpp"
#include "cmoe/ops/softmax.hpp"
#include "cmoe/pet/lora.hpp"
#include "draw.hpp"

namespace cmoe::fused_test {

using draw::B, draw::Draw, draw::T, draw::IdArray;

namespace {

double difference(const T& a, const T& b) {
  REQUIRE(a.shape() == b.shape());
  const auto x = a.values(), y = b.values();
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i) worst = std::max(worst, std::abs(x[i] - y[i]));
  return worst;
}

// Both ways of computing give the same values, and for a random projection the same gradients of all inputs.
template <class F, class G>
void agree(F&& fused, G&& unfused, std::vector<T> inputs) {
  std::vector<std::vector<T>> results;
  for (T& x : inputs) x.want_gradient();
  for (int way = 0; way < 2; ++way) {
    Tape<B> tape;
    const T y = way == 0 ? T(fused(inputs)) : T(unfused(inputs));
    Draw d{Rng(99)};
    tape.backward(y, d.tensor(y.shape()).value());
    results.push_back({y.detach()});
    for (T& x : inputs) {
      results.back().push_back(x.grad() ? T(x.grad()) : T(x.shape(), 0.0));
      x.clear_gradient();
    }
  }
  for (std::size_t i = 0; i < results[0].size(); ++i) {
    CAPTURE(i);
    CHECK(difference(results[0][i], results[1][i]) < 1e-12);
  }
}

// (N,T,H,D) -> (N,H,T,D), keys repeated for the query heads that share them.
T by_head(const T& x, Index heads) {
  const Index repeat = heads / x.shape()[2];
  const T turned = swap_axes(x, 1);  // (N,Hkv,T,D)
  if (repeat == 1) return turned;
  const Shape& s = turned.shape();
  const T flat = reshape(turned, {s[0] * s[1], s[2], s[3]});
  std::vector<T> parts;
  for (Index i = 0; i < s[0] * s[1]; ++i)
    for (Index r = 0; r < repeat; ++r) parts.push_back(slice_rows(flat, i, i + 1));
  return reshape(concat_rows(parts), {s[0], heads, s[2], s[3]});
}

// 1 where query i may look at key j.
bool visible(Index i, Index j, Index t, Index s, bool current, Index first, Index last) {
  return j <= i + (s - t) - (current ? 0 : 1) && j >= first && j < last;
}

T mask(Index n, Index h, Index t, Index s, bool current, const IdArray& first, const IdArray& last, double yes, double no) {
  T m({n, h, t, s}, no);
  for (Index a = 0; a < n * h; ++a)
    for (Index i = 0; i < t; ++i)
      for (Index j = 0; j < s; ++j)
        if (visible(i, j, t, s, current, first ? first.data()[a / h] : 0, last ? last.data()[a / h] : s))
          m.data()[(a * t + i) * s + j] = yes;
  return m;
}

}  // namespace

TEST_CASE("cross entropy with ignored labels equals the log softmax composition") {
  Draw d{Rng(1)};
  const Index n = 7, v = 5;
  const IdArray labels({n}, {0, 4, ignored_label, 2, 2, ignored_label, 1});
  T chosen({n, v}, 0.0);
  for (Index i = 0; i < n; ++i)
    if (labels.data()[i] >= 0) chosen.data()[i * v + labels.data()[i]] = 1;
  agree([&](const auto& x) { return cross_entropy(x[0], labels); },
        [&](const auto& x) { return -sum(log(softmax(x[0])) * chosen) / 5.0; }, {d.tensor({n, v}) * 3.0});
}

TEST_CASE("cross entropy of only ignored labels is 0 and has no gradient") {
  T x({2, 3}, 1.0);
  x.want_gradient();
  Tape<B> tape;
  const T loss = cross_entropy(x, IdArray({2}, {ignored_label, ignored_label}));
  CHECK(loss.item() == 0);
  tape.backward(loss);
  CHECK(x.grad().values() == std::vector<double>(6, 0.0));
}

TEST_CASE("cross entropy stays finite for logits that overflow exp") {
  const T x({1, 3}, {1000, -1000, 0});
  CHECK(cross_entropy(x, IdArray({1}, {0})).item() == 0);
  CHECK(cross_entropy(x, IdArray({1}, {1})).item() == 2000);
}

TEST_CASE("layer norm equals centring, scaling, gain and bias") {
  Draw d{Rng(2)};
  const double epsilon = 1e-3;
  agree([&](const auto& x) { return layer_norm(x[0], x[1], x[2], epsilon); },
        [&](const auto& x) {
          const T centred = x[0] - reshape(sum_last(x[0]), {6, 1}) / 9.0;
          const T deviation = exp(log(reshape(sum_last(square(centred)), {6, 1}) / 9.0 + epsilon) * 0.5);
          return centred / deviation * x[1] + x[2];
        },
        {d.tensor({6, 9}), d.tensor({9}), d.tensor({9})});
}

TEST_CASE("rms norm equals dividing by the root of the mean square") {
  Draw d{Rng(3)};
  const double epsilon = 1e-3;
  agree([&](const auto& x) { return rms_norm(x[0], x[1], epsilon); },
        [&](const auto& x) {
          return x[0] / exp(log(reshape(sum_last(square(x[0])), {5, 1}) / 17.0 + epsilon) * 0.5) * x[1];
        },
        {d.tensor({5, 17}), d.tensor({17})});
}

TEST_CASE("logsumexp is the logarithm of the sum of exponentials") {
  Draw d{Rng(4)};
  agree([](const auto& x) { return logsumexp(x[0]); }, [](const auto& x) { return log(sum_last(exp(x[0]))); },
        {d.tensor({4, 2, 9})});
}

TEST_CASE("causal attention equals product, mask, softmax, product") {
  Draw d{Rng(5)};
  for (const auto& [t, s, heads, groups] :
       {std::array<Index, 4>{5, 5, 2, 2}, {4, 7, 4, 2}, {1, 6, 3, 1}, {33, 33, 2, 1}, {6, 70, 2, 2}})
    for (const bool ranged : {false, true}) {
      const Index n = 2, size = 3, h = heads, queries = t, keys = s;
      IdArray first, last;
      if (ranged) first = IdArray({n}, {0, 1}), last = IdArray({n}, {static_cast<Id>(keys), static_cast<Id>(keys - 1)});
      if (ranged && queries == keys) first = IdArray({n}, {0, 0});  // a query without any key is tested apart
      const T hide = mask(n, h, queries, keys, true, first, last, 0, -1e300);
      agree([&](const auto& x) { return causal_attention(x[0], x[1], x[2], 0.6, first, last); },
            [&](const auto& x) {
              const T scores = matmul_batched(by_head(x[0], h), by_head(x[1], h), Form::nt) * 0.6 + hide;
              return swap_axes(matmul_batched(softmax(scores), by_head(x[2], h)), 1);
            },
            {d.tensor({n, queries, h, size}), d.tensor({n, keys, groups, size}), d.tensor({n, keys, groups, size})});
    }
}

TEST_CASE("biased attention equals product, bias, mask, softmax, product") {
  Draw d{Rng(5)};
  for (const auto& [t, s, heads] : {std::array<Index, 3>{5, 5, 2}, {4, 7, 3}, {9, 2, 1}, {1, 6, 2}, {33, 70, 2}})
    for (const bool ranged : {false, true}) {
      const Index n = 2, size = 3, h = heads;
      IdArray first, last;
      if (ranged) first = IdArray({n}, {0, 1}), last = IdArray({n}, {static_cast<Id>(s - 1), static_cast<Id>(s)});
      T hide({n, h, t, s}, 0.0);
      for (Index i = 0; ranged && i < hide.size(); ++i)
        if (const Index key = i % s, row = i / (h * t * s); key < first.data()[row] || key >= last.data()[row]) hide.data()[i] = -1e300;
      agree([&](const auto& x) { return biased_attention(x[0], x[1], x[2], x[3], 0.6, first, last); },
            [&](const auto& x) {
              const T scores = matmul_batched(by_head(x[0], h), by_head(x[1], h), Form::nt) * 0.6 + x[3] + hide;
              return swap_axes(matmul_batched(softmax(scores), by_head(x[2], h)), 1);
            },
            {d.tensor({n, t, h, size}), d.tensor({n, s, h, size}), d.tensor({n, s, h, size}), d.tensor({h, t, s})});
    }
  T q = d.tensor({2, 1, 1, 2});
  q.want_gradient();
  const T k = d.tensor({2, 3, 1, 2});
  Tape<B> tape;
  const T y = biased_attention(q, k, k, T(), 1, IdArray({2}, {3, 2}));
  CHECK((y.values()[0] == 0 && y.values()[1] == 0 && y.values()[2] == doctest::Approx(k.values()[10])));
  tape.backward(sum(y));
  CHECK(q.grad().values()[0] == 0);
  CHECK_THROWS_WITH_AS(biased_attention(q, k, k, T(), 1, IdArray({1}, {0})), "biased_attention: 1 ranges for 2 sequences", Error);
  CHECK_THROWS_AS(biased_attention(q, d.tensor({2, 3, 2, 2}), k, T(), 1), Error);
  CHECK_THROWS_WITH_AS(biased_attention(q, k, k, T({1, 3, 1}, 0.0), 1), "biased_attention: a bias (1,3,1) for queries (2,1,1,2) and keys (2,3,1,2)", Error);
}

TEST_CASE("a query without any key gives 0 and no gradient") {
  Draw d{Rng(6)};
  T q = d.tensor({1, 3, 1, 2});
  q.want_gradient();
  const T k = d.tensor({1, 3, 1, 2});
  Tape<B> tape;
  const T y = causal_attention(q, k, k, 1, IdArray({1}, {2}));
  for (Index i = 0; i < 4; ++i) CHECK(y.values()[static_cast<std::size_t>(i)] == 0);
  CHECK(y.values()[4] == doctest::Approx(k.values()[4]));
  tape.backward(sum(y));
  for (Index i = 0; i < 4; ++i) CHECK(q.grad().values()[static_cast<std::size_t>(i)] == 0);
}

TEST_CASE("stick-breaking attention equals its definition as a product") {
  Draw d{Rng(7)};
  for (const auto& [t, s, heads, groups] : {std::array<Index, 4>{5, 5, 2, 2}, {4, 7, 4, 2}, {1, 6, 3, 1}, {20, 20, 1, 1}})
    for (const bool current : {true, false})
      for (const bool ranged : {false, true}) {
        const Index n = 2, size = 3, h = heads, queries = t, keys = s;
        IdArray first, last;
        if (ranged) first = IdArray({n}, {0, 1}), last = IdArray({n}, {static_cast<Id>(keys), static_cast<Id>(keys - 1)});
        const T shown = mask(n, h, queries, keys, current, first, last, 1, 0);
        const auto weights = [&](const auto& x, T& stick) {
          const T scores = matmul_batched(by_head(x[0], h), by_head(x[1], h), Form::nt) * 0.6;
          const T beta = reshape(sigmoid(scores) * shown, {n * h * queries, keys});
          std::vector<T> columns(static_cast<std::size_t>(keys));
          stick = T({n * h * queries, 1}, 1.0);
          for (Index j = keys - 1; j >= 0; --j) {
            const T share = slice_columns(beta, j, j + 1);
            columns[static_cast<std::size_t>(j)] = share * stick;
            stick = stick * (share * -1.0 + 1.0);
          }
          return reshape(concat_columns(columns), {n, h, queries, keys});
        };
        const std::vector<T> inputs = {d.tensor({n, queries, h, size}), d.tensor({n, keys, groups, size}),
                                       d.tensor({n, keys, groups, size})};
        agree([&](const auto& x) { return stickbreaking_attention(x[0], x[1], x[2], 0.6, current, first, last).out; },
              [&](const auto& x) {
                T stick;
                return swap_axes(matmul_batched(weights(x, stick), by_head(x[2], h)), 1);
              },
              inputs);
        agree([&](const auto& x) { return stickbreaking_attention(x[0], x[1], x[2], 0.6, current, first, last).rest; },
              [&](const auto& x) {
                T stick;
                weights(x, stick);
                return swap_axes(reshape(stick, {n, h, queries}), 1);
              },
              inputs);
      }
}

TEST_CASE("the grouped product equals a loop over experts, empty ones included") {
  Draw d{Rng(8)};
  const std::vector<Index> offsets = {0, 3, 3, 10, 10};
  agree([&](const auto& x) { return grouped_matmul(x[0], x[1], offsets); },
        [&](const auto& x) {
          std::vector<T> parts;
          for (Index e = 0; e < 4; ++e) {
            const auto at = static_cast<std::size_t>(e);
            parts.push_back(matmul(slice_rows(x[0], offsets[at], offsets[at + 1]), reshape(slice_rows(x[1], e, e + 1), {6, 5})));
          }
          return concat_rows(parts);
        },
        {d.tensor({10, 6}), d.tensor({4, 6, 5})});
}

TEST_CASE("dispatch and its way back equal a loop over tokens") {
  Draw d{Rng(9)};
  const Index n = 6, k = 2, c = 4, f = 3;
  const IdArray chosen({n, k}, {0, 3, 3, 0, 1, 3, 0, 1, 3, 1, 1, 0});  // expert 2 gets none
  const ExpertOrder<B> order(chosen, 4);
  CHECK(order.offsets == std::vector<Index>{0, 4, 8, 8, 12});
  agree([&](const auto& x) { return from_experts(grouped_matmul(to_experts(x[0], order), x[1], order.offsets), x[2], order); },
        [&](const auto& x) {
          std::vector<T> rows;
          for (Index i = 0; i < n; ++i) {
            T row({1, f}, 0.0);
            for (Index s = 0; s < k; ++s) {
              const Index e = chosen.data()[i * k + s];
              const T weight = reshape(slice_columns(slice_rows(x[2], i, i + 1), s, s + 1), {1});
              row = row + matmul(slice_rows(x[0], i, i + 1), reshape(slice_rows(x[1], e, e + 1), {c, f})) * weight;
            }
            rows.push_back(row);
          }
          return concat_rows(rows);
        },
        {d.tensor({n, c}), d.tensor({4, c, f}), d.tensor({n, k})});
}

TEST_CASE("scaled blocks equal products with one weight a sequence") {
  Draw d{Rng(10)};
  agree([](const auto& x) { return scale_blocks(x[0], x[1]); },
        [](const auto& x) {
          std::vector<T> sequences;
          for (Index n = 0; n < 3; ++n) {
            std::vector<T> blocks;
            for (Index e = 0; e < 2; ++e)
              blocks.push_back(slice_columns(slice_rows(x[0], n, n + 1), 2 * e, 2 * e + 2) *
                               reshape(slice_columns(slice_rows(x[1], n, n + 1), e, e + 1), {1}));
            sequences.push_back(concat_columns(blocks));
          }
          return concat_rows(sequences);
        },
        {d.tensor({3, 5, 4}), d.tensor({3, 2})});
}

TEST_CASE("swiglu equals silu times the other") {
  Draw d{Rng(11)};
  agree([](const auto& x) { return swiglu(x[0], x[1]); }, [](const auto& x) { return silu(x[0]) * x[1]; },
        {d.tensor({7, 9}), d.tensor({7, 9})});
}

TEST_CASE("a product over an empty inner size is zero") {
  CHECK(matmul(T(Shape{2, 0}), T(Shape{0, 3})).values() == std::vector<double>(6, 0.0));
  CHECK(matmul_batched(T(Shape{2, 1, 0}), T(Shape{2, 0, 2})).values() == std::vector<double>(4, 0.0));
}

TEST_CASE("top-k gives the largest first and prefers the lower column among equals") {
  const T x({2, 4}, {1, 3, 3, 2, 0, 0, 0, 0});
  const auto largest = top_k(x, 3);
  CHECK(largest.ids.values() == std::vector<Id>{1, 2, 3, 0, 1, 2});
  CHECK(largest.values.values() == std::vector<double>{3, 3, 2, 0, 0, 0});
  CHECK(argmax(x).values() == std::vector<Id>{1, 0});
}

}  // namespace cmoe::fused_test
