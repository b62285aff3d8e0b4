// Small models with any recipe, and a stream of tasks that differ in their prompts, for the learners' tests.
#pragma once

#include "cmoe/continual/learner.hpp"
#include "cmoe/cpu/cpu.hpp"
#include "cmoe/models/adapted.hpp"
#include "cmoe/train/step.hpp"

namespace small_streams {

using B = cmoe::Cpu<double>;
using T = cmoe::Tensor<B>;
using cmoe::Id;
using cmoe::Index;
using cmoe::Rng;

template <class Recipe>
typename Recipe::Config sizes(Index layers = 2) {
  typename Recipe::Config c;
  c.vocabulary = 24;
  c.width = 16;
  c.layers = layers;
  c.heads = c.kv_heads = 2;
  c.hidden = 24;
  c.context = 16;
  return c;
}

// Task t: prompts of ids 3t+1..3t+6, answers the ids before theirs shifted by t: tasks that share ids and contradict one another.
inline cmoe::EncodedTask task(Index t, Index items = 32) {
  cmoe::EncodedTask data;
  data.name = "task " + std::to_string(t);
  Rng rng = Rng(7).fork(static_cast<std::uint64_t>(t));
  const auto item = [&] {
    cmoe::Sequence s;
    for (Index i = 0; i < 4; ++i) s.ids.push_back(static_cast<Id>(1 + 3 * t + rng.below(6)));
    s.prompt = 4;
    for (Index i = 0; i < 3; ++i) s.ids.push_back(static_cast<Id>(1 + (s.ids[static_cast<std::size_t>(i)] + 5 * t) % 22));
    return s;
  };
  for (Index i = 0; i < items; ++i) data.train.push_back(item());
  for (Index i = 0; i < 16; ++i) data.test.push_back(item());
  data.dev = data.test;
  return data;
}

inline cmoe::Batch<B> batch(const std::vector<cmoe::Sequence>& items) { return cmoe::make_batch<B>(items, 0, items.size()); }

// Trains one task; the events in the order of the stream's runner.
template <class L>
void train(L& learner, Index number, const cmoe::EncodedTask& data, Index steps = 20, double lr = 1e-2) {
  learner.before_task(number, data);
  if constexpr (requires { learner.prepare(number, data); }) learner.prepare(number, data);
  cmoe::AdamW<B> optimizer({.lr = lr});
  learner.add_parameters(optimizer);
  const cmoe::Batch<B> all = batch(data.train);
  for (Index step = 0; step < steps; ++step)
    cmoe::training_step(optimizer, cmoe::Schedule{.decay = cmoe::Decay::constant}, step, steps, 1, [&](Index) { return learner.loss(all, number, step); });
  if constexpr (requires { learner.consolidate(number, data); }) learner.consolidate(number, data);
  learner.after_task(number, data);
}

// Mean -log p of the answers, routed as the learner routes.
template <class L>
double nll(const L& learner, const cmoe::EncodedTask& data) {
  const cmoe::Batch<B> b = batch(data.test);
  return cmoe::cross_entropy(learner.model()(b.ids, learner.flow(b, -1)).logits, b.labels).item();
}

inline double difference(const T& a, const T& b) {
  const auto x = a.values(), y = b.values();
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i) worst = std::max(worst, std::abs(x[i] - y[i]));
  return worst;
}

// Every parameter whose name holds the part gets random values.
template <class M>
void disturb(M& model, const std::string& part, std::uint64_t seed, double size = 0.3) {
  cmoe::for_each_param(model, [&](const std::string& name, cmoe::Param<B>& p) {
    if (name.find(part) == std::string::npos) return;
    Rng rng = Rng(seed).fork(name);
    for (Index i = 0; i < p.size(); ++i) p.data()[i] = size * rng.normal();
  });
}

// A hash of the parameters whose names hold the part.
template <class M>
std::uint64_t hash_of(const M& model, const std::string& part) {
  std::uint64_t h = 0;
  cmoe::for_each_param(model, [&](const std::string& name, const cmoe::Param<B>& p) {
    if (name.find(part) == std::string::npos) return;
    const auto values = p.values();
    h = cmoe::stable_hash({reinterpret_cast<const char*>(values.data()), values.size() * sizeof(double)}, cmoe::stable_hash(name, h));
  });
  return h;
}

}  // namespace small_streams
