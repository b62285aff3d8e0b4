// What a run measures beside its scores: AP with perfect routing, texts outside of the stream, and values over several runs.
#include <doctest/doctest.h>

#include "cmoe/continual/per_task.hpp"
#include "cmoe/continual/stream_run.hpp"
#include "cmoe/io/checkpoint.hpp"
#include "paper/small_streams.hpp"

namespace cmoe::bounds_test {

namespace {

using B = small_streams::B;

// One LoRA a task like PerTask, but asked without the task's number it always takes the first.
struct Misrouted : PerTask<B> {
  using PerTask<B>::PerTask;
  Flow<B> flow(const Batch<B>& batch, Index) const { return PerTask<B>::flow(batch, 0); }
  Flow<B> oracle_flow(const Batch<B>& batch, Index task) const { return PerTask<B>::flow(batch, task); }
};

EncodedTask text() {
  EncodedTask text;
  text.name = "text";
  text.scoring = Scoring::next_token;
  for (Index i = 0; i < 6; ++i) {
    Sequence window{{}, 2};
    for (Index t = 0; t < 10; ++t) window.ids.push_back(static_cast<Id>(1 + (5 * i + 3 * t) % 22));
    text.test.push_back(window);
  }
  return text;
}

template <class L>
RunState run() {
  L learner(TaskLora::On<B>(small_streams::sizes<TaskLora>(), Rng(1)), Rng(2));
  RunState state;
  const RunConfig config{.task_steps = 40, .batch = 16, .optimizer = {.lr = 3e-2}};
  std::vector<EncodedTask> stream = {small_streams::task(0), small_streams::task(1), small_streams::task(2)};
  for (EncodedTask& task : stream) task.scoring = Scoring::next_token;
  CHECK(run_stream(learner, stream, config, Rng(5), state, RunHooks<B>{}, -1,
                   [](const std::vector<Id>&) { return std::string(); }, {text()}));
  return state;
}

}  // namespace

TEST_CASE("the oracle's AP is the AP of the same learner when it is told each task") {
  const RunState told = run<PerTask<B>>(), misrouted = run<Misrouted>();
  CHECK(!told.oracle_AP.has_value());  // offers no oracle_flow: it is one already
  REQUIRE(misrouted.oracle_AP.has_value());
  CHECK(misrouted.oracle_AP.value() == metrics(told.scores).AP.value());
  CHECK(misrouted.oracle_AP.value() > metrics(misrouted.scores).AP.value() + 5);
  CHECK(metrics(misrouted.scores, {.oracle_AP = misrouted.oracle_AP}).oracle_AP.value() == misrouted.oracle_AP.value());
}

TEST_CASE("texts outside of the stream are scored before and after it, as the learner routes without a task") {
  const RunState told = run<PerTask<B>>(), misrouted = run<Misrouted>();
  REQUIRE(told.ability_before.nll.size() == 1);
  CHECK(told.ability_after.nll == told.ability_before.nll);  // no task: the backbone alone, which stays as it was
  CHECK(misrouted.ability_before.nll == told.ability_before.nll);
  CHECK(misrouted.ability_after.nll != misrouted.ability_before.nll);
}

TEST_CASE("a checkpoint keeps the oracle's AP and the abilities") {
  const RunState state = run<Misrouted>();
  const RunState again = read_state(parse_json(state_json(state).dump(), "state"), "state");
  CHECK(again.oracle_AP.value() == state.oracle_AP.value());
  CHECK(again.ability_before.nll == state.ability_before.nll);
  CHECK(again.ability_after.score == state.ability_after.score);
  CHECK(again.ability_after.nll == state.ability_after.nll);
}

TEST_CASE("the deviation over runs has n-1 below the root, and one run has none") {
  const Spread three = spread({60, 62, 67});
  CHECK(three.n == 3);
  CHECK(three.mean == doctest::Approx(63));
  CHECK(three.sd.value() == doctest::Approx(std::sqrt(13.0)));  // (9 + 1 + 16) / 2
  CHECK(!spread({60}).sd.has_value());
  CHECK(spread({}).n == 0);
}

}  // namespace cmoe::bounds_test
