// The invariants of spec/seta.md section 2.8, by their numbers: model and lattice.
#include <doctest/doctest.h>

#include <numeric>

#include "cmoe/autograd/gradcheck.hpp"

#include "cmoe/models/seta.hpp"
#include "cmoe/regularizer/anchor.hpp"
#include "cmoe/regularizer/route.hpp"
#include "small_streams.hpp"

namespace cmoe::seta_test {

using namespace small_streams;
using small_streams::B, small_streams::T;

namespace {

std::vector<Index> random_mask(Rng& rng, Index size, Index count) {
  std::vector<Index> all(static_cast<std::size_t>(size));
  std::iota(all.begin(), all.end(), Index{0});
  rng.shuffle(all);
  all.resize(static_cast<std::size_t>(count));
  std::sort(all.begin(), all.end());
  return all;
}

// The units a task uses: those of all its experts.
std::vector<Index> used(const std::vector<SparseExpert>& lattice, Index task) {
  std::vector<Index> units;
  for (const SparseExpert& e : lattice)
    if (e.used_by(task)) units.insert(units.end(), e.units.begin(), e.units.end());
  std::sort(units.begin(), units.end());
  return units;
}

using Lattice = TaskLattice<LinearSoftmax>::On<B>;

Lattice gate_of(const std::vector<SparseExpert>& lattice, Index tasks) {
  Lattice gate(4);
  for (Index t = 0; t < tasks; ++t) gate.grow();
  gate.active = tasks;
  disturb(gate, "weight", 5, 1);
  gate.combine(lattice, tasks);
  return gate;
}

// A map of 5 x 6 whose experts are those of a lattice over its 30 entries; an entry's value is a function of its place.
AdaptedLinear<B, SparseDelta> map_of(const std::vector<SparseExpert>& lattice) {
  AdaptedLinear<B, SparseDelta> map(5, 6, Rng(1));
  map.delta.grow(5, 6, {}, Rng(1));
  for (std::size_t e = 0; e < lattice.size(); ++e) {
    std::vector<Id> units;
    std::vector<double> values;
    for (const Index u : lattice[e].units) {
      units.push_back(static_cast<Id>(u));
      values.push_back(std::sin(1.0 + static_cast<double>(u)));
    }
    const auto n = static_cast<Index>(units.size());
    map.delta.parts.push_back({static_cast<Index>(e), Ids<B>({n}, units), Param<B>(Array<B>({n, 1}, std::span<const double>(values)))});
  }
  return map;
}

T sequences() {
  T x({3, 4, 5});
  Rng rng(3);
  for (Index i = 0; i < x.size(); ++i) x.data()[i] = rng.normal();
  return x;
}

}  // namespace

TEST_CASE("2. a split changes no output, neither under the old tasks' combinations nor under soft routing") {
  Rng rng(1);
  std::vector<SparseExpert> lattice;
  for (Index t = 0; t < 3; ++t) lattice = split_on_share(lattice, random_mask(rng, 30, 9), t, {.threshold = 0, .smallest = 1}).experts;
  const auto before = map_of(lattice);
  const Lattice gate = gate_of(lattice, 3);
  const auto split = split_on_share(lattice, random_mask(rng, 30, 9), 3, {.threshold = 0, .smallest = 1}).experts;
  REQUIRE(split.size() > lattice.size());
  const auto after = map_of(split);
  Lattice wider = gate_of(split, 4);
  wider.active = 3;  // 12: the new column is masked, so the old probabilities stay
  wider.weight = Param<B>(concat_rows<B>({gate.weight.detach(), T({1, 4}, 0.0)}).value());
  const T x = sequences(), q({3, 4}, {1, 2, 0, -1, 0.5, 0, 0, 1, -1, 1, 1, 0});
  CHECK(gate.weights(q).values() == wider.weights(q).values());
  for (Index t = 0; t < 3; ++t) {
    Flow<B> flow, wide;
    flow.gates = gate.expand(oracle_gates<B>(3, 3, t));
    wide.gates = wider.expand(oracle_gates<B>(3, 4, t));
    CHECK(difference(before(x, flow), after(x, wide)) < 1e-12);
  }
  Flow<B> flow, wide;
  flow.gates = gate.expand(gate.weights(q));
  wide.gates = wider.expand(wider.weights(q));
  CHECK(difference(before(x, flow), after(x, wide)) < 1e-12);
}

TEST_CASE("2. under a flat softmax a split keeps the output only with its correction") {
  FlatSoftmax::On<B> gate(4);
  for (int e = 0; e < 3; ++e) gate.grow();
  gate.active = 3;
  disturb(gate, "weight", 5, 1);
  const T q({2, 4}, {1, 2, 0, -1, 0.5, 0, 0, 1});
  const T before = gate.weights(q);
  gate.split(1);
  const auto after = gate.weights(q).values(), old = before.values();
  for (std::size_t n = 0; n < 2; ++n)
    for (std::size_t e = 0; e < 4; ++e) CHECK(after[4 * n + e] == doctest::Approx(old[3 * n + (e == 3 ? 1 : e)]).epsilon(1e-12));
}

TEST_CASE("3. the experts of a task are disjoint and together are its mask; dropped units are left out") {
  for (const OverlapRule rule : {OverlapRule::copy, OverlapRule::drop}) {
    Rng rng(2);
    std::vector<SparseExpert> lattice;
    std::vector<std::vector<Index>> masks;
    for (Index t = 0; t < 5; ++t) {
      masks.push_back(random_mask(rng, 200, 50));
      lattice = split_on_share(lattice, masks.back(), t, {.threshold = 0.1, .smallest = 4, .overlap = rule}).experts;
      for (Index k = 0; k <= t; ++k) {
        const std::vector<Index> mine = used(lattice, k), &mask = masks[static_cast<std::size_t>(k)];
        CHECK(std::adjacent_find(mine.begin(), mine.end()) == mine.end());
        if (rule == OverlapRule::copy) CHECK(mine == mask);
        else CHECK(std::includes(mask.begin(), mask.end(), mine.begin(), mine.end()));
      }
    }
  }
}

TEST_CASE("4. and 5. without a threshold the experts partition the union, have different users, and are at most 2^T - 1") {
  Rng rng(3);
  std::vector<SparseExpert> lattice;
  std::size_t together = 0;
  for (Index t = 0; t < 4; ++t) {
    const auto mask = random_mask(rng, 120, 40);
    together += mask.size();
    lattice = split_on_share(lattice, mask, t, {.threshold = 0, .smallest = 1}).experts;
    std::vector<Index> all;
    for (const SparseExpert& e : lattice) all.insert(all.end(), e.units.begin(), e.units.end());
    std::sort(all.begin(), all.end());
    CHECK(std::adjacent_find(all.begin(), all.end()) == all.end());
    for (std::size_t a = 0; a < lattice.size(); ++a)
      for (std::size_t b = a + 1; b < lattice.size(); ++b) CHECK_FALSE(lattice[a].users == lattice[b].users);
    CHECK(static_cast<Index>(lattice.size()) <= (Index{1} << (t + 1)) - 1);
    CHECK(all.size() <= together);
  }
}

TEST_CASE("5. and 6. equal masks give one shared expert and no growth, disjoint ones no shared expert") {
  std::vector<Index> mask = {1, 4, 5, 9};
  std::vector<SparseExpert> same, apart;
  for (Index t = 0; t < 3; ++t) {
    same = split_on_share(same, mask, t, {.threshold = 0, .smallest = 1}).experts;
    std::vector<Index> own = mask;
    for (Index& u : own) u += 20 * t;
    apart = split_on_share(apart, own, t, {.threshold = 0, .smallest = 1}).experts;
  }
  REQUIRE(same.size() == 1);
  CHECK(same[0].units == mask);
  CHECK(same[0].user_count() == 3);
  CHECK(apart.size() == 3);
  for (const SparseExpert& e : apart) CHECK_FALSE(e.shared());
}

TEST_CASE("more experts than allowed raise the threshold; an empty mask and impossible limits are refused") {
  Rng rng(4);
  std::vector<SparseExpert> lattice;
  double threshold = 0;
  for (Index t = 0; t < 6; ++t) {
    const LatticeSplit split = split_on_share(lattice, random_mask(rng, 300, 120), t, {.threshold = 0, .smallest = 1, .most = 10});
    CHECK(split.experts.size() <= std::max<std::size_t>(10, lattice.size() + 1));
    lattice = split.experts;
    threshold = std::max(threshold, split.threshold);
  }
  CHECK(threshold > 0);
  CHECK_THROWS_AS(split_on_share(lattice, {}, 6, {}), Error);
  CHECK_THROWS_AS(split_on_share(lattice, {3, 2}, 6, {}), Error);
  CHECK_THROWS_AS(split_on_share(lattice, {1}, 6, {.most = 6}), Error);
}

TEST_CASE("8. and 10. the anchor is 0 with no gradient at its centre, pulls by lambda F (v - a), and two anchors merge into one") {
  T v({4, 1}, {1.0, -2.0, 0.5, 3.0});
  const T a({4, 1}, {0.5, -2.0, 1.5, 0.0}), f({4, 1}, {1.0, 5.0, 0.0, 2.0}), b({4, 1}, {0.0, 1.0, 2.0, 1.0}), g({4, 1}, {0.5, 1.0, 3.0, 0.25});
  v.want_gradient();
  const auto gradient = [&](const T& loss, Tape<B>& tape) {
    v.clear_gradient();
    tape.backward(loss);
    return v.grad().values();
  };
  {
    Tape<B> tape;
    const T at_home = quadratic_penalty(v, v.detach(), f);
    CHECK(at_home.item() == 0);
    for (const double x : gradient(at_home, tape)) CHECK(x == 0);
  }
  std::vector<double> both, one;
  {
    Tape<B> tape;
    both = gradient(quadratic_penalty(v, a, f) + quadratic_penalty(v, b, g), tape);
  }
  {
    Tape<B> tape;
    const T total = f + g, centre = (f * a + g * b) / total;
    one = gradient(quadratic_penalty(v, centre, total), tape);
  }
  for (std::size_t i = 0; i < 4; ++i) CHECK(one[i] == doctest::Approx(both[i]).epsilon(1e-12));
  Tape<B> tape;
  const auto pull = gradient(quadratic_penalty(v, a, f), tape);
  for (std::size_t i = 0; i < 4; ++i) CHECK(pull[i] == doctest::Approx(f.values()[i] * (v.values()[i] - a.values()[i])));
}

TEST_CASE("11. activations lie in [0,1], are a row of the combinations when hard, and 1 for what all tasks share") {
  std::vector<SparseExpert> lattice;
  for (Index t = 0; t < 3; ++t) lattice = split_on_share(lattice, {1, 2, 3, 10 * t + 10, 10 * t + 11}, t, {.threshold = 0, .smallest = 1}).experts;
  const Lattice gate = gate_of(lattice, 3);
  const T q({2, 4}, {1, 2, 0, -1, 0.5, 0, 0, 1}), p = gate.weights(q), soft = gate.expand(p), hard = gate.expand(dispatched(p, 1));
  std::size_t everyone = 0;
  while (lattice[everyone].user_count() < 3) ++everyone;
  const auto values = soft.values();
  for (std::size_t i = 0; i < values.size(); ++i) {
    CHECK(values[i] >= 0);
    CHECK(values[i] <= 1 + 1e-12);
    if (i % lattice.size() == everyone) CHECK(values[i] == doctest::Approx(1).epsilon(1e-12));
  }
  const auto best = argmax(p).values();
  for (std::size_t n = 0; n < 2; ++n)
    for (std::size_t e = 0; e < lattice.size(); ++e)
      CHECK(hard.values()[n * lattice.size() + e] == (lattice[e].used_by(best[n]) ? 1 : 0));
}

TEST_CASE("13. the routing regulariser is 0 while old rows stay, and half the mean squared change of old logits after") {
  Rng rng(6);
  const Index n = 50, c = 4;
  T q({n, c}), before({2, c}), weight({3, c});
  for (T* t : {&q, &before, &weight})
    for (Index i = 0; i < t->size(); ++i) t->data()[i] = rng.normal();
  T moment({c, c});
  B::gemm(Form::tn, c, c, n, 1.0 / static_cast<double>(n), q.data(), c, q.data(), c, false, moment.data(), c);
  const T change = matmul_transposed(q, slice_rows(weight, 0, 2) - before);
  CHECK(route_loss(weight, before, moment).item() == doctest::Approx(0.5 * sum(square(change)).item() / static_cast<double>(n)).epsilon(1e-12));
  CHECK(route_loss(weight, slice_rows(weight, 0, 2), moment).item() == 0);
}

TEST_CASE("15. merging gives the routed output without gates, and taking it back restores every bit") {
  std::vector<SparseExpert> lattice;
  for (Index t = 0; t < 3; ++t) lattice = split_on_share(lattice, {t, t + 1, t + 2, 20, 21}, t, {.threshold = 0.5, .smallest = 1}).experts;
  auto map = map_of(lattice);
  const auto bits = map.base.weight.values();
  const T x = sequences();
  Flow<B> flow;
  std::vector<double> activation;
  for (const SparseExpert& e : lattice) activation.push_back(e.used_by(1) ? 1 : 0);
  std::vector<double> rows;
  for (int n = 0; n < 3; ++n) rows.insert(rows.end(), activation.begin(), activation.end());
  flow.gates = T({3, static_cast<Index>(lattice.size())}, std::span<const double>(rows));
  const T routed = map(x, flow);
  const auto replaced = merge(map, std::span<const double>(activation));
  CHECK(difference(map(x, Flow<B>{}), routed) < 1e-12);
  unmerge(map, replaced);
  CHECK(map.base.weight.values() == bits);
}

TEST_CASE("17. a mask is the smallest that covers, within its cap, ties to the lower number; bad scores are refused") {
  const auto mask = [](std::vector<double> s, double eta, double rho) { return sensitivity_mask(std::span<const double>(s), eta, rho); };
  CHECK(mask({5, 1, 3, 1}, 0.8, 1) == std::vector<Index>{0, 2});
  CHECK(mask({1, 1, 1, 1}, 0.5, 1) == std::vector<Index>{0, 1});
  CHECK(mask({1, 1, 1, 1}, 1, 0.75) == std::vector<Index>{0, 1, 2});
  CHECK(mask({0, 0, 0}, 0.9, 1).empty());
  CHECK_THROWS_AS(mask({1, -1}, 0.9, 1), Error);
  CHECK_THROWS_AS(mask({1, std::nan("")}, 0.9, 1), Error);
  CHECK_THROWS_AS(mask({1, 2}, 0, 1), Error);
}

TEST_CASE("sequences with different activations get what each would get alone, and soft activations have true gradients") {
  std::vector<SparseExpert> lattice;
  for (Index t = 0; t < 3; ++t) lattice = split_on_share(lattice, {t, t + 1, t + 2, 20, 21}, t, {.threshold = 0, .smallest = 1}).experts;
  const auto map = map_of(lattice);
  const auto experts = static_cast<Index>(lattice.size());
  T gates({3, experts});
  Rng rng(8);
  for (Index i = 0; i < gates.size(); ++i) gates.data()[i] = rng.uniform();
  const T x = sequences();
  Flow<B> flow;
  flow.gates = gates;
  const T all = map(x, flow);
  for (Index n = 0; n < 3; ++n) {
    Flow<B> one;
    one.gates = slice_rows(gates, n, n + 1);
    CHECK(difference(map(slice_rows(x, n, n + 1), one), slice_rows(all, n, n + 1)) < 1e-12);
  }
  const auto f = [&](const std::vector<T>& in) {
    Flow<B> soft;
    soft.gates = in[0];
    return map(in[1], soft);
  };
  CHECK(gradcheck<B>(f, {gates, x}).worst < 1e-6);
}

}  // namespace cmoe::seta_test
