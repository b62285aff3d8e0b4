// Methods on T5: the stream of permutations through an encoder and a decoder.
#include <doctest/doctest.h>

#include "cmoe/continual/dapt_learner.hpp"
#include "cmoe/continual/per_task.hpp"
#include "cmoe/continual/sequential.hpp"
#include "cmoe/models/t5.hpp"
#include "continual/small_stream.hpp"

namespace cmoe::t5_stream_test {

using small::B;

namespace {

template <class Recipe>
typename Recipe::template On<B> model() {
  typename Recipe::Config c;
  c.vocabulary = 9, c.width = 24, c.encoder_layers = c.decoder_layers = 2, c.heads = 4, c.head_size = 6, c.hidden = 32, c.context = 8;
  c.buckets = 8, c.max_distance = 8;
  c.targets = {"query", "key", "value", "output", "up", "down"};
  return typename Recipe::template On<B>(c, Rng(1));
}

double average(const RunState& state) { return metrics(state.scores).AP.value(); }
double forgotten(const RunState& state) { return metrics(state.scores).forgetting.value(); }

}  // namespace

TEST_CASE("DAPT on T5 learns three conflicting tasks and keeps them, where one LoRA trained in turn forgets") {
  const auto data = small::stream();
  DaptLearner<B, DaptMeanT5> dapt(model<DaptMeanT5>(), {.memory_share = 0.5}, Rng(2));
  Sequential<B, LoraT5::On<B>> sequential(model<LoraT5>(), {}, Rng(2));
  const RunState kept = small::run(dapt, data, 2e-2, 100), lost = small::run(sequential, data, 2e-2, 100);
  MESSAGE("DAPT AP " << average(kept) << ", forgets " << forgotten(kept) << "; sequential AP " << average(lost) << ", forgets " << forgotten(lost));
  CHECK(average(kept) > 90);
  CHECK(forgotten(kept) < 10);
  CHECK(average(lost) < 70);
  CHECK(forgotten(lost) > 30);
}

TEST_CASE("one LoRA a task on T5, told which, forgets nothing") {
  PerTask<B, TaskLoraT5> learner(model<TaskLoraT5>(), Rng(2));
  const RunState state = small::run(learner, small::stream(), 2e-2, 80);
  CHECK(average(state) > 90);
  CHECK(forgotten(state) == 0);
}

TEST_CASE("all weights of T5 are trained where it has no deltas, and none of the backbone where it has") {
  const auto data = small::stream();
  const auto moved = [&](auto learner) {
    learner.before_task(0, data[0]);
    AdamW<B> optimizer({.lr = 1e-2});
    learner.add_parameters(optimizer);
    const Batch<B> batch = small::all(data[0]);
    const auto before = learner.model().embedding.weight.values();
    for (Index step = 0; step < 2; ++step)
      training_step(optimizer, Schedule{.decay = Decay::constant}, step, 2, 1, [&](Index) { return learner.loss(batch, 0, step); });
    return learner.model().embedding.weight.values() != before;
  };
  CHECK(moved(Sequential<B, T5::On<B>>(model<T5>(), {}, Rng(2))));
  CHECK_FALSE(moved(Sequential<B, LoraT5::On<B>>(model<LoraT5>(), {}, Rng(2))));
}

TEST_CASE("pseudo-samples of T5 are written by a T5") {
  const auto backbone = model<DaptMeanT5>();
  const auto data = small::stream();
  const auto made = pseudo_prompts<B>(backbone, data[1].train, 12,
                                      {.rank = 4, .alpha = 8, .lr = 2e-2, .steps = 60, .batch = 16, .sampling = {.temperature = 1, .top_k = 4}}, Rng(6));
  Index whole = 0;
  for (const Sequence& s : made) {
    CHECK(s.ids[0] == 7);  // the marker of the task begins all its prompts
    whole += s.prompt == 3 && s.ids[1] < 6 && s.ids[2] < 6;
  }
  CHECK(whole >= 8);
}

}  // namespace cmoe::t5_stream_test
