// A stream of permutations and models of a few numbers, for learners that must beat their own ablation.
#pragma once

#include "cmoe/continual/any_learner.hpp"
#include "cmoe/continual/stream_run.hpp"
#include "cmoe/cpu/cpu.hpp"

namespace small {

using B = cmoe::Cpu<double>;
using T = cmoe::Tensor<B>;
using cmoe::Id;
using cmoe::Index;
using cmoe::Rng;

struct Sizes {
  Index tasks = 3, symbols = 6;
};

// Task t: "marker a b" is answered by a permutation of a, another one in each task. All pairs (a,b) are trained and tested.
inline std::vector<cmoe::EncodedTask> stream(const Sizes& s = {}) {
  std::vector<cmoe::EncodedTask> data;
  for (Index t = 0; t < s.tasks; ++t) {
    std::vector<Id> answer;
    for (Index i = 0; i < s.symbols; ++i) answer.push_back(static_cast<Id>(i));
    Rng rng = Rng(11).fork(static_cast<std::uint64_t>(t));
    rng.shuffle(answer);
    cmoe::EncodedTask task;
    task.name = "permutation " + std::to_string(t);
    for (Id a = 0; a < s.symbols; ++a)
      for (Id b = 0; b < s.symbols; ++b)
        task.train.push_back({{static_cast<Id>(s.symbols + t), a, b, answer[static_cast<std::size_t>(a)]}, 3});
    task.test = task.train;
    data.push_back(task);
  }
  return data;
}

template <class Config>
Config sizes(const Sizes& s = {}, Index width = 24) {
  Config c;
  c.vocabulary = s.symbols + s.tasks;
  c.width = width;
  c.layers = 2;
  c.heads = c.kv_heads = 4;
  c.hidden = 32;
  c.context = 8;
  return c;
}

inline cmoe::RunState run(cmoe::AnyLearner<B> learner, const std::vector<cmoe::EncodedTask>& data, double lr = 1e-2, Index steps = 60) {
  cmoe::RunState state;
  const cmoe::RunConfig config{.task_steps = steps, .batch = 12, .optimizer = {.lr = lr}};
  run_stream(learner, data, config, Rng(5), state, cmoe::RunHooks<B>{}, -1, [](const std::vector<Id>&) { return std::string(); });
  return state;
}
template <class L>
cmoe::RunState run(L& learner, const std::vector<cmoe::EncodedTask>& data, double lr = 1e-2, Index steps = 60) {
  return run(cmoe::AnyLearner<B>(learner), data, lr, steps);
}

inline cmoe::Batch<B> all(const cmoe::EncodedTask& task) { return cmoe::make_batch<B>(task.train, 0, task.train.size()); }

// What a learner says of a task's items.
template <class L>
T logits(const L& learner, const cmoe::EncodedTask& task, Index number) {
  const auto batch = all(task);
  return learner.model()(batch.ids, learner.flow(batch, number)).logits;
}

inline double difference(const T& a, const T& b) {
  double worst = a.shape() == b.shape() ? 0 : 1e300;
  for (Index i = 0; worst < 1e300 && i < a.size(); ++i) worst = std::max(worst, std::abs(a.data()[i] - b.data()[i]));
  return worst;
}

// Random values for every parameter whose name holds the part.
template <class M>
void disturb(M& model, const std::string& part, double deviation = 0.5, std::uint64_t seed = 3) {
  cmoe::for_each_param(model, [&](const std::string& name, cmoe::Param<B>& p) {
    if (name.find(part) == std::string::npos) return;
    Rng rng = Rng(seed).fork(name);
    for (Index i = 0; i < p.size(); ++i) p.data()[i] = deviation * rng.normal();
  });
}

}  // namespace small
