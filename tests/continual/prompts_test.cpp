// Progressive prompts and L2P: a frozen model and vectors in front of the sequence.
#include <doctest/doctest.h>

#include "cmoe/autograd/gradcheck.hpp"
#include "cmoe/continual/baselines/l2p.hpp"
#include "cmoe/continual/baselines/progressive_prompts.hpp"
#include "continual/small_stream.hpp"

namespace cmoe::prompts_test {

using small::T;
using B = small::B;

namespace {

ProgressivePrompts<B> progressive(Index length = 3) {
  auto config = small::sizes<PromptedLlama::Config>();
  config.prefix.length = length;
  config.prefix.deviation = 1;
  return {PromptedLlama::On<B>(config, Rng(1)), Rng(2)};
}

L2P<B> pool(const L2P<B>::Config& settings, Index prompts = 6, Index chosen = 2) {
  auto config = small::sizes<PooledPromptLlama::Config>();
  config.gate.keys = config.prefix.prompts = prompts;
  config.prefix.length = 2;
  config.prefix.chosen = chosen;
  config.prefix.deviation = 1;
  return {PooledPromptLlama::On<B>(config, Rng(1)), settings, Rng(2)};
}

// How often the items of a task choose each prompt; the shares add up to 1.
std::vector<double> shares(const L2P<B>& learner, const EncodedTask& task) {
  const auto ids = top_k(learner.model().gate.scores(learner.query(small::all(task))), 2).ids.values();
  std::vector<double> share(static_cast<std::size_t>(learner.model().config.prefix.prompts), 0);
  for (Id id : ids) share[static_cast<std::size_t>(id)] += 1 / static_cast<double>(ids.size());
  return share;
}

// The part of their prompts that two tasks share, 0..1.
double common(const L2P<B>& learner, const std::vector<EncodedTask>& data) {
  const auto a = shares(learner, data[0]), b = shares(learner, data[1]);
  double total = 0;
  for (std::size_t j = 0; j < a.size(); ++j) total += std::min(a[j], b[j]);
  return total;
}

double mean_cosine(const L2P<B>& learner, const EncodedTask& task) {
  const T cosines = learner.model().gate.scores(learner.query(small::all(task)));
  return -L2P<B>::pull(cosines, top_k(cosines, 2).ids).item() / 2;
}

}  // namespace

TEST_CASE("joined prompts stand newest first, as many as there are gates, whatever the gates' values") {
  JoinedPrompts::On<B> prefix;
  JoinedPrompts::Config config;
  config.length = 2;
  config.tasks = 3;
  for (int t = 0; t < 3; ++t) prefix.grow(4, config, Rng(1));
  CHECK_THROWS_WITH_AS(prefix.grow(4, config, Rng(1)), "joined prompts: positions are kept for 3 tasks only", Error);
  CHECK(JoinedPrompts::room(config) == 6);
  Flow<B> flow;
  CHECK_FALSE(static_cast<bool>(prefix.prompts(flow, 2)));
  flow.gates = T({2, 2}, 0.3);
  const T joined = prefix.prompts(flow, 2);
  REQUIRE(joined.shape() == Shape({2, 4, 4}));
  const auto all = joined.values(), second = prefix.blocks[1].rows.values(), first = prefix.blocks[0].rows.values();
  for (std::size_t n = 0; n < 2; ++n)
    for (std::size_t i = 0; i < 8; ++i) {
      CHECK(all[n * 16 + i] == second[i]);
      CHECK(all[n * 16 + 8 + i] == first[i]);
    }
  flow.gates = T({2, 4}, 1);
  CHECK_THROWS_AS(prefix.prompts(flow, 2), Error);
}

TEST_CASE("a prompt that holds the embeddings of tokens is these tokens") {
  const auto data = small::stream();
  ProgressivePrompts<B> learner = progressive(2);
  learner.before_task(0, data[0]);
  const auto& model = learner.model();
  const T table = model.embed(Ids<B>({1, 2}, {4, 7}));
  learner.model().prefix.blocks[0].rows.assign(table.values());
  Flow<B> flow;
  flow.gates = T({1, 1}, 1);
  const T prompted = model(Ids<B>({1, 3}, {0, 1, 2}), flow).logits, written = model(Ids<B>({1, 5}, {4, 7, 0, 1, 2}), Flow<B>{}).logits;
  CHECK(small::difference(reshape(prompted, {3, 9}), slice_rows(reshape(written, {5, 9}), 2, 5)) < 1e-12);
}

TEST_CASE("only the newest prompt is trained, and a task that knows its number never changes an output bit again") {
  const auto data = small::stream();
  ProgressivePrompts<B> learner = progressive();
  std::vector<std::vector<double>> outputs;
  for (Index task = 0; task < 3; ++task) {
    learner.before_task(task, data[static_cast<std::size_t>(task)]);
    AdamW<B> optimizer({.lr = 3e-2});
    learner.add_parameters(optimizer);
    optimizer.for_each_moment([&](const std::string& name, Array<B>&) {
      CHECK(name.find("prefix.prompts." + std::to_string(task) + ".rows") != std::string::npos);
    });
    const Batch<B> batch = small::all(data[static_cast<std::size_t>(task)]);
    const double before = learner.loss(batch, task, 0).total().item();
    for (Index step = 0; step < 20; ++step)
      training_step(optimizer, Schedule{.decay = Decay::constant}, step, 20, 1, [&](Index) { return learner.loss(batch, task, step); });
    CHECK(learner.loss(batch, task, 0).total().item() < before);
    for (Index old = 0; old < task; ++old)
      CHECK(small::logits(learner, data[static_cast<std::size_t>(old)], old).values() == outputs[static_cast<std::size_t>(old)]);
    outputs.push_back(small::logits(learner, data[static_cast<std::size_t>(task)], task).values());
  }
  // the ablation: without the task's number all prompts are used, and old outputs move
  CHECK(small::logits(learner, data[0], -1).values() != outputs[0]);
}

TEST_CASE("progressive prompts forget nothing where one prompt for all tasks would") {
  const auto data = small::stream();
  ProgressivePrompts<B> learner = progressive();
  CHECK(metrics(small::run(learner, data, 3e-2).scores).forgetting.value() == 0);
}

TEST_CASE("cosine scores of worked vectors, with and without the statistics") {
  CosineKeys::On<B> keys(2, {.keys = 2});
  CHECK_THROWS_AS(keys.scores(T({1, 2}, 1)), Error);
  keys.grow(Rng(1));
  keys.key.assign(std::vector<double>{3, 4, 0, -2});
  const T query({1, 2}, {1, 0});
  CHECK(keys.scores(query).values()[0] == doctest::Approx(0.6));
  CHECK(keys.scores(query).values()[1] == doctest::Approx(0));
  keys.mean.assign(std::vector<double>{1, 2});
  keys.deviation.assign(std::vector<double>{1, 0.5});
  CHECK(keys.scores(query).values()[0] == doctest::Approx(-0.8));
  CHECK(keys.scores(query).values()[1] == doctest::Approx(1));
  CHECK(keys.mean.frozen());
}

TEST_CASE("a sequence gets the prompts with the largest scores, best first") {
  PromptPool::On<B> prefix;
  PromptPool::Config config;
  config.prompts = 3;
  config.length = 1;
  config.chosen = 2;
  prefix.grow(2, config, Rng(1));
  prefix.rows.assign(std::vector<double>{1, 2, 3, 4, 5, 6});
  Flow<B> flow;
  flow.gates = T({2, 3}, {-0.5, 0.1, 0.9, 0.3, 0.2, -1});
  CHECK(prefix.prompts(flow, 2).values() == std::vector<double>{5, 6, 3, 4, 1, 2, 3, 4});
  flow.gates = T({2, 2}, 0.5);
  CHECK_THROWS_AS(prefix.prompts(flow, 2), Error);
}

TEST_CASE("the pull is minus the mean over sequences of the sum of the chosen cosines") {
  CHECK(L2P<B>::pull(T({2, 3}, {0.5, -0.2, 0.1, 0.3, 0.9, 0.8}), Ids<B>({2, 2}, {0, 2, 1, 2})).item() == doctest::Approx(-(0.6 + 1.7) / 2));
}

TEST_CASE("keys learn from the pull alone and prompts from the language loss alone; prompts and keys not chosen stay") {
  const auto data = small::stream();
  L2P<B> learner = pool({.lambda = 0.5, .normalise = false});
  learner.before_task(0, data[0]);
  const Batch<B> one = make_batch<B>(data[0].train, 0, 1);
  const auto chosen = top_k(learner.model().gate.scores(learner.query(one)), 2).ids.values();
  const auto squares = [&](const Param<B>& p, Id row) {
    const Index c = p.shape()[1];
    return p.grad() ? B::sum_squares(c, p.grad().data() + row * c) : 0.0;
  };
  for (const double lambda : {0.5, 0.0}) {
    L2P<B> mine = pool({.lambda = lambda, .normalise = false});
    mine.before_task(0, data[0]);
    Tape<B> tape;
    tape.backward(mine.loss(one, 0, 0).total());
    for (Id row = 0; row < 6; ++row) {
      const bool picked = row == chosen[0] || row == chosen[1];
      CHECK((squares(mine.model().gate.key, row) > 0) == (picked && lambda > 0));
      CHECK((squares(mine.model().prefix.rows, row) > 0) == picked);
    }
  }
}

TEST_CASE("the gradient of L2P's loss agrees with differences") {
  const auto data = small::stream();
  L2P<B> learner = pool({.normalise = false});
  learner.before_task(0, data[0]);
  const Batch<B> batch = small::all(data[0]);
  CHECK(gradcheck_leaves<B>([&] { return learner.loss(batch, 0, 0).total(); },
                            {{"keys", &learner.model().gate.key}, {"prompts", &learner.model().prefix.rows}}, 1e-6, 12).worst < 1e-5);
}

TEST_CASE("trained keys come to their queries and part the tasks; without the pull they stay where they were drawn") {
  const auto data = small::stream({.tasks = 2});
  L2P<B> trained = pool({.lambda = 0.5}), still = pool({.lambda = 0}), crowded = pool({.lambda = 0.5, .diversify = false});
  for (L2P<B>* learner : {&trained, &still, &crowded}) small::run(*learner, data, 3e-2, 40);
  MESSAGE("cosine ", mean_cosine(still, data[1]), " and ", mean_cosine(trained, data[1]), ", shared prompts ", common(crowded, data), " and ",
          common(trained, data));
  for (const EncodedTask& task : data) CHECK(mean_cosine(trained, task) > mean_cosine(still, task) + 0.1);
  CHECK(common(trained, data) < common(crowded, data) - 0.1);
}

TEST_CASE("in training a prompt that earlier tasks chose seems farther; at test time the cosine alone decides") {
  L2P<B> learner = pool({}, 2, 1);
  const T cosines({1, 2}, {0.8, 0.5});
  CHECK(learner.nearness(cosines).values() == cosines.values());
  learner.state().arrays["chosen"] = Array<B>({2}, {9, 1});  // frequencies 0.9 and 0.1, plus 1/2
  CHECK(learner.nearness(cosines).values()[0] == doctest::Approx(-0.2 * 1.4));
  CHECK(learner.nearness(cosines).values()[1] == doctest::Approx(-0.5 * 0.6));
  CHECK_FALSE(static_cast<bool>(learner.flow(small::all(small::stream()[0]), 0).gates));
}

TEST_CASE("L2P's queries have mean 0 and deviation 1 on the first task, and later tasks do not move the statistics") {
  const auto data = small::stream();
  L2P<B> learner = pool({});
  for (Index task = 0; task < 2; ++task) {
    learner.before_task(task, data[static_cast<std::size_t>(task)]);
    learner.prepare(task, data[static_cast<std::size_t>(task)]);
    const T queries = learner.query(small::all(data[0]));
    const auto z = ((queries - learner.model().gate.mean) / learner.model().gate.deviation).values();
    const std::size_t n = data[0].train.size(), c = z.size() / n;
    double total = 0, squares = 0;
    for (std::size_t i = 0; i < n; ++i) {
      total += z[i * c];
      squares += z[i * c] * z[i * c];
    }
    CHECK(std::abs(total) < 1e-9);
    CHECK(squares / static_cast<double>(n) == doctest::Approx(1).epsilon(0.1));
  }
}

}  // namespace cmoe::prompts_test
