// A PMoE of a few numbers, with experts that are not zero, and sequences for it.
#pragma once

#include "cmoe/cpu/cpu.hpp"
#include "cmoe/models/pmoe.hpp"
#include "cmoe/train/batch.hpp"

namespace small_pmoe {

using B = cmoe::Cpu<double>;
using T = cmoe::Tensor<B>;
using Model = cmoe::PMoE::On<B>;
using cmoe::Id;
using cmoe::Index;
using cmoe::Rng;

inline cmoe::PMoE::Config config(Index layers = 4, Index boundary = 2, Index rank = 2) {
  cmoe::PMoE::Config c;
  c.vocabulary = 20;
  c.width = 8;
  c.layers = layers;
  c.heads = c.kv_heads = 2;
  c.hidden = 12;
  c.context = 16;
  c.boundary = boundary;
  c.shallow.rank = c.deep.rank = rank;
  return c;
}

// Every delta and the gate's rows become random: a trained model's stand-in.
inline void disturb(Model& model, std::uint64_t seed) {
  cmoe::for_each_param(model, [&](const std::string& name, cmoe::Param<B>& p) {
    if (name.find(".delta.") == std::string::npos && name.rfind("gate.", 0) != 0) return;
    Rng rng = Rng(seed).fork(name);
    for (Index i = 0; i < p.size(); ++i) p.data()[i] = 0.5 * rng.normal();
  });
}

// With so many tasks added, all active, deltas random.
inline Model trained(Index tasks, cmoe::PMoE::Config c = config()) {
  Model model(c, Rng(1));
  for (Index t = 0; t < tasks; ++t) model.add_task(Rng(2).fork(static_cast<std::uint64_t>(t)));
  model.gate.active = tasks;
  disturb(model, 3);
  return model;
}

inline std::vector<cmoe::Sequence> sequences(std::uint64_t seed = 7) {
  Rng rng(seed);
  std::vector<cmoe::Sequence> out;
  for (Index length : {9, 6, 11}) {
    cmoe::Sequence s;
    for (Index i = 0; i < length; ++i) s.ids.push_back(static_cast<Id>(1 + rng.below(19)));
    s.prompt = length / 2;
    out.push_back(s);
  }
  return out;
}

inline cmoe::Batch<B> batch(std::uint64_t seed = 7) {
  const auto items = sequences(seed);
  return cmoe::make_batch<B>(items, 0, items.size());
}

inline T logits(const Model& model, const cmoe::Batch<B>& b, T gates = {}) {
  cmoe::Flow<B> flow = b.flow();
  flow.gates = std::move(gates);
  return model(b.ids, flow).logits;
}

inline T gates(const Model& model, const cmoe::Batch<B>& b) {
  const cmoe::Flow<B> flow = b.flow();
  return model.gates(model.shallow_state(b.ids, flow), flow);
}

inline double difference(const T& a, const T& b) {
  double worst = a.shape() == b.shape() ? 0 : 1e300;
  for (Index i = 0; worst < 1e300 && i < a.size(); ++i) worst = std::max(worst, std::abs(a.data()[i] - b.data()[i]));
  return worst;
}

}  // namespace small_pmoe
