#include <doctest/doctest.h>

#include "cmoe/cpu/cpu.hpp"
#include "cmoe/models/any_model.hpp"
#include "cmoe/models/dapt.hpp"
#include "cmoe/models/generate.hpp"
#include "cmoe/models/llama.hpp"
#include "cmoe/models/moduleformer.hpp"
#include "cmoe/models/pmoe.hpp"
#include "cmoe/ops/index.hpp"
#include "cmoe/pet/joined_prompts.hpp"

namespace cmoe::generate_test {

using B = Cpu<double>;
using T = Tensor<B>;

namespace {

template <class Config>
Config sizes(Config c) {
  c.vocabulary = 20;
  c.width = 8;
  c.layers = 2;
  c.heads = 4;
  c.kv_heads = 2;
  c.hidden = 12;
  c.context = 40;
  return c;
}

const std::vector<Id> prompt = {3, 1, 4, 1, 5};

// Two tasks whose deltas, prompts and gate do something.
template <class Recipe>
typename Recipe::template On<B> disturbed(bool gpt2, Index boundary) {
  typename Recipe::Config config;
  if (gpt2) static_cast<DecoderConfig&>(config) = DecoderConfig::gpt2();
  config = sizes(config);
  if (gpt2) config.kv_heads = config.heads;
  config.boundary = boundary;
  typename Recipe::template On<B> model(config, Rng(1));
  for (const std::uint64_t t : {0u, 1u}) model.add_task(Rng(t));
  model.gate.active = 2;
  for_each_param(model, [](const std::string& name, Param<B>& p) {
    Rng rng = Rng(3).fork(name);
    if (name.find("delta") != std::string::npos || name.rfind("gate", 0) == 0 || name.rfind("prefix", 0) == 0)
      for (Index i = 0; i < p.size(); ++i) p.data()[i] = rng.normal();
  });
  return model;
}

// The likeliest continuation by computing everything anew for each token; the gate reads the prompt alone.
std::vector<Id> slowly(const auto& model, Index count) {
  std::vector<Id> ids = prompt;
  for (Index i = 0; i < count; ++i) {
    Flow<B> flow;
    flow.prompt_first = Ids<B>({1}, {0});
    flow.prompt_last = Ids<B>({1}, {static_cast<Id>(prompt.size())});
    ids.push_back(argmax(model(Ids<B>({1, static_cast<Index>(ids.size())}, ids), flow).logits).values().back());
  }
  return {ids.begin() + static_cast<std::ptrdiff_t>(prompt.size()), ids.end()};
}

std::vector<Id> generated(const auto& model, Index limit, Id end = -1, const std::vector<Id>& from = prompt) {
  return generate(model, from, limit, end, {}, Rng(0), Flow<B>{});
}

Id drawn(std::initializer_list<double> logits, const Sampling& how, std::uint64_t seed = 0) {
  Rng rng(seed);
  return sample(std::span<const double>(logits.begin(), logits.size()), how, rng);
}

}  // namespace

TEST_CASE("generation over the cache gives what computing everything anew gives") {
  const Llama::On<B> llama(sizes(Llama::Config{}), Rng(1));
  CHECK(generated(llama, 20) == slowly(llama, 20));

  for (const bool gpt2 : {false, true}) {
    CHECK_MESSAGE(generated(disturbed<PMoE>(gpt2, 1), 20) == slowly(disturbed<PMoE>(gpt2, 1), 20), gpt2);
    // prompts stand in the first cache, but have no learned position
    CHECK_MESSAGE(generated(disturbed<DaptPrompts>(gpt2, 0), 20) == slowly(disturbed<DaptPrompts>(gpt2, 0), 20), gpt2);
  }

  ModuleFormer::Config modular{.vocabulary = 20, .width = 8, .layers = 2, .context = 40};
  modular.block.mix = {.size = 8, .heads = 2, .router = {.experts = 4, .chosen = 2}};
  modular.block.feed = {.hidden = 6, .router = {.experts = 4, .chosen = 2}};
  const ModuleFormer::On<B> former(modular, Rng(1));
  CHECK(generated(former, 20) == slowly(former, 20));
}

TEST_CASE("generation ends at the limit, behind the end id, at the end of the context, or when it is told to") {
  const Llama::On<B> model(sizes(Llama::Config{}), Rng(1));
  const std::vector<Id> all = generated(model, 1000);
  CHECK(all.size() == 40 - prompt.size());
  CHECK(generated(model, 3) == std::vector<Id>(all.begin(), all.begin() + 3));
  CHECK(generated(model, 0).empty());
  const std::vector<Id> ended = generated(model, 1000, all[2]);
  CHECK(ended.back() == all[2]);
  CHECK(ended.size() <= 3);
  int seen = 0;
  CHECK(generate(model, prompt, 100, -1, {}, Rng(0), Flow<B>{}, [&](Id) { return ++seen < 2; }).size() == 2);
}

TEST_CASE("an empty prompt, one that fills the context and ids outside the vocabulary are refused") {
  const Llama::On<B> model(sizes(Llama::Config{}), Rng(1));
  CHECK_THROWS_WITH_AS(generated(model, 1, -1, {}), "generate: the prompt has no tokens", Error);
  CHECK_THROWS_AS(generated(model, 1, -1, std::vector<Id>(40, 1)), Error);
  CHECK_THROWS_AS(generated(model, 1, -1, {20}), Error);
  CHECK_THROWS_AS(generated(model, 1, -1, {-1}), Error);
}

TEST_CASE("a cache is refused while a tape records") {
  const Llama::On<B> model(sizes(Llama::Config{}), Rng(1));
  std::vector<KvCache<B>> caches(2);
  Tape<B> tape;
  CHECK_THROWS_AS(model(Ids<B>({1, 2}, {1, 2}), {}, &caches), Error);
  CHECK(generated(model, 2).size() == 2);  // generation pauses the tape
  CHECK(tape.steps() >= 0);
}

TEST_CASE("without temperature the likeliest id is taken, of equals the lower") {
  CHECK(drawn({0, 3, 1, 3}, {}) == 1);
  CHECK(drawn({-5}, {}) == 0);
  CHECK_THROWS_AS(drawn({0, std::numeric_limits<double>::quiet_NaN()}, {}), Error);
  CHECK_THROWS_AS(drawn({}, {}), Error);
}

TEST_CASE("sampling keeps to the k likeliest and to the smallest set with mass p, and draws by probability") {
  std::vector<int> counts(4);
  for (std::uint64_t seed = 0; seed < 4000; ++seed) {
    CHECK(drawn({1, 3, 2, 0}, {.temperature = 1, .top_k = 1}, seed) == 1);
    const Id two = drawn({1, 3, 2, 0}, {.temperature = 5, .top_k = 2}, seed);
    CHECK((two == 1 || two == 2));
    CHECK(drawn({0, std::log(6.0), std::log(3.0)}, {.temperature = 1, .top_p = 0.6}, seed) == 1);
    const Id most = drawn({0, std::log(6.0), std::log(3.0)}, {.temperature = 1, .top_p = 0.61}, seed);
    CHECK((most == 1 || most == 2));
    ++counts[static_cast<std::size_t>(
        drawn({std::log(1.0), std::log(2.0), std::log(3.0), std::log(4.0)}, {.temperature = 1}, seed))];
  }
  for (std::size_t i = 0; i < 4; ++i) CHECK(std::abs(counts[i] - 400 * static_cast<int>(i + 1)) < 120);
}

TEST_CASE("ids that stood in the text already become less likely, each once") {
  std::vector<double> logits = {2, -1, 0.5, 0};
  penalise(std::span(logits), {0, 1, 0, 3}, 2.0);
  CHECK(logits == std::vector<double>{1, -2, 0.5, 0});
  penalise(std::span(logits), {2}, 0.5);
  CHECK(logits == std::vector<double>{1, -2, 1, 0});
  CHECK_THROWS_AS(penalise(std::span(logits), {0}, 0.0), Error);
  CHECK_THROWS_AS(penalise(std::span(logits), {0}, std::nan("")), Error);
  CHECK_THROWS_AS(penalise(std::span(logits), {4}, 2.0), Error);
  CHECK_THROWS_AS(penalise(std::span(logits), {-1}, 2.0), Error);

  const Llama::On<B> model(sizes(Llama::Config{}), Rng(1));
  std::vector<Id> slow = prompt;  // by hand, over prompt and continuation
  while (slow.size() < prompt.size() + 20) {
    const auto count = static_cast<Index>(slow.size());
    std::vector<double> all = model(Ids<B>({1, count}, slow), {}).logits.values(), last(all.end() - 20, all.end());
    penalise(std::span(last), slow, 1.7);
    slow.push_back(static_cast<Id>(std::max_element(last.begin(), last.end()) - last.begin()));
  }
  const std::vector<Id> made = generate(model, prompt, 20, -1, {.repetition_penalty = 1.7}, Rng(0), Flow<B>{});
  CHECK(made == std::vector<Id>(slow.begin() + static_cast<std::ptrdiff_t>(prompt.size()), slow.end()));
  CHECK(made != generated(model, 20));
}

TEST_CASE("a text ends behind any of several ids") {
  const Llama::On<B> model(sizes(Llama::Config{}), Rng(1));
  const std::vector<Id> all = generated(model, 30);
  const auto until = [&](Id a, Id b) {
    std::vector<Id> cut;
    for (const Id id : all) {
      cut.push_back(id);
      if (id == a || id == b) break;
    }
    return cut;
  };
  for (Id a = 0; a < 20; ++a) CHECK(generate(model, prompt, 30, Ends({a, all[4]}), {}, Rng(0), Flow<B>{}) == until(a, all[4]));
}

namespace {

const std::vector<std::vector<Id>> several = {{3, 1, 4, 1, 5}, {9}, {2, 6, 5, 3, 5, 8, 9, 7, 9, 3}, {2, 3}, {8, 4}, {1, 1, 1, 1, 1, 1, 1}};

// Several prompts at once give what one after another gives, whatever they end by.
void same_together(const auto& model, bool gated = false) {
  const auto flow = [&](Index sequences) {
    Flow<B> given;
    if (gated) given.gates = Tensor<B>({sequences, 1}, 1);
    return given;
  };
  for (const Sampling& how : {Sampling{}, Sampling{.temperature = 1, .top_k = 5, .repetition_penalty = 1.2}})
    for (const Index limit : {0, 1, 12, 33, 100})
      for (const Ends& ends : {Ends(-1), Ends({3, 7})}) {
        std::vector<std::vector<Id>> alone, told(several.size());
        for (const auto& one : several) alone.push_back(generate(model, one, limit, ends, how, Rng(5), flow(1)));
        const auto together = generate(model, several, limit, ends, how, Rng(5), flow(6), [&](Index i, Id id) {
          told[static_cast<std::size_t>(i)].push_back(id);
          return true;
        });
        CHECK(together == alone);
        CHECK(told == alone);
      }
}

}  // namespace

TEST_CASE("several prompts at once give what one after another gives: behind padding, or grouped by their lengths") {
  Llama::On<B> llama(sizes(Llama::Config{}), Rng(1));
  CHECK(llama.pads_left());
  same_together(llama);
  same_together(AnyModel<B>(llama));

  PMoE::Config config = sizes(PMoE::Config{});
  config.boundary = 1;
  PMoE::On<B> pmoe(config, Rng(1));
  for (const std::uint64_t t : {0u, 1u}) pmoe.add_task(Rng(t));
  pmoe.gate.active = 2;
  for_each_param(pmoe, [](const std::string& name, Param<B>& p) {
    Rng rng = Rng(3).fork(name);
    if (name.find("delta") != std::string::npos || name.rfind("gate", 0) == 0)
      for (Index i = 0; i < p.size(); ++i) p.data()[i] = rng.normal();
  });
  same_together(pmoe);

  ModuleFormer::Config modular{.vocabulary = 20, .width = 8, .layers = 2, .context = 40};
  modular.block.mix = {.size = 8, .heads = 2, .router = {.experts = 4, .chosen = 2}};
  modular.block.feed = {.hidden = 6, .router = {.experts = 4, .chosen = 2}};
  same_together(ModuleFormer::On<B>(modular, Rng(1)));

  using Prompted = Adapted<Shallow<NoDelta>, Deep<NoDelta>, NoGate, Causal, JoinedPrompts>;
  Prompted::On<B> prompted(sizes(Prompted::Config{}), Rng(1));
  prompted.add_task(Rng(2));
  CHECK_FALSE(prompted.pads_left());
  same_together(prompted, true);
}

TEST_CASE("gates given for several prompts go with their prompts") {
  PMoE::Config config = sizes(PMoE::Config{});
  PMoE::On<B> model(config, Rng(1));
  for (const std::uint64_t t : {0u, 1u}) model.add_task(Rng(t));
  model.gate.active = 2;
  for_each_param(model, [](const std::string& name, Param<B>& p) {
    Rng rng = Rng(3).fork(name);
    if (name.find("delta") != std::string::npos)
      for (Index i = 0; i < p.size(); ++i) p.data()[i] = rng.normal();
  });
  std::vector<std::vector<Id>> alone;
  Tensor<B> all({6, 2});
  Rng draw(4);
  for (Index i = 0; i < 12; ++i) all.data()[i] = draw.normal();
  for (Index i = 0; i < 6; ++i) {
    Flow<B> flow;
    flow.gates = Tensor<B>({1, 2}, {all.data()[2 * i], all.data()[2 * i + 1]});
    alone.push_back(generate(model, several[static_cast<std::size_t>(i)], 12, -1, {}, Rng(0), flow));
  }
  Flow<B> flow;
  flow.gates = all;
  CHECK(generate(model, several, 12, -1, {}, Rng(0), flow) == alone);
  CHECK(alone[3] != alone[4]);
  flow.gates = Tensor<B>({2, 2}, 1);
  CHECK_THROWS_AS(generate(model, several, 12, -1, {}, Rng(0), flow), Error);
}

TEST_CASE("what was read is not read again, and gives the same") {
  const Llama::On<B> model(sizes(Llama::Config{}), Rng(1));
  TextRead<B> read;
  const auto go_on = [&](const std::vector<Id>& from, Index limit) { return generate(model, from, limit, -1, {}, Rng(0), Flow<B>{}, {}, &read); };
  std::vector<Id> text = prompt;
  for (const Index limit : {5, 1, 7, 0, 3}) {
    const std::vector<Id> made = go_on(text, limit);
    CHECK(made == generated(model, limit, -1, text));
    if (limit > 0) CHECK(read.ids.size() == text.size() + made.size() - 1);  // the last id was never read
    else CHECK(read.ids.empty());
    text.insert(text.end(), made.begin(), made.end());
    text.push_back(2);
  }
  for (const std::size_t changed : {text.size() - 2, std::size_t{7}, std::size_t{0}}) {  // it leaves what was read there
    text[changed] = (text[changed] + 1) % 20;
    CHECK(go_on(text, 4) == generated(model, 4, -1, text));
  }
  text.resize(6);
  CHECK(go_on(text, 4) == generated(model, 4, -1, text));
  CHECK(go_on(text, 4) == generated(model, 4, -1, text));
  CHECK_THROWS_AS(go_on({1, 2, 99}, 4), Error);  // a failure leaves nothing that could be relied on
  CHECK(read.ids.empty());
  CHECK(go_on({1, 2, 3}, 4) == generated(model, 4, -1, {1, 2, 3}));

  PMoE::Config config = sizes(PMoE::Config{});
  PMoE::On<B> pmoe(config, Rng(1));
  pmoe.add_task(Rng(0));
  pmoe.gate.active = 1;
  generate(pmoe, prompt, 3, -1, {}, Rng(0), Flow<B>{}, {}, &read);
  CHECK(read.ids.empty());  // its gate reads every prompt as a whole
}

TEST_CASE("a cache that was cut goes on from there, and is not cut to more than it holds") {
  KvCache<B> cache;
  const Array<B> three({1, 3, 1, 2}, {1, 2, 3, 4, 5, 6}), one({1, 1, 1, 2}, {7, 8});
  cache.append(three, Array<B>({1, 3, 1, 2}, {6, 5, 4, 3, 2, 1}));
  cache.cut(1);
  CHECK(cache.length() == 1);
  CHECK(cache.append(one, Array<B>({1, 1, 1, 2}, {9, 9})).first.values() == std::vector<double>{1, 2, 7, 8});
  CHECK_THROWS_AS(cache.cut(3), Error);
  cache.cut(0);
  CHECK(cache.append(Array<B>({2, 1, 1, 2}, {1, 2, 3, 4}), Array<B>({2, 1, 1, 2}, {5, 6, 7, 8})).second.values() == std::vector<double>{5, 6, 7, 8});
}

}  // namespace cmoe::generate_test
