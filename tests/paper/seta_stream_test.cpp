// The invariants of spec/seta.md section 2.8 that need training.
#include <doctest/doctest.h>

#include "cmoe/continual/seta_learner.hpp"
#include "small_streams.hpp"

namespace cmoe::seta_stream_test {

using namespace small_streams;
using small_streams::B, small_streams::T;

namespace {

SetaConfig settings(double anchor = 1) {
  SetaConfig c;
  c.density = 0.3;
  c.probe_batches = 4;
  c.split = {.threshold = 0.02, .smallest = 1};
  c.anchor_weight = anchor;
  c.fisher_samples = 8;
  c.memory_batch = 8;
  c.memory_share = 0.5;
  return c;
}

template <class Recipe = SetaAnalytic>
SetaLearner<B, Recipe> learner(const SetaConfig& c = settings()) {
  typename Recipe::Config s = sizes<Recipe>();
  s.top = 1;
  return {typename Recipe::template On<B>(s, Rng(1)), c, Rng(4)};
}

template <class L>
T oracle_logits(const L& l, const Batch<B>& b, Index task) {
  Flow<B> flow = b.flow();
  const auto& gate = l.model().gate;
  flow.gates = gate.expand(oracle_gates<B>(b.ids.shape()[0], gate.combination.shape()[0], task));
  return l.model()(b.ids, flow).logits;
}

// Values of the experts in a map, as one list a unique or shared expert.
template <class L>
std::vector<std::vector<double>> values_of(L& l, bool shared, Index without_user) {
  std::vector<std::vector<double>> all;
  l.model().for_each_deep_map([&](auto& map) {
    for (const auto& part : map.delta.parts) {
      const SparseExpert& e = l.lattice()[static_cast<std::size_t>(part.expert)];
      if (e.shared() == shared && !(without_user >= 0 && e.used_by(without_user))) all.push_back(part.values.values());
    }
  });
  return all;
}

}  // namespace

TEST_CASE("1. with all values zero the logits are the frozen backbone's") {
  auto l = learner();
  const EncodedTask data = task(0);
  const Batch<B> b = batch(data.test);
  const T before = l.model()(b.ids, b.flow()).logits;
  l.before_task(0, data);
  l.prepare(0, data);
  CHECK(difference(oracle_logits(l, b, 0), before) < 1e-12);
}

TEST_CASE("7. training a task moves nothing outside its combination: not the backbone, not the old tasks' own experts") {
  auto l = learner();
  train(l, 0, task(0), 8);
  train(l, 1, task(1), 8);
  const auto base = hash_of(l.model(), ".base.");
  l.before_task(2, task(2));
  l.prepare(2, task(2));
  const auto old = values_of(l, false, 2), old_shared = values_of(l, true, 2);
  train(l, 2, task(2), 8);  // the same split again: masks are a function of seed and data
  CHECK(hash_of(l.model(), ".base.") == base);
  CHECK(values_of(l, false, 2) == old);
  CHECK(values_of(l, true, 2) == old_shared);
}

TEST_CASE("9. with shared experts frozen, old tasks' logits under their own combination never change") {
  SetaConfig c = settings();
  c.freeze_shared = true;
  auto l = learner(c);
  const EncodedTask first = task(0);
  train(l, 0, first, 8);
  const Batch<B> b = batch(first.test);
  const T before = oracle_logits(l, b, 0);
  train(l, 1, task(1), 8);
  train(l, 2, task(2), 8);
  CHECK(difference(oracle_logits(l, b, 0), before) < 1e-12);
  Index shared = 0;
  for (const SparseExpert& e : l.lattice()) shared += e.shared();
  CHECK(shared > 0);
}

TEST_CASE("8. a stronger anchor lets shared values move less") {
  const auto moved = [](double strength) {
    auto l = learner(settings(strength));
    train(l, 0, task(0), 15);
    l.before_task(1, task(1));
    l.prepare(1, task(1));
    const auto before = values_of(l, true, -1);
    AdamW<B> optimizer({.lr = 1e-2});
    l.add_parameters(optimizer);
    const Batch<B> all = batch(task(1).train);
    for (Index step = 0; step < 15; ++step)
      training_step(optimizer, Schedule{.decay = Decay::constant}, step, 15, 1, [&](Index) { return l.loss(all, 1, step); });
    const auto after = values_of(l, true, -1);
    double total = 0;
    for (std::size_t p = 0; p < before.size(); ++p)
      for (std::size_t i = 0; i < before[p].size(); ++i) total += std::pow(after[p][i] - before[p][i], 2);
    return total;
  };
  const double loose = moved(0), held = moved(1), tight = moved(100);
  CHECK(loose > 0);
  CHECK(held < loose);
  CHECK(tight < held);
}

TEST_CASE("14. the gate reads no answer tokens, and padding does not matter") {
  auto l = learner();
  train(l, 0, task(0), 3);
  train(l, 1, task(1), 3);
  std::vector<Sequence> items = task(1).test;
  items.resize(2);
  const auto before = l.gates(batch(items)).values();
  for (Sequence& s : items) s.ids.back() = 23, s.ids[s.ids.size() - 2] = 22;
  CHECK(l.gates(batch(items)).values() == before);
  items.push_back(items[0]);
  for (int i = 0; i < 5; ++i) items.back().ids.push_back(20);
  CHECK(l.gates(batch(items)).value().rows(0, 2).values() == before);
}

TEST_CASE("16. a learner filled from another's state and parameters gives equal logits and an equal anchor") {
  auto l = learner();
  train(l, 0, task(0), 6);
  train(l, 1, task(1), 6);
  auto copy = learner();
  for (Index t = 0; t < 2; ++t) copy.before_task(t, {});
  copy.state() = l.state();
  copy.restored();
  copy_parameters(l.model(), copy.model());
  const Batch<B> b = batch(task(0).test);
  CHECK(oracle_logits(copy, b, 0).values() == oracle_logits(l, b, 0).values());
  CHECK(copy.loss(b, 1, 0).terms() == l.loss(b, 1, 0).terms());
}

TEST_CASE("18. on a stream of contradicting tasks anchoring beats free sharing, and routing finds the task") {
  const auto forgetting = [](double anchor) {
    auto l = learner(settings(anchor));
    double just_learnt = 0, at_the_end = 0;
    for (Index t = 0; t < 3; ++t) {
      train(l, t, task(t), 40);
      just_learnt += nll(l, task(t));
    }
    for (Index t = 0; t < 3; ++t) at_the_end += nll(l, task(t));
    return at_the_end - just_learnt;
  };
  const double held = forgetting(3), free = forgetting(0);
  CHECK(held < 0.7 * free);
  auto l = learner();
  for (Index t = 0; t < 3; ++t) train(l, t, task(t), 5);
  Index right = 0;
  for (Index t = 0; t < 3; ++t)
    for (const Id best : argmax(l.gates(batch(task(t).test))).values()) right += best == t;
  CHECK(right > 36);  // of 48; the tasks share half of their ids
}

TEST_CASE("the trained router's loss set is the revision's, the first version has no routing term") {
  for (const SetaLosses losses : {SetaLosses::adaptive, SetaLosses::constant}) {
    SetaConfig c = settings();
    c.losses = losses;
    auto l = learner<Seta>(c);
    train(l, 0, task(0), 3);
    l.before_task(1, task(1));
    l.prepare(1, task(1));
    std::vector<std::string> names;
    const Loss<B> loss = l.loss(batch(task(1).train), 1, 0);
    for (const auto& [name, value] : loss.terms()) names.push_back(name);
    CHECK(std::count(names.begin(), names.end(), "router") == 1);
    CHECK(std::count(names.begin(), names.end(), "anchor") == 1);
    CHECK(std::count(names.begin(), names.end(), "route") == (losses == SetaLosses::adaptive ? 1 : 0));
  }
}

TEST_CASE("all carriers learn: sparse entries, neurons and rank-one units") {
  const auto falls = [](auto recipe) {
    using Recipe = decltype(recipe);
    SetaConfig c = settings();
    c.density = 0.5;
    auto l = learner<Recipe>(c);
    const EncodedTask data = task(0);
    const double before = nll(l, data);
    train(l, 0, data, 40, 2e-2);
    return before - nll(l, data);
  };
  CHECK(falls(SetaAnalytic{}) > 0.3);
  CHECK(falls(Adapted<Shallow<NoDelta>, Deep<LatticeDelta<RowUnits>>, Gate<PromptMean, TaskLattice<LeastSquares>>>{}) > 0.3);
  CHECK(falls(Adapted<Shallow<NoDelta>, Deep<LatticeDelta<RankOneUnits>>, Gate<PromptMean, TaskLattice<LeastSquares>>>{}) > 0.3);
}

}  // namespace cmoe::seta_stream_test
