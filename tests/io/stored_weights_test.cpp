// Weights that stay as they lie in a file: the same model, the same gradients, less memory.
#include <doctest/doctest.h>

#include "cmoe/continual/sequential.hpp"
#include "cmoe/io/checkpoint.hpp"
#include "cmoe/io/hf_folder.hpp"
#include "cmoe/models/merged.hpp"
#include "cmoe/ops/loss.hpp"
#include "io/gguf_samples.hpp"

namespace cmoe::stored_weights_test {

using samples::GgufFile;
using samples::gguf;
using B = Cpu<float>;

namespace {

Llama::Config sizes(bool tied) {
  Llama::Config c;
  c.vocabulary = 11, c.width = 32, c.layers = 2, c.heads = 4, c.kv_heads = 2, c.hidden = 64, c.context = 16, c.tied = tied;
  return c;
}

Llama::On<B> opened(Weights weights, bool tied = false) {
  return make_llama<B>(Gguf::parse(gguf(Llama::On<B>(sizes(tied), Rng(3)), true).build(), "q.gguf"), 16, weights);
}

const Ids<B> ids({2, 5}, {1, 2, 3, 4, 5, 9, 8, 7, 6, 10});

LoraLlama::On<B> with_lora(const Llama::On<B>& backbone) {
  LoraLlama::Config config;
  static_cast<DecoderConfig&>(config) = backbone.config;
  LoraLlama::On<B> model(config, Rng(1), Pretrained::unfilled);
  share_parameters(backbone, model);
  model.add_task(Rng(5));
  for_each_param(model, [](const std::string& name, Param<B>& p) {
    if (name.ends_with(".b")) B::fill(p.size(), 0.02F, p.data());  // so that the blocks do something
  });
  return model;
}

float largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  REQUIRE(a.size() == b.size());
  float worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a[i] - b[i]));
  return worst;
}

}  // namespace

TEST_CASE("matrices left as they lie in a file give the logits of the unpacked model, tied or not") {
  for (const bool tied : {false, true}) {
    const auto stored = opened(Weights::stored, tied), unpacked = opened(Weights::unpacked, tied);
    Index kept = 0;
    for_each_param(stored, [&](const std::string&, const auto& p) { kept += p.stored() ? 1 : 0; });
    CHECK(kept == (tied ? 15 : 16));  // the embedding, seven maps of two layers, the head if it has one of its own
    CHECK(largest_difference(stored(ids, {}).logits.values(), unpacked(ids, {}).logits.values()) < 1e-5F);
    CHECK(hash(stored) == hash(unpacked));
    CHECK(parameter_count(stored) == parameter_count(unpacked));
  }
}

TEST_CASE("LoRA on stored matrices has the gradients it has on unpacked ones") {
  const auto stored = opened(Weights::stored), unpacked = opened(Weights::unpacked);
  std::map<std::string, std::vector<float>> gradients[2];
  for (const bool packed : {true, false}) {
    auto model = with_lora(packed ? stored : unpacked);
    Tape<B> tape;
    tape.backward(cross_entropy(model(ids, {}).logits, ids));
    for_each_param(model, [&](const std::string& name, const auto& p) {
      if (p.grad()) gradients[packed][name] = p.grad().values();
    });
  }
  CHECK(gradients[0].size() == 28);  // A and B of seven maps in two layers
  CHECK(gradients[1].size() == 28);
  for (const auto& [name, gradient] : gradients[0]) CHECK_MESSAGE(largest_difference(gradient, gradients[1].at(name)) < 1e-5F, name);
}

TEST_CASE("a stored matrix is frozen for good, has no data, and is unpacked by merging") {
  auto stored = opened(Weights::stored);
  Param<B>& weight = stored.deep.front().mix.query.base.weight;
  CHECK(weight.frozen());
  CHECK_THROWS_WITH_AS(weight.unfreeze(), "param: (32,32) is kept as it lies in a file, which cannot be trained; read the weights unpacked", Error);
  CHECK_THROWS_WITH_AS((void)weight.data(), "array: the values of (32,32) are kept as they lie in a file; only products and look-ups read them there", Error);
  CHECK_THROWS_AS(weight.assign(weight.values()), Error);
  CHECK_THROWS_AS((void)matmul(Tensor<B>({1, 32}, 1), weight), Error);

  const auto model = with_lora(stored);
  const auto plain = merged(model);
  for_each_param(plain, [](const std::string& name, const auto& p) { CHECK_MESSAGE(!p.stored(), name); });
  CHECK(largest_difference(plain(ids, {}).logits.values(), model(ids, {}).logits.values()) < 1e-4F);
}

TEST_CASE("a checkpoint leaves stored matrices out, and a model that reads it keeps its own") {
  const samples::Folder folder;
  const auto stored = opened(Weights::stored);
  RunState state;
  state.scores = ScoreMatrix(1);
  SeqLora<B> learner(with_lora(stored), {}, Rng(1));
  save_checkpoint<B>(folder.path() / "state.safetensors", learner, nullptr, state, "one");
  const SafeTensors file = SafeTensors::open(folder.path() / "state.safetensors");
  CHECK(file.find("model.layers.0.mix.query.base.weight") == nullptr);
  CHECK(file.find("model.layers.0.mix.query.delta.block.a") != nullptr);

  LoraLlama::On<B> fresh = with_lora(stored);
  for_each_param(fresh, [](const std::string& name, Param<B>& p) {
    if (name.ends_with(".b")) B::fill(p.size(), 9.0F, p.data());
  });
  SeqLora<B> other(std::move(fresh), {}, Rng(1));
  load_checkpoint<B>(folder.path() / "state.safetensors", other, nullptr);
  CHECK(other.model()(ids, {}).logits.values() == learner.model()(ids, {}).logits.values());
}

TEST_CASE("bfloat16 folders can stay as they are too, and damaged numbers are found in either case") {
  const samples::Folder folder;
  const Llama::On<B> model(sizes(false), Rng(3));
  write_hf_llama(folder.path() / "bf16", model, {}, DType::bf16);
  const auto stored = read_hf_llama<B>(folder.path() / "bf16", 16, Weights::stored), unpacked = read_hf_llama<B>(folder.path() / "bf16", 16);
  CHECK(stored.head.weight.stored());
  CHECK(largest_difference(stored(ids, {}).logits.values(), unpacked(ids, {}).logits.values()) < 1e-5F);

  write_hf_llama(folder.path() / "f32", model);
  CHECK_FALSE(read_hf_llama<B>(folder.path() / "f32", 16, Weights::stored).head.weight.stored());

  GgufFile broken = gguf(model, true);
  const std::size_t scale = broken.data.size() - static_cast<std::size_t>(11 * 32 / 32 * 34);  // the head's first block
  broken.data.replace(scale, 2, std::string("\x00\x7E", 2));
  for (const Weights weights : {Weights::stored, Weights::unpacked}) {
    try {
      make_llama<B>(Gguf::parse(broken.build(), "q.gguf"), 16, weights);
      FAIL("a NaN was read");
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::numeric);
      CHECK(std::string(error.what()).find("'output.weight' holds a number in rows 0 to") != std::string::npos);
    }
  }
}

}  // namespace cmoe::stored_weights_test
