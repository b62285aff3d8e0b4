// Invariant 18 of spec/pmoe.md 1.11: on a small stream PMoE forgets less than one LoRA trained on every task in turn, and its own
// ablation, a plastic shallow LoRA, forgets even with the right expert chosen.
#include <doctest/doctest.h>

#include "cmoe/continual/pmoe_learner.hpp"
#include "cmoe/continual/sequential.hpp"
#include "cmoe/continual/stream_run.hpp"
#include "cmoe/cpu/cpu.hpp"

namespace cmoe::pmoe_stream_test {

using B = Cpu<float>;

namespace {

constexpr Index tasks = 4, symbols = 8;

// Task t: "marker a b" is answered by a permutation of a, another one in each task. All pairs (a,b) are trained and tested.
std::vector<EncodedTask> stream() {
  std::vector<EncodedTask> data;
  for (Index t = 0; t < tasks; ++t) {
    std::vector<Id> answer;
    for (Index i = 0; i < symbols; ++i) answer.push_back(static_cast<Id>(i));
    Rng rng = Rng(11).fork(static_cast<std::uint64_t>(t));
    rng.shuffle(answer);
    EncodedTask task;
    task.name = "permutation " + std::to_string(t);
    for (Id a = 0; a < symbols; ++a)
      for (Id b = 0; b < symbols; ++b)
        task.train.push_back({{static_cast<Id>(symbols + t), a, b, answer[static_cast<std::size_t>(a)]}, 3});
    task.test = task.train;
    data.push_back(task);
  }
  return data;
}

template <class Config>
Config sizes() {
  Config c;
  c.vocabulary = symbols + tasks;
  c.width = 32;
  c.layers = 4;
  c.heads = c.kv_heads = 4;
  c.hidden = 48;
  c.context = 8;
  c.boundary = 2;
  return c;
}

template <class L>
RunState run(L& learner) {
  RunState state;
  const RunConfig config{.task_steps = 80, .batch = 16, .optimizer = {.lr = 1e-2}};
  CHECK(run_stream(learner, stream(), config, Rng(5), state, RunHooks<B>{}, -1,
                   [](const std::vector<Id>&) { return std::string(); }));
  return state;
}

// The mean score of all tasks after the stream, the right expert chosen by hand.
double oracle(const PMoELearner<B>& learner) {
  double total = 0;
  const auto data = stream();
  for (Index t = 0; t < tasks; ++t) {
    const auto& test = data[static_cast<std::size_t>(t)].test;
    const Batch<B> batch = make_batch<B>(test, 0, test.size());
    Flow<B> flow = batch.flow();
    flow.gates = oracle_gates<B>(batch.ids.shape()[0], tasks, t);
    const auto best = argmax(learner.model()(batch.ids, flow).logits).values(), labels = batch.labels.values();
    for (std::size_t i = 0; i < labels.size(); ++i)
      total += 100.0 * (best[i] == labels[i]) / static_cast<double>(test.size() * tasks);
  }
  return total;
}

PMoELearner<B> pmoe(ShallowPolicy policy) {
  return {PMoE::On<B>(sizes<PMoE::Config>(), Rng(1)), {.shallow = policy, .memory_share = 0.2, .memory_batch = 16}, Rng(2)};
}

}  // namespace

TEST_CASE(
    "18. PMoE keeps old tasks where one LoRA for all forgets them, and a plastic shallow LoRA breaks the experts above it") {
  SeqLora<B> sequential(LoraLlama::On<B>(sizes<LoraLlama::Config>(), Rng(1)), {}, Rng(2));
  const Metrics single = metrics(run(sequential).scores);
  PMoELearner<B> first = pmoe(ShallowPolicy::first_task), plastic = pmoe(ShallowPolicy::plastic);
  const RunState state = run(first);
  const Metrics progressive = metrics(state.scores);
  run(plastic);
  MESSAGE("learning accuracy ", single.learning_accuracy.value(), " and ", progressive.learning_accuracy.value(), ", BWT ",
          single.BWT.value(), " and ", progressive.BWT.value(), ", routing ", state.routing_accuracy.value(), ", oracle ",
          oracle(first), " and ", oracle(plastic));
  CHECK(single.learning_accuracy.value() > 90);
  CHECK(progressive.learning_accuracy.value() > 90);
  CHECK(progressive.BWT.value() > single.BWT.value() + 20);
  CHECK(oracle(first) > oracle(plastic) + 20);
  CHECK(state.routing_accuracy.value() > 90);
}

}  // namespace cmoe::pmoe_stream_test
