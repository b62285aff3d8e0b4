#include <doctest/doctest.h>

#include <set>

#include "cmoe/cpu/cpu.hpp"
#include "cmoe/models/llama.hpp"
#include "cmoe/models/moduleformer.hpp"

namespace cmoe::config_test {

using B = Cpu<float>;

namespace {

std::string refusal(auto change) {
  DecoderConfig c;
  change(c);
  try {
    c.validate();
  } catch (const Error& e) {
    CHECK(e.kind() == ErrorKind::config);
    return e.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("sizes that make no sense are refused by name") {
  CHECK(refusal([](DecoderConfig&) {}) == "accepted");
  CHECK(refusal([](DecoderConfig& c) { c.vocabulary = 0; }) == "decoder: vocabulary is 0, it must be positive");
  CHECK(refusal([](DecoderConfig& c) { c.layers = -1; }) == "decoder: layers is -1, it must be positive");
  CHECK(refusal([](DecoderConfig& c) { c.kv_heads = 3; }) == "decoder: 4 heads are not a multiple of 3 key heads");
  CHECK(refusal([](DecoderConfig& c) { c.heads = c.kv_heads = 3; }) == "decoder: width 128 is not a multiple of 3 heads");
  CHECK(refusal([](DecoderConfig& c) { c.heads = c.kv_heads = 3, c.head_size = 8; }) == "accepted");
  CHECK(refusal([](DecoderConfig& c) { c.head_size = -2; }) != "accepted");
  CHECK(refusal([](DecoderConfig& c) { c.norm_epsilon = 0; }) != "accepted");
  CHECK(refusal([](DecoderConfig& c) { c.rotary_base = -1; }) != "accepted");
}

TEST_CASE("a model refuses a boundary outside its layers and an odd head size") {
  Llama::Config config;
  config.boundary = 6;
  CHECK_THROWS_WITH_AS(Llama::On<B>(config, Rng(1)), "adapted: boundary 6 of 5 layers", Error);
  config.boundary = 0;
  config.head_size = 5;
  CHECK_THROWS_AS(Llama::On<B>(config, Rng(1)), Error);
}

TEST_CASE("biases and head norms are there only if the configuration asks for them, and add nothing to the other names") {
  const auto names = [](bool bias, bool norm) {
    Llama::Config config;
    config.layers = 1, config.qkv_bias = bias, config.head_norm = norm;
    const Llama::On<B> model(config, Rng(1));
    std::vector<std::string> all;
    for_each_param(model, [&](const std::string& name, const auto&) { all.push_back(name); });
    return all;
  };
  const auto plain = names(false, false), qwen2 = names(true, false), qwen3 = names(false, true);
  CHECK(plain.size() == 11);
  CHECK(qwen2.size() == 14);
  CHECK(qwen3.size() == 13);
  for (const auto& variant : {qwen2, qwen3})
    for (const std::string& name : plain) CHECK(std::count(variant.begin(), variant.end(), name) == 1);
  CHECK(std::count(qwen2.begin(), qwen2.end(), "layers.0.mix.key.base.bias") == 1);
  CHECK(std::count(qwen3.begin(), qwen3.end(), "layers.0.mix.query_norm.weight") == 1);
}

TEST_CASE("GPT-2's parts are parameters of their own, and those it lacks have no name and no delta") {
  LoraLlama::Config config;
  static_cast<DecoderConfig&>(config) = DecoderConfig::gpt2();
  config.layers = 1;
  config.heads = config.kv_heads = 1, config.width = 9, config.hidden = 5, config.context = 6;  // an odd head size is nothing to learned positions
  LoraLlama::On<B> model(config, Rng(1));
  model.add_task(Rng(2));
  std::set<std::string> names;
  for_each_param(model, [&](const std::string& name, const auto&) { names.insert(name); });
  CHECK(names.size() == 4 + 4 + 12 + 12);  // around the blocks, norms, maps, deltas
  for (const char* name : {"positions.weight", "norm.bias", "layers.0.feed_norm.bias", "layers.0.feed.up.base.bias", "layers.0.mix.output.base.bias"})
    CHECK_MESSAGE(names.count(name) == 1, name);
  for (const std::string& name : names) CHECK_MESSAGE(name.find("feed.gate") == std::string::npos, name);
  CHECK(model.positions.weight.shape() == Shape{6, 9});

  const Ids<B> ids({1, 6}, {1, 2, 3, 1, 2, 3});
  CHECK(model(ids, {}).logits.shape() == Shape{1, 6, 260});
  CHECK_THROWS_WITH_AS(model(Ids<B>({1, 7}, {1, 2, 3, 1, 2, 3, 1}), {}), "adapted: position 6 is beyond the context of 6 tokens", Error);
  Flow<B> left;
  left.first = Ids<B>({1}, {2});
  CHECK_THROWS_WITH_AS(model(ids, left), "adapted: learned positions need sequences padded on the right", Error);
}

TEST_CASE("a modular model refuses routers and heads that cannot be") {
  const auto make = [](auto change) {
    ModuleFormer::Config c{.vocabulary = 10, .width = 8, .layers = 1};
    change(c);
    ModuleFormer::On<B>(c, Rng(1));
  };
  CHECK_NOTHROW(make([](auto&) {}));
  CHECK_THROWS_AS(make([](auto& c) { c.layers = 0; }), Error);
  CHECK_THROWS_AS(make([](auto& c) { c.block.mix.heads = 3; }), Error);
  CHECK_THROWS_AS(make([](auto& c) { c.block.feed.hidden = 0; }), Error);
  CHECK_THROWS_WITH_AS(make([](auto& c) { c.block.feed.router.chosen = 9; }), "router: top-9 of 8 experts", Error);
  CHECK_THROWS_AS(make([](auto& c) { c.block.mix.router.experts = 0; }), Error);
}

TEST_CASE("scores at some positions alone are those of all positions, with the same loss and gradients") {
  const auto model_of = [] {
    Llama::Config c;
    c.vocabulary = 9, c.width = 8, c.layers = 2, c.heads = 2, c.kv_heads = 1, c.hidden = 12, c.context = 16;
    return Llama::On<Cpu<double>>(c, Rng(3));
  };
  using D = Cpu<double>;
  const Ids<D> ids({2, 5}, {1, 2, 3, 4, 5, 8, 7, 6, 0, 2});
  Flow<D> some;
  some.scored = Ids<D>({4}, {1, 3, 5, 9});
  auto whole = model_of(), part = model_of();
  Tape<D> tape;
  const Tensor<D> all = whole(ids, {}).logits, few = part(ids, some).logits;
  CHECK(few.shape() == Shape{4, 9});
  const Id skip = ignored_label;
  const Tensor<D> one = cross_entropy(all, Ids<D>({2, 5}, {skip, 4, skip, 2, skip, 7, skip, skip, skip, 1}));
  const Tensor<D> two = cross_entropy(few, Ids<D>({4}, {4, 2, 7, 1}));
  CHECK(one.item() == doctest::Approx(two.item()).epsilon(1e-12));
  tape.backward(one + two);
  const auto theirs = parameters(part);
  std::size_t i = 0;
  for_each_param(whole, [&](const std::string& name, const auto& p) {
    const auto a = p.grad().values(), b = theirs[i++].param->grad().values();
    for (std::size_t k = 0; k < a.size(); ++k) CHECK_MESSAGE(a[k] == doctest::Approx(b[k]).epsilon(1e-10), name);
  });
}

}  // namespace cmoe::config_test
