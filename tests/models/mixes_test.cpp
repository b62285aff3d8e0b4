// Architectures mixed from the parts of several: each is one alias, passes expect_module, learns, and keeps its bits in a file.
#include <doctest/doctest.h>

#include <filesystem>

#include "cmoe/io/checkpoint.hpp"
#include "cmoe/models/dapt.hpp"
#include "cmoe/models/moduleformer.hpp"
#include "cmoe/models/pmoe.hpp"
#include "cmoe/models/seta.hpp"
#include "cmoe/nn/expect_module.hpp"
#include "paper/small_streams.hpp"

namespace cmoe::mixes_test {

using namespace small_streams;
using small_streams::B, small_streams::T;

namespace {

// The twelve. Names say which parts meet.
using StickPMoE = Adapted<Shallow<Single<LoRA>>, Deep<Mixture<LoRA>>, Gate<PromptMean, LinearSoftmax>, StickBreaking>;
using LastTokenPMoE = Adapted<Shallow<Single<LoRA>>, Deep<Mixture<LoRA>>, Gate<LastPromptToken, LinearSoftmax>>;
using TokenPMoE = Adapted<Shallow<Single<LoRA>>, Deep<Mixture<LoRA>>, Gate<PerToken, LinearSoftmax>>;
using KeyedPMoE = Adapted<Shallow<Single<LoRA>>, Deep<Mixture<LoRA>>, Gate<PromptMean, KeyAttention>>;
using PromptedPMoE = Adapted<Shallow<Single<LoRA>>, Deep<Mixture<LoRA>>, Gate<PromptMean, LinearSoftmax>, Causal, MixedPrompts>;
using StickDapt = Adapted<Shallow<NoDelta>, Deep<Mixture<LoRA>>, Gate<PromptMax, KeyAttention>, StickBreaking>;
using PooledPrompts = Adapted<Shallow<NoDelta>, Deep<NoDelta>, Gate<PromptMax, LinearSoftmax>, Causal, MixedPrompts>;
using OpenGates = Adapted<Shallow<NoDelta>, Deep<Mixture<LoRA>>, Gate<PromptMean, IndependentGates>, StickBreaking>;
using SparseDapt = Adapted<Shallow<NoDelta>, Deep<SparseDelta>, Gate<PromptMax, TaskLattice<KeyAttention>>>;
using NeuronSeta = Adapted<Shallow<Single<LoRA>>, Deep<LatticeDelta<RowUnits>>, Gate<PromptMean, TaskLattice<LinearSoftmax>>>;
using RankSeta = Adapted<Shallow<NoDelta>, Deep<LatticeDelta<RankOneUnits>>, Gate<LastPromptToken, TaskLattice<LinearSoftmax>>, StickBreaking>;
using FlatSeta = Adapted<Shallow<NoDelta>, Deep<SparseDelta>, Gate<PromptMean, FlatSoftmax>>;

// Sparse maps get a few units for each of two experts; a lattice gate is told that each task uses its own.
template <class Model>
void prepare(Model& model) {
  if constexpr (requires { model.deep[0].mix.query.delta.parts; }) {
    model.for_each_deep_map([](auto& map) {
      for (Index e = 0; e < 2; ++e) {
        const Index width = map.delta.width();
        std::vector<double> values;
        Rng rng = Rng(5).fork(static_cast<std::uint64_t>(e));
        for (Index i = 0; i < 3 * width; ++i) values.push_back(0.1 * rng.normal());
        const std::vector<Id> units = e == 0 ? std::vector<Id>{0, 3, 5} : std::vector<Id>{1, 3, 7};
        map.delta.parts.push_back({e, Ids<B>({3}, units), Param<B>(Array<B>({3, width}, std::span<const double>(values)))});
      }
    });
    if constexpr (requires { model.gate.combination; }) {
      std::vector<SparseExpert> experts;
      for (Index e = 0; e < 2; ++e) {
        xtl::xdynamic_bitset<std::uint64_t> users(2);
        users.set(static_cast<std::size_t>(e), true);
        experts.push_back({users, {e}});
      }
      model.gate.combine(experts, 2);
    }
  }
}

template <class Recipe>
typename Recipe::template On<B> made(bool gpt2) {
  typename Recipe::Config c = sizes<Recipe>(2);
  if (gpt2) {
    static_cast<DecoderConfig&>(c) = DecoderConfig::gpt2();
    const DecoderConfig like = sizes<Recipe>(2);
    c.vocabulary = like.vocabulary, c.width = like.width, c.layers = like.layers, c.heads = c.kv_heads = like.heads, c.hidden = like.hidden, c.context = like.context;
  }
  c.boundary = std::is_same_v<typename Recipe::ShallowDelta, NoDelta> ? 0 : 1;
  typename Recipe::template On<B> model(c, Rng(1));
  for (std::uint64_t t = 0; t < 2; ++t) model.add_task(Rng(2).fork(t));
  model.gate.active = 2;
  prepare(model);
  disturb(model, ".delta.experts.0.b", 3);
  disturb(model, ".delta.block.b", 4);
  return model;
}

// On a decoder like Llama or like GPT-2.
template <class Recipe>
void check_mix(bool gpt2) {
  const EncodedTask data = task(0, 8);
  const Batch<B> b = batch(data.train);
  const auto loss_of = [&](const auto& model) { return cross_entropy(model(b.ids, b.flow()).logits, b.labels); };

  expect_module<typename Recipe::template On<B>>(
      [&] {
        auto model = made<Recipe>(gpt2);
        freeze(model);  // what a method trains: deltas, prompts and the gate
        for_each_param(model, [](const std::string& name, Param<B>& p) {
          const bool delta = name.find(".delta.") != std::string::npos || name.rfind("prefix", 0) == 0;
          if (delta) p.unfreeze();
        });
        return model;
      },
      [&](const auto& model) { return sum(loss_of(model)); }, 1e-5);

  auto model = made<Recipe>(gpt2);
  AdamW<B> optimizer({.lr = 1e-2});
  optimizer.add_module(model);
  const double before = loss_of(model).item();
  for (Index step = 0; step < 20; ++step)
    training_step(optimizer, Schedule{.decay = Decay::constant}, step, 20, 1, [&](Index) {
      Loss<B> loss;
      loss.add("lm", loss_of(model));
      return loss;
    });
  CHECK(loss_of(model).item() < before - 0.2);

  const auto path = std::filesystem::temp_directory_path() / ("cmoe_mix_" + std::to_string(hash(model)) + ".safetensors");
  save_parameters(path, model, {});
  auto again = made<Recipe>(gpt2);
  load_parameters(path, again);
  std::filesystem::remove(path);
  CHECK(hash(again) == hash(model));
  CHECK(loss_of(again).item() == loss_of(model).item());
}

template <class Recipe>
void check_mix() {
  for (const bool gpt2 : {false, true}) {
    CAPTURE(gpt2);
    check_mix<Recipe>(gpt2);
  }
}

}  // namespace

TEST_CASE("PMoE with stick-breaking heads") { check_mix<StickPMoE>(); }
TEST_CASE("PMoE whose gate reads the last token of the prompt") { check_mix<LastTokenPMoE>(); }
TEST_CASE("PMoE where every token decides") { check_mix<TokenPMoE>(); }
TEST_CASE("PMoE with DAPT's attention as its gate") { check_mix<KeyedPMoE>(); }
TEST_CASE("PMoE with a prompt for each task as well") { check_mix<PromptedPMoE>(); }
TEST_CASE("DAPT with stick-breaking heads") { check_mix<StickDapt>(); }
TEST_CASE("prompts mixed by a linear gate over the largest embeddings") { check_mix<PooledPrompts>(); }
TEST_CASE("LoRA blocks under gates that do not compete, with stick-breaking heads") { check_mix<OpenGates>(); }
TEST_CASE("DAPT's attention over SETA's sparse deltas") { check_mix<SparseDapt>(); }
TEST_CASE("SETA over neurons above PMoE's shallow LoRA") { check_mix<NeuronSeta>(); }
TEST_CASE("SETA over ranks with stick-breaking heads") { check_mix<RankSeta>(); }
TEST_CASE("SETA under one softmax over the experts") { check_mix<FlatSeta>(); }

}  // namespace cmoe::mixes_test
