// The invariants of spec/dapt.md section 13, by their numbers.
#include <doctest/doctest.h>

#include "cmoe/autograd/gradcheck.hpp"
#include "cmoe/continual/dapt_learner.hpp"
#include "cmoe/continual/metrics.hpp"
#include "cmoe/continual/sequential.hpp"
#include "small_streams.hpp"

namespace cmoe::dapt_test {

using namespace small_streams;
using small_streams::B, small_streams::T;

namespace {

using Model = Dapt::On<B>;

Model with_tasks(Index tasks, bool random = true, Dapt::Config c = sizes<Dapt>()) {
  Model model(c, Rng(1));
  for (Index t = 0; t < tasks; ++t) model.add_task(Rng(2).fork(static_cast<std::uint64_t>(t)));
  model.gate.active = tasks;
  if (random) disturb(model, ".delta.", 3);
  return model;
}

T attention(const Model& model, const Batch<B>& b) { return model.gates(model.embed(b.ids), b.flow()); }
T logits(const Model& model, const Batch<B>& b) { return model(b.ids, b.flow()).logits; }

}  // namespace

TEST_CASE("1. with one task DAPT is plain LoRA to the bit, and neither the projection nor the key gets a gradient") {
  Model one = with_tasks(1);
  LoraLlama::Config c;
  static_cast<DecoderConfig&>(c) = sizes<Dapt>();
  LoraLlama::On<B> plain(c, Rng(1));
  plain.add_task(Rng(2));
  for_each_param(plain, [&](const std::string& name, Param<B>& p) {
    std::string there = name;
    if (const auto at = there.find("delta.block."); at != std::string::npos) there.replace(at, 12, "delta.experts.0.");
    for_each_param(one, [&](const std::string& other, const Param<B>& q) {
      if (other == there) p.assign(q.values());
    });
  });
  const Batch<B> b = batch(task(0).train);
  CHECK(logits(one, b).values() == plain(b.ids, b.flow()).logits.values());
  Tape<B> tape;
  tape.backward(cross_entropy(logits(one, b), b.labels));
  for_each_param(one.gate, [](const std::string& name, const Param<B>& p) {
    CAPTURE(name);
    if (p.grad())
      for (const double g : p.grad().values()) CHECK(g == 0);
  });
}

TEST_CASE("2. a fresh block changes outputs only by diluting the attention on the old ones") {
  Model model = with_tasks(2);
  const Batch<B> b = batch(task(1).test);
  model.add_task(Rng(9));
  model.gate.active = 3;
  const T diluted = attention(model, b);
  const T before = logits(model, b);
  Flow<B> flow = b.flow();  // the first two alone, with the diluted weights
  flow.gates = slice_columns(diluted, 0, 2);
  CHECK(difference(model(b.ids, flow).logits, before) < 1e-12);
}

TEST_CASE("3. the attention is a distribution, and the order of keys and blocks does not matter") {
  Model model = with_tasks(3);
  const Batch<B> b = batch(task(1).test);
  const T a = attention(model, b);
  const auto values = a.values();
  for (std::size_t i = 0; i < values.size(); i += 3) {
    CHECK(values[i] + values[i + 1] + values[i + 2] == doctest::Approx(1).epsilon(1e-12));
    for (std::size_t e = 0; e < 3; ++e) CHECK(values[i + e] >= 0);
  }
  const T before = logits(model, b);
  std::swap(model.gate.keys[0], model.gate.keys[2]);
  model.for_each_deep_map([](auto& map) { std::swap(map.delta.blocks[0], map.delta.blocks[2]); });
  CHECK(difference(logits(model, b), before) < 1e-12);
}

TEST_CASE("4. the stacked blocks give what a loop over the blocks gives") {
  const Model model = with_tasks(3);
  const auto& map = model.deep[0].mix.query;
  const Batch<B> b = batch(task(0).test);
  Flow<B> flow;
  flow.gates = attention(model, b);
  const T x = model.embed(b.ids);
  T sum = map.base(x);
  for (Index e = 0; e < 3; ++e) {
    const auto& block = map.delta.blocks[static_cast<std::size_t>(e)];
    const Index n = x.shape()[0];
    const T weight = reshape(slice_columns(flow.gates, e, e + 1), {n, 1, 1});
    const T delta = matmul(matmul(x, block.a), block.b) * map.delta.scale;
    sum = sum + reshape(reshape(delta, {n, delta.size() / n}) * reshape(weight, {n, 1}), delta.shape());
  }
  CHECK(difference(map(x, flow), sum) < 1e-12);
}

TEST_CASE("5. two keys and a query of 2 ln 3 give the attention 3/4 and 1/4") {
  KeyAttention::On<B> gate(4, {.temperature = 2});
  for (int i = 0; i < 2; ++i) gate.grow(Rng(1));
  gate.active = 2;
  const T query({1, 4}, {2 * std::log(3.0), 0, 0, 0}), keys({2, 4}, {1, 0, 0, 0, 0, 0, 0, 0});
  const auto a = softmax(matmul_transposed(query, keys) * (1 / gate.config.temperature)).values();
  CHECK(a[0] == doctest::Approx(0.75).epsilon(1e-12));
  CHECK(a[1] == doctest::Approx(0.25).epsilon(1e-12));
}

TEST_CASE("6. the reflection on a target of (0, 1/4, 3/4) from even attention is 0.536277, its gradient (1/3, 1/12, -5/12)") {
  T z({1, 3}, 0.0);
  z.want_gradient();
  Tape<B> tape;
  const T loss = reflection_loss(z, T({1, 3}, {0, 0.25, 0.75}));
  CHECK(loss.item() == doctest::Approx(0.536277).epsilon(1e-6));
  tape.backward(loss);
  const auto g = z.grad().values();
  CHECK(g[0] == doctest::Approx(1.0 / 3));
  CHECK(g[1] == doctest::Approx(1.0 / 12));
  CHECK(g[2] == doctest::Approx(-5.0 / 12));
}

TEST_CASE("7. the reflection is 0 only at its target, and reaches neither blocks nor old keys") {
  const T z({2, 3}, {0.3, -1, 2, 0, 0.5, 0.1});
  CHECK(std::abs(reflection_loss(z, softmax(z)).item()) < 1e-12);
  CHECK(reflection_loss(z, T({2, 3}, {1, 0, 0, 0, 1, 0})).item() > 0.1);
  CHECK_THROWS_AS(reflection_loss(z, T({2, 3}, 0.5)), Error);
  DaptLearner<B> learner(with_tasks(0), {.memory_share = 0.5, .memory_batch = 4}, Rng(4));
  train(learner, 0, task(0), 3);
  learner.before_task(1, task(1));
  const Batch<B> b = batch(task(1).train);
  Tape<B> tape;
  const Loss<B> loss = learner.loss(b, 1, 0);
  std::vector<std::string> names;
  for (const auto& [name, value] : loss.terms()) names.push_back(name);
  CHECK(names == std::vector<std::string>{"lm", "attention", "reflection"});
  tape.backward(loss.total());
  for_each_param(learner.model(), [](const std::string& name, const Param<B>& p) {
    CAPTURE(name);
    if (name.find("experts.0") != std::string::npos || name == "gate.keys.0") CHECK_FALSE(p.grad());
    if (name == "gate.keys.1" || name == "gate.down.weight") CHECK(p.grad());
  });
}

TEST_CASE("8. training a task leaves the old blocks, the old keys and the backbone as they were, to the bit") {
  DaptLearner<B> learner(with_tasks(0), {.memory_share = 0.5, .memory_batch = 4}, Rng(4));
  train(learner, 0, task(0), 5);
  const auto block = hash_of(learner.model(), "experts.0."), key = hash_of(learner.model(), "gate.keys.0"), base = hash_of(learner.model(), ".base."),
             projection = hash_of(learner.model(), "gate.down");
  train(learner, 1, task(1), 5);
  CHECK(hash_of(learner.model(), "experts.0.") == block);
  CHECK(hash_of(learner.model(), "gate.keys.0") == key);
  CHECK(hash_of(learner.model(), ".base.") == base);
  CHECK(hash_of(learner.model(), "gate.down") != projection);  // shared and carried on
}

TEST_CASE("9. without the flag the gradient through old blocks is the true one, with it there is none") {
  const auto gradient_through = [](bool stop, bool newest_is_zero) {
    Mixture<LoRA>::On<B> mixture;
    for (int e = 0; e < 2; ++e) mixture.grow(6, 5, {.rank = 2, .alpha = 4, .stop_gradient_through_old = stop}, Rng(1));
    for (std::size_t e = 0; e < 2; ++e) {
      Rng rng = Rng(2).fork(e);
      for (Index i = 0; i < 10; ++i) mixture.blocks[e].b.data()[i] = e == 1 && newest_is_zero ? 0 : rng.normal();
    }
    T x({2, 3, 6});
    Rng rng(5);
    for (Index i = 0; i < x.size(); ++i) x.data()[i] = rng.normal();
    x.want_gradient();
    Flow<B> flow;
    flow.gates = T({2, 2}, {0.7, 0.3, 0.2, 0.8});
    const auto f = [&](const std::vector<T>& in) { return mixture.add(T({2, 3, 5}, 0.0), in[0], flow); };
    const double deviation = gradcheck<B>(f, {x}).worst;
    Tape<B> tape;
    tape.backward(sum(square(f({x}))));
    double largest = 0;
    if (x.grad())
      for (const double g : x.grad().values()) largest = std::max(largest, std::abs(g));
    return std::pair(deviation, largest);
  };
  CHECK(gradient_through(false, false).first < 1e-6);
  CHECK(gradient_through(false, true).second > 1e-3);
  CHECK(gradient_through(true, true).second == 0);
  CHECK(gradient_through(true, false).second > 1e-3);
}

TEST_CASE("10. padding a batch does not change the query, neither of the largest values nor of the mean") {
  const Model model = with_tasks(2);
  std::vector<Sequence> items = task(0).test;
  items.resize(2);
  const Batch<B> narrow = batch(items);
  items.push_back(items[0]);
  for (int i = 0; i < 6; ++i) items.back().ids.push_back(23);
  const Batch<B> wide = batch(items);
  const auto rows = [](const T& x) { return x.value().rows(0, 2).values(); };
  CHECK(PromptMax::pool(model.embed(narrow.ids), narrow.flow()).values() == rows(PromptMax::pool(model.embed(wide.ids), wide.flow())));
  CHECK(PromptMean::pool(model.embed(narrow.ids), narrow.flow()).values() == rows(PromptMean::pool(model.embed(wide.ids), wide.flow())));
}

TEST_CASE("11. the metrics of the spec's worked example come out, in both normalisations of BWT") {
  ScoreMatrix scores(3);
  const double rows[3][3] = {{80, 0, 0}, {70, 60, 0}, {75, 50, 90}};
  for (Index after = 0; after < 3; ++after)
    for (Index t = 0; t <= after; ++t) scores.set(after + 1, t, rows[after][t]);
  const Metrics m = metrics(scores);
  CHECK(m.AP.value() == doctest::Approx(71.667).epsilon(1e-4));
  CHECK(m.forgetting.value() == doctest::Approx(7.5));
  CHECK(m.BWT.value() == doctest::Approx(-5.0));
  CHECK(m.BWT_GEM.value() == doctest::Approx(-7.5));
}

TEST_CASE("12. a task leaves max(1, floor(share n)) pseudo-samples, stored or generated") {
  for (const PseudoSource source : {PseudoSource::stored, PseudoSource::generated}) {
    DaptLearner<B> learner(with_tasks(0), {.memory_share = 0.1, .memory_batch = 2, .pseudo = source, .generator = {.steps = 4, .batch = 8}}, Rng(4));
    EncodedTask few = task(0, 32), hardly = task(1, 5);
    train(learner, 0, few, 2);
    train(learner, 1, hardly, 2);
    CHECK(learner.pseudo_samples(0).size() == 3);
    CHECK(learner.pseudo_samples(1).size() == 1);
  }
}

TEST_CASE("a generator that was trained long enough writes prompts of the task's ids") {
  const Model backbone = with_tasks(0);
  const auto made = pseudo_prompts<B>(backbone, task(2, 64).train, 12, {.rank = 4, .alpha = 8, .lr = 2e-2, .steps = 120, .batch = 16, .sampling = {.temperature = 1, .top_k = 4}}, Rng(6));
  Index inside = 0, all = 0;
  for (const Sequence& s : made)
    for (Index i = 0; i < s.prompt; ++i) {
      inside += s.ids[static_cast<std::size_t>(i)] >= 7 && s.ids[static_cast<std::size_t>(i)] <= 12;
      ++all;
    }
  CHECK(static_cast<double>(inside) > 0.8 * static_cast<double>(all));
}

TEST_CASE("13. the reflection keeps the attention on an old task's inputs; without it, it drifts") {
  const auto drift = [](double weight) {
    DaptLearner<B> learner(with_tasks(0), {.reflection_weight = weight, .current_weight = 1, .key_rate = 3, .memory_share = 1, .memory_batch = 16}, Rng(4));
    train(learner, 0, task(0), 10);
    train(learner, 1, task(1), 40);
    const Batch<B> old = batch(task(0).test);
    const auto a = attention(learner.model(), old).values();
    double mass = 0;  // on the later block
    for (std::size_t i = 1; i < a.size(); i += 2) mass += a[i] / (static_cast<double>(a.size()) / 2);
    return mass;
  };
  const double held = drift(1), loose = drift(0);
  CHECK(held < 0.25);
  CHECK(loose > held + 0.2);
}

TEST_CASE("prompts as what is attended over: an old prompt is never changed, and the mixture is weighted by the attention") {
  using Prompted = DaptPrompts::On<B>;
  DaptPrompts::Config c = sizes<DaptPrompts>();
  c.prefix.length = 3;
  DaptLearner<B, DaptPrompts> learner(Prompted(c, Rng(1)), {.memory_share = 0.5, .memory_batch = 4}, Rng(4));
  const EncodedTask first = task(0);
  train(learner, 0, first, 1);
  const double before = nll(learner, first);
  DaptLearner<B, DaptPrompts> longer(Prompted(c, Rng(1)), {.memory_share = 0.5, .memory_batch = 4}, Rng(4));
  train(longer, 0, first, 60, 3e-2);
  CHECK(nll(longer, first) < before - 0.1);
  const auto old = hash_of(longer.model(), "prefix.prompts.0");
  train(longer, 1, task(1), 5);
  CHECK(hash_of(longer.model(), "prefix.prompts.0") == old);
  const Batch<B> b = batch(first.test);
  Flow<B> flow = b.flow();
  flow.gates = oracle_gates<B>(b.ids.shape()[0], 2, 0);
  const T mixed = longer.model().prefix.prompts(flow, b.ids.shape()[0]);
  CHECK(slice_rows(mixed, 0, 1).values() == longer.model().prefix.blocks[0].rows.values());
}

}  // namespace cmoe::dapt_test
