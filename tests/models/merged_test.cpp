#include <doctest/doctest.h>

#include "cmoe/cpu/cpu.hpp"
#include "cmoe/models/merged.hpp"
#include "cmoe/models/pmoe.hpp"
#include "cmoe/pet/routed_lora.hpp"

namespace cmoe::merged_test {

using B = Cpu<double>;

namespace {

const Ids<B> ids({2, 5}, {3, 1, 4, 1, 5, 9, 2, 6, 5, 3});

// A small model of a recipe with two tasks whose deltas do something.
template <class Recipe>
typename Recipe::template On<B> adapted(bool bias, std::uint64_t seed, bool gpt2 = false) {
  typename Recipe::Config c;
  if (gpt2) static_cast<DecoderConfig&>(c) = DecoderConfig::gpt2();
  c.vocabulary = 10, c.width = 8, c.layers = 2, c.heads = 2, c.kv_heads = 1, c.hidden = 5, c.context = 8, c.boundary = 1;
  c.qkv_bias = bias, c.head_norm = !bias && !gpt2;
  typename Recipe::template On<B> model(c, Rng(seed));
  for (const std::uint64_t t : {0u, 1u}) model.add_task(Rng(t));
  Rng draw(seed + 1);
  for_each_param(model, [&](const std::string&, Param<B>& p) {
    auto values = p.values();
    for (double& x : values) x += 0.3 * draw.normal();
    p.assign(values);
  });
  return model;
}

}  // namespace

TEST_CASE("a merged decoder gives what the adapted one gives with the same gates") {
  for (const auto& [bias, gpt2] : {std::pair(true, false), std::pair(false, false), std::pair(false, true)}) {
    const auto model = adapted<PMoE>(bias, 3, gpt2);
    const Tensor<B> gates({1, 2}, {0.3, 0.7});
    const Llama::On<B> plain = merged(model, gates);
    Flow<B> flow;
    flow.gates = Tensor<B>({2, 2}, {0.3, 0.7, 0.3, 0.7});
    const auto wanted = model(ids, flow).logits.values(), got = plain(ids, {}).logits.values(), other = merged(model)(ids, {}).logits.values();
    double worst = 0, difference = 0;
    for (std::size_t i = 0; i < got.size(); ++i) {
      worst = std::max(worst, std::abs(got[i] - wanted[i]));
      difference = std::max(difference, std::abs(other[i] - wanted[i]));
    }
    CHECK(worst < 1e-10);
    CHECK(difference > 1e-2);  // without gates only the shallow deltas count
  }
}

TEST_CASE("merging refuses a delta that is no matrix, and gates for more than one sequence") {
  using Routed = Adapted<Shallow<NoDelta>, Deep<RoutedLoRA>>;
  CHECK_THROWS_WITH_AS(merged(adapted<Routed>(true, 3)), "merged: the delta of query is no matrix: what it adds depends on the token in another way than linearly",
                       Error);
  CHECK_THROWS_AS(merged(adapted<PMoE>(true, 3), Tensor<B>({2, 2}, {0.3, 0.7, 0.3, 0.7})), Error);
}

TEST_CASE("a model whose pretrained weights were left unfilled is the drawn one once they are copied") {
  const auto backbone = adapted<Llama>(true, 5);
  const auto with = [&](Pretrained weights) {
    PMoE::Config c;
    static_cast<DecoderConfig&>(c) = backbone.config;
    c.boundary = 1;
    PMoE::On<B> model(c, Rng(9), weights);
    copy_parameters(backbone, model);
    model.add_task(Rng(1));
    return hash(model);
  };
  CHECK(with(Pretrained::drawn) == with(Pretrained::unfilled));
}

}  // namespace cmoe::merged_test
