#include <doctest/doctest.h>

#include "cmoe/cpu/cpu.hpp"
#include "cmoe/models/dapt.hpp"
#include "cmoe/models/generate.hpp"
#include "cmoe/models/llama.hpp"
#include "cmoe/models/moduleformer.hpp"
#include "cmoe/models/pmoe.hpp"
#include "cmoe/ops/index.hpp"

using namespace cmoe;
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
