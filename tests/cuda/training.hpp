// Small models of every architecture that learn two tasks on any backend, step by step: what a device must do like the CPU.
#pragma once

#include <doctest/doctest.h>

#include "cmoe/continual/dapt_learner.hpp"
#include "cmoe/continual/moduleformer_learner.hpp"
#include "cmoe/continual/pmoe_learner.hpp"
#include "cmoe/continual/seta_learner.hpp"
#include "cmoe/cpu/cpu.hpp"
#include "cmoe/models/generate.hpp"
#include "cmoe/train/step.hpp"

namespace training {

using namespace cmoe;

// The numbers of a run, and the tokens that the trained model goes on with.
struct Outcome {
  std::vector<double> losses, logits;
  std::vector<std::vector<Id>> generated;
};

template <class Recipe>
typename Recipe::Config sizes() {
  typename Recipe::Config c;
  c.vocabulary = 24, c.width = 16, c.layers = 2, c.context = 48;
  if constexpr (requires { c.kv_heads; }) c.heads = 4, c.kv_heads = 2, c.hidden = 24;
  return c;
}

// Task t: prompts of ids 3t+1..3t+6 of different lengths, answers the ids before theirs shifted by t.
inline EncodedTask task(Index t) {
  EncodedTask data;
  data.name = "task " + std::to_string(t);
  Rng rng = Rng(7).fork(static_cast<std::uint64_t>(t));
  for (Index i = 0; i < 12; ++i) {
    Sequence s;
    s.prompt = 4 + rng.below(35);
    for (Index p = 0; p < s.prompt; ++p) s.ids.push_back(static_cast<Id>(1 + 3 * t + rng.below(6)));
    for (std::size_t p = 0; p < 3; ++p) s.ids.push_back(static_cast<Id>(1 + (s.ids[p] + 5 * t) % 22));
    (i < 8 ? data.train : data.test).push_back(s);
  }
  data.dev = data.test;
  return data;
}

// Two tasks of `steps` steps each, the events in the order of the stream's runner.
template <class B, class L>
Outcome learn(L learner, Index steps) {
  Outcome outcome;
  for (Index t = 0; t < 2; ++t) {
    const EncodedTask data = task(t);
    learner.before_task(t, data);
    if constexpr (requires { learner.prepare(t, data); }) learner.prepare(t, data);
    AdamW<B> optimizer({.lr = 1e-2});
    learner.add_parameters(optimizer);
    const Batch<B> batch = make_batch<B>(data.train, 0, data.train.size());
    for (Index step = 0; step < steps; ++step) {
      const StepResult result = training_step(optimizer, Schedule{.decay = Decay::constant}, step, steps, 1,
                                              [&](Index) { return learner.loss(batch, t, step); });
      for (const auto& [name, value] : result.terms) outcome.losses.push_back(value);
    }
    if constexpr (requires { learner.consolidate(t, data); }) learner.consolidate(t, data);
    learner.after_task(t, data);
  }
  const EncodedTask data = task(0);
  const Batch<B> batch = make_batch<B>(data.test, 0, data.test.size());
  const auto logits = learner.model()(batch.ids, learner.flow(batch, -1)).logits.values();
  outcome.logits.assign(logits.begin(), logits.end());
  const std::vector<std::vector<Id>> prompts = {{1, 2, 3, 4, 5}, {6, 5, 4, 3, 2}, {2, 4, 6}};
  outcome.generated = generate(learner.model(), prompts, 6, Ends(-1), Sampling{}, Rng(1), Flow<B>());
  return outcome;
}

template <class B>
Outcome pmoe(Index steps) {
  auto c = sizes<PMoE>();
  c.boundary = 1;
  return learn<B>(PMoELearner<B>(PMoE::On<B>(c, Rng(1)), {.memory_share = 0.5, .memory_batch = 4}, Rng(2)), steps);
}

template <class B>
Outcome dapt(Index steps) {
  return learn<B>(DaptLearner<B>(Dapt::On<B>(sizes<Dapt>(), Rng(1)), {.memory_share = 0.5, .memory_batch = 4}, Rng(2)), steps);
}

template <class B>
Outcome seta(Index steps) {
  SetaConfig c;
  c.density = 0.3;
  c.probe_batches = 2;
  c.fisher_samples = 4;
  c.memory_batch = 4;
  c.memory_share = 0.5;
  auto small = sizes<SetaAnalytic>();
  small.top = 1;
  return learn<B>(SetaLearner<B>(SetaAnalytic::On<B>(small, Rng(1)), c, Rng(4)), steps);
}

template <class B>
Outcome moduleformer(Index steps) {
  auto c = sizes<ModuleFormer>();
  c.boundary = 1;
  c.block.mix.size = 16, c.block.mix.heads = 2, c.block.mix.router.experts = 4, c.block.mix.router.chosen = 2;
  c.block.feed.hidden = 24, c.block.feed.router.experts = 5, c.block.feed.router.chosen = 2;
  return learn<B>(ModuleFormerLearner<B>(ModuleFormer::On<B>(c, Rng(1)), {}, Rng(2)), steps);
}

// Those of the CPU are compiled once, in training_cpu.cpp.
extern template Outcome pmoe<Cpu<float>>(Index);
extern template Outcome dapt<Cpu<float>>(Index);
extern template Outcome seta<Cpu<float>>(Index);
extern template Outcome moduleformer<Cpu<float>>(Index);

// The largest difference in units of the larger number, or of 0.01.
inline double deviation(const std::vector<double>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a[i] - b[i]) / std::max(0.01, std::abs(b[i])));
  return worst;
}

inline void same(const Outcome& found, const Outcome& expected, double of_losses, double of_logits) {
  CHECK(found.losses.size() > 8);
  CHECK(deviation(found.losses, expected.losses) < of_losses);
  CHECK(deviation(found.logits, expected.logits) < of_logits);
  CHECK(found.generated == expected.generated);
}

}  // namespace training
