// What training a task may change, and what not: invariants 5, 6 and 17 of spec/pmoe.md 1.11.
#include <doctest/doctest.h>

#include "cmoe/continual/pmoe_learner.hpp"
#include "small_pmoe.hpp"

namespace cmoe::pmoe_task_test {

using namespace small_pmoe;

namespace {

EncodedTask task(std::uint64_t seed) {
  EncodedTask data;
  data.name = "task";
  for (std::uint64_t i = 0; i < 4; ++i)
    for (Sequence& s : sequences(seed * 100 + i)) data.train.push_back(std::move(s));
  return data;
}

// Hashes of the parameters of one kind.
std::uint64_t hash_of(const Model& model, const std::string& part, bool without = false) {
  std::uint64_t h = 0;
  for_each_param(model, [&](const std::string& name, const Param<small_pmoe::B>& p) {
    if ((name.find(part) == std::string::npos) != without) return;
    const auto values = p.values();
    h = stable_hash({reinterpret_cast<const char*>(values.data()), values.size() * sizeof(double)}, stable_hash(name, h));
  });
  return h;
}

struct Run {
  PMoELearner<small_pmoe::B> learner;
  Index task_number = 0;
  std::vector<std::string> optimised = {};

  explicit Run(ShallowPolicy policy)
      : learner(Model(config(), Rng(1)), {.shallow = policy, .memory_share = 0.5, .memory_batch = 4}, Rng(2)) {}
  void train(const EncodedTask& data) {
    learner.before_task(task_number, data);
    AdamW<small_pmoe::B> optimizer({.lr = 0.01});
    learner.add_parameters(optimizer);
    optimised.clear();
    optimizer.for_each_moment([&](const std::string& name, Array<small_pmoe::B>&) { optimised.push_back(name); });
    const Batch<small_pmoe::B> all = make_batch<small_pmoe::B>(data.train, 0, data.train.size());
    for (Index step = 0; step < 5; ++step)
      training_step(optimizer, Schedule{.decay = Decay::constant}, step, 5, 1,
                    [&](Index) { return learner.loss(all, task_number, step); });
    learner.after_task(task_number++, data);
  }
  bool optimises(const std::string& part) const {
    for (const std::string& name : optimised)
      if (name.find(part) != std::string::npos) return true;
    return false;
  }
};

}  // namespace

TEST_CASE("5. training a task leaves the backbone and the old experts bit-identical, and the optimiser does not know them") {
  for (const ShallowPolicy policy : {ShallowPolicy::frozen, ShallowPolicy::first_task, ShallowPolicy::plastic}) {
    Run run(policy);
    const std::uint64_t backbone = hash_of(run.learner.model(), ".base.");
    const std::uint64_t table = hash_of(run.learner.model(), "embedding");
    run.train(task(1));
    const std::uint64_t first = hash_of(run.learner.model(), "experts.0."),
                        shallow = hash_of(run.learner.model(), "delta.block.");
    CHECK(run.optimises("delta.block.") == (policy != ShallowPolicy::frozen));
    run.train(task(2));
    const std::uint64_t second = hash_of(run.learner.model(), "experts.1.");
    run.train(task(3));
    CHECK(hash_of(run.learner.model(), ".base.") == backbone);
    CHECK(hash_of(run.learner.model(), "embedding") == table);
    CHECK(hash_of(run.learner.model(), "experts.0.") == first);
    CHECK(hash_of(run.learner.model(), "experts.1.") == second);
    CHECK((hash_of(run.learner.model(), "delta.block.") == shallow) == (policy != ShallowPolicy::plastic));
    for (const char* part : {".base.", "embedding", "norm", "experts.0.", "experts.1."}) CHECK_FALSE(run.optimises(part));
    CHECK(run.optimises("experts.2."));
    CHECK(run.optimises("gate.weight"));
    CHECK(run.optimises("delta.block.") == (policy == ShallowPolicy::plastic));
  }
}

TEST_CASE("5. a new expert learns: its bits change while those of the others stay") {
  Run run(ShallowPolicy::first_task);
  run.train(task(1));
  run.learner.before_task(1, task(2));
  const std::uint64_t fresh = hash_of(run.learner.model(), "experts.1."), others = hash_of(run.learner.model(), "experts.0.");
  Run again(ShallowPolicy::first_task);
  again.train(task(1));
  again.train(task(2));
  CHECK(hash_of(again.learner.model(), "experts.1.") != fresh);
  CHECK(hash_of(again.learner.model(), "experts.0.") == others);
}

TEST_CASE("6. with the oracle's gate a task's logits are bit-identical before and after later tasks") {
  Run run(ShallowPolicy::first_task), loose(ShallowPolicy::plastic);
  const Batch<small_pmoe::B> b = batch();
  for (Run* r : {&run, &loose}) r->train(task(1));
  const auto logits_of = [&](const Run& r) { return logits(r.learner.model(), b, oracle_gates<small_pmoe::B>(3, r.task_number, 0)); };
  const T before = logits_of(run), before_loose = logits_of(loose);
  for (const std::uint64_t later : {2u, 3u})
    for (Run* r : {&run, &loose}) r->train(task(later));
  CHECK(difference(logits_of(run), before) == 0);
  CHECK(difference(logits_of(loose), before_loose) > 1e-3);  // the ablation: a plastic shallow LoRA moves old tasks
}

TEST_CASE("17. a model with one more masked expert takes the parameters of the smaller one and gives its logits") {
  const Batch<small_pmoe::B> b = batch();
  const Model three = trained(3);
  Model same = trained(0);
  for (std::uint64_t t = 0; t < 3; ++t) same.add_task(Rng(50).fork(t));
  copy_parameters(three, same);
  same.gate.active = 3;
  CHECK(hash(same) == hash(three));
  CHECK(logits(same, b).values() == logits(three, b).values());
  same.add_task(Rng(60));
  CHECK(logits(same, b).values() == logits(three, b).values());
}

TEST_CASE("the router is trained on the batch and as many tasks' remembered prompts, and learns to tell them apart") {
  Run run(ShallowPolicy::first_task);
  for (const std::uint64_t t : {1u, 2u}) run.train(task(t));
  const EncodedTask third = task(3);
  run.learner.before_task(2, third);
  const Batch<small_pmoe::B> all = make_batch<small_pmoe::B>(third.train, 0, third.train.size());
  const auto terms = run.learner.loss(all, 2, 0).terms();
  REQUIRE(terms.size() == 2);
  CHECK(terms[0].first == "lm");
  CHECK(terms[1].first == "router");
  CHECK(terms[1].second > 0);
}

}  // namespace cmoe::pmoe_task_test
