// Every module fulfils what a module must, and modules with planted faults do not.
#include <doctest/doctest.h>

#include "cmoe/cpu/cpu.hpp"
#include "cmoe/models/llama.hpp"
#include "cmoe/models/moduleformer.hpp"
#include "cmoe/models/pmoe.hpp"
#include "cmoe/nn/expect_module.hpp"
#include "ops/draw.hpp"

namespace cmoe::expect_module_test {

using draw::B, draw::Draw, draw::T;

namespace {

const Ids<B> ids({2, 5}, {3, 1, 4, 1, 5, 9, 2, 6, 5, 3});

struct Forgetful {  // a field that visit() leaves out
  Param<B> seen{{2}, 1}, forgotten{{2}, 1};
  using Backend = B;
  static void visit(auto& self, auto&& v) { v("seen", self.seen); }
};
struct Twice {  // two fields under one name
  Param<B> a{{2}, 1}, b{{2}, 1};
  using Backend = B;
  static void visit(auto& self, auto&& v) {
    v("weight", self.a);
    v("weight", self.b);
  }
};
struct Unused {  // a parameter that no gradient reaches
  Param<B> a{{2}, 1}, b{{2}, 1};
  using Backend = B;
  static void visit(auto& self, auto&& v) {
    v("a", self.a);
    v("b", self.b);
  }
};

std::string fault(auto&& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "none";
}

}  // namespace

TEST_CASE("planted faults of modules are found and named") {
  const auto both = [](const auto& m) { return m.a * m.b; };
  CHECK(fault([] { expect_module<Forgetful>([] { return Forgetful(); }, [](const auto& m) { return m.seen * m.forgotten; }); }) ==
        "expect_module: building it made 2 parameters but visit() reports 1");
  CHECK(fault([&] { expect_module<Twice>([] { return Twice(); }, both); }) ==
        "expect_module: two parameters have the name weight");
  CHECK(fault([] { expect_module<Unused>([] { return Unused(); }, [](const auto& m) { return m.a * 2.0; }); }) ==
        "expect_module: no gradient reaches b (2)");
  const auto wrong = [](const auto& m) {  // b passes its gradient on with the wrong size
    const T product = m.a * m.b.detach();
    return Tape<B>::record(product.value(), {&product, &m.b}, [product, b = m.b.slot(), a = m.a.value()](const Array<B>& dy) {
      product.slot().add(dy);
      b.add(affine(T(dy), 3, 0).value());
    });
  };
  CHECK(fault([&] {
          expect_module<Unused>([] { return Unused(); }, wrong);
        }).rfind("expect_module: the gradient is wrong: b (2) at ", 0) == 0);
  CHECK(fault([&] { expect_module<Unused>([] { return Unused(); }, both); }) == "none");
}

TEST_CASE("linear maps, norms and embeddings are modules") {
  Draw d{Rng(1)};
  const T x = d.tensor({4, 3});
  expect_module<Linear<B>>([] { return Linear<B>(3, 2, Rng(1), true); }, [&](const auto& m) { return m(x); });
  for (const NormKind kind : {NormKind::rms, NormKind::layer})
    expect_module<Norm<B>>([&] { return Norm<B>(kind, 3, 1e-5); }, [&](const auto& m) { return m(x); });
  for (const Activation activation : {Activation::silu, Activation::relu, Activation::gelu_tanh})
    for (const bool gated : {false, true})
      expect_module<FeedForward<B>>(
          [&] {
            return FeedForward<B>{gated ? Linear<B>(3, 5, Rng(1)) : Linear<B>(), Linear<B>(3, 5, Rng(2), true), Linear<B>(5, 3, Rng(3)), activation};
          },
          [&](const auto& m) { return m(x, {}); });
  expect_module<RmsNorm<B>>([] { return RmsNorm<B>(3); }, [&](const auto& m) { return m(x); });
  expect_module<LayerNorm<B>>([] { return LayerNorm<B>(3); }, [&](const auto& m) { return m(x); });
  expect_module<Embedding<B>>([] { return Embedding<B>(10, 3, Rng(1)); }, [](const auto& m) { return m.scores(m(ids)); });
}

TEST_CASE("mixtures of experts and of attention are modules") {
  Draw d{Rng(2)};
  const T x = d.tensor({2, 3, 4});
  using Feed = MixtureOfExperts<TopK>::On<B>;
  using Attend = MixtureOfAttention<StickBreaking, TopK>::On<B>;
  expect_module<Feed>([] { return Feed(4, {.hidden = 3, .router = {.experts = 3, .chosen = 2, .form = RouterForm::mlp, .gating_size = 2}}, 1, Rng(1)); },
                      [&](const auto& m) { return m(x).y; });
  expect_module<Attend>([] { return Attend(4, {.size = 4, .heads = 2, .router = {.experts = 3, .chosen = 2}}, 1, Rng(1)); },
                        [&](const auto& m) { return m(x, {}).y; });
}

TEST_CASE("whole models are modules: Llama, PMoE with two tasks, ModuleFormer with inserted experts") {
  const auto decoder = []<class Config>(Config c) {
    c.vocabulary = 10;
    c.width = 4;
    c.layers = 2;
    c.heads = 2;
    c.kv_heads = 1;
    c.hidden = 5;
    c.context = 8;
    c.tied = false;
    return c;
  };
  expect_module<Llama::On<B>>([&] { return Llama::On<B>(decoder(Llama::Config{}), Rng(1)); },
                              [](const auto& m) { return m(ids, {}).logits; });
  for (const bool bias : {true, false})  // as Qwen2 and as Qwen3
    expect_module<Llama::On<B>>(
        [&] {
          Llama::Config c = decoder(Llama::Config{});
          c.qkv_bias = bias;
          c.head_norm = !bias;
          c.head_size = 6;
          return Llama::On<B>(c, Rng(1));
        },
        [](const auto& m) { return m(ids, {}).logits; });
  expect_module<Llama::On<B>>(
      [&] {
        Llama::Config c;
        static_cast<DecoderConfig&>(c) = DecoderConfig::gpt2();
        c.vocabulary = 10, c.width = 6, c.layers = 2, c.heads = c.kv_heads = 2, c.hidden = 5, c.context = 5, c.tied = false;
        return Llama::On<B>(c, Rng(1));
      },
      [](const auto& m) { return m(ids, {}).logits; }, 1e-5);
  Flow<B> flow;
  flow.prompt_first = Ids<B>({2}, {0, 0});
  flow.prompt_last = Ids<B>({2}, {2, 3});
  expect_module<PMoE::On<B>>(
      [&] {
        PMoE::Config config = decoder(PMoE::Config{});
        config.boundary = 1;
        config.shallow.rank = config.deep.rank = 2;
        PMoE::On<B> model(config, Rng(1));
        for (const std::uint64_t t : {0u, 1u}) model.add_task(Rng(t));
        model.gate.active = 2;
        return model;
      },
      [&](const auto& m) { return m(ids, flow).logits; });
  expect_module<ModuleFormer::On<B>>(
      [] {
        ModuleFormer::Config config{.vocabulary = 10, .width = 4, .layers = 1};
        config.block.mix = {.size = 4, .heads = 2, .router = {.experts = 3, .chosen = 2}};
        config.block.feed = {.hidden = 3, .router = {.experts = 3, .chosen = 2}};
        ModuleFormer::On<B> model(config, Rng(1));
        model.insert(1, 1, Rng(2));
        return model;
      },
      [](const auto& m) { return m(ids, {}).logits; });
}

}  // namespace cmoe::expect_module_test
