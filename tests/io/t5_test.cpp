#include <doctest/doctest.h>

#include "cmoe/cpu/cpu.hpp"
#include "cmoe/io/t5_folder.hpp"
#include "io/samples.hpp"

namespace cmoe::t5_test {

using B = Cpu<float>;
using samples::refusal;

namespace {

T5::Config small(bool second = false, bool tied = true) {
  T5::Config c;
  c.vocabulary = 11, c.width = 6, c.encoder_layers = 2, c.decoder_layers = 1, c.heads = 2, c.head_size = 4, c.hidden = 10, c.context = 20;
  c.buckets = 8, c.max_distance = 16, c.start = 3, c.tied = tied;
  if (second) c.gated = true, c.activation = Activation::gelu_tanh, c.scaled_output = false;
  return c;
}

std::vector<float> logits(const T5::On<B>& model) {
  Flow<B> flow;
  const Tensor<B> memory = model.encode(Ids<B>({1, 4}, {1, 2, 3, 4}), flow);
  return model.decode(Ids<B>({1, 2}, {3, 5}), memory, flow).values();
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// The folder's tensors under a change, read as float.
samples::Refusal with(const std::function<void(SafeTensorsWriter&, const StoredTensor&)>& deal, bool second, const char* config = "{}",
                      const std::function<void(const T5::On<B>&)>& look = {}) {
  const samples::Folder folder;
  write_hf_t5<B>(folder.path() / "m", T5::On<B>(small(second), Rng(5)));
  Json json = read_json(folder.path() / "m/config.json");
  json.merge_patch(Json::parse(config));
  SafeTensorsWriter writer;
  const SafeTensors all = SafeTensors::open(folder.path() / "m/model.safetensors");
  for (const StoredTensor& t : all.tensors()) deal(writer, t);
  std::filesystem::create_directory(folder.path() / "other");
  writer.save(folder.path() / "other/model.safetensors");
  folder.write("other/config.json", json.dump());
  return refusal([&] {
    const auto model = read_hf_t5<B>(folder.path() / "other");
    if (look) look(model);
  });
}

void copy(SafeTensorsWriter& w, const StoredTensor& t) { w.add(t.name, t.dtype, t.shape, t.bytes); }

// The table of tokens once more under another name.
void copy_and(SafeTensorsWriter& w, const StoredTensor& t, const std::string& name) {
  copy(w, t);
  if (t.name == "shared.weight") w.add(name, t.dtype, t.shape, t.bytes);
}

}  // namespace

TEST_CASE("a T5 folder that was written is read with the same bits: 1.0, 1.1 with an output layer of its own, 1.1 tied") {
  for (const auto& [second, tied] : {std::pair(false, true), std::pair(true, false), std::pair(true, true)}) {
    const T5::On<B> model(small(second, tied), Rng(5));
    const samples::Folder folder;
    write_hf_t5<B>(folder.path() / "m", model, {.begin = {}, .ends = {1}});
    CHECK(is_t5_folder(folder.path() / "m"));
    const auto read = read_hf_t5<B>(folder.path() / "m");
    CHECK(hash(read) == hash(model));
    CHECK(logits(read) == logits(model));
    CHECK((read.config.tied == tied && read.config.scaled_output == !second && read.config.start == 3 && read.config.context == 20));
    CHECK(read_hf_special_ids(folder.path() / "m").ends == std::vector<Id>{1});
    CHECK(refusal([&] { write_hf_t5<B>(folder.path() / "m", model); }).kind == ErrorKind::file);
  }
  const samples::Folder folder;
  for (const bool feed : {false, true}) {
    T5::Config other = small();
    if (feed) other.activation = Activation::silu;
    else other.tied = false;
    const auto got = refusal([&] { write_hf_t5<B>(folder.path() / "m", T5::On<B>(other, Rng(1))); });
    CHECK((got.thrown && got.kind == ErrorKind::config));
  }
}

TEST_CASE("copies of the embedding and biases that T5 never used are passed over; where outputs are not scaled lm_head.weight counts") {
  const auto tied = [](const T5::On<B>& m) { CHECK(m.config.tied); };
  const auto untied = [](const T5::On<B>& m) { CHECK_FALSE(m.config.tied); };
  for (const char* name : {"encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "lm_head.weight"})
    CHECK(with([&](auto& w, const auto& t) { copy_and(w, t, name); }, false, "{}", tied).text.empty());
  CHECK(with([&](auto& w, const auto& t) { copy_and(w, t, "lm_head.weight"); }, true, "{}", untied).text.empty());
  CHECK(with([&](auto& w, const auto& t) {
          copy(w, t);
          if (has(t.name, "encoder.block.0.layer.0.SelfAttention.relative"))
            w.add("decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight", t.dtype, t.shape, t.bytes);
        }, false, "{}", tied).text.empty());
  // as transformers before 5 wrote 1.1: not tied, and no word about the scale
  CHECK(with([&](auto& w, const auto& t) { copy_and(w, t, "lm_head.weight"); }, true, R"({"tie_word_embeddings": false, "scale_decoder_outputs": null})", untied).text.empty());
  CHECK(has(with(copy, true, R"({"tie_word_embeddings": false, "scale_decoder_outputs": null})").text, "no tensor 'lm_head.weight'"));
}

TEST_CASE("T5's keys that change the mathematics, and tensors that do not fit, are refused by name") {
  const auto key = [](const char* change) {
    const auto got = with(copy, false, change);
    CHECK((!got.thrown || got.kind == ErrorKind::format));
    return got.text;
  };
  CHECK(key(R"({"dropout_rate": 0.1, "dense_act_fn": "relu", "is_gated_act": false, "initializer_factor": 1.0, "task_specific_params": {}})").empty());
  const std::pair<const char*, const char*> cases[] = {
      {R"({"feed_forward_proj": "gated-silu"})", "'feed_forward_proj' is gated-silu"}, {R"({"feed_forward_proj": "gelu"})", "'feed_forward_proj' is gelu"},
      {R"({"feed_forward_proj": "gated-gelu"})", "no tensor 'encoder.block.0.layer.1.DenseReluDense.wi_0.weight'"}, {R"({"dense_act_fn": "silu"})", "dense_act_fn"},
      {R"({"is_gated_act": true})", "is_gated_act"}, {R"({"is_encoder_decoder": false})", "is_encoder_decoder"}, {R"({"is_decoder": true})", "is_decoder"},
      {R"({"model_type": "mt5"})", "mt5, not t5"}, {R"({"num_layers": 0})", "'num_layers' is 0"}, {R"({"num_layers": 3})", "no tensor 'encoder.block.2."},
      {R"({"d_kv": 5})", "expected (10,6)"}, {R"({"relative_attention_num_buckets": 7})", "7 buckets"}, {R"({"relative_attention_max_distance": 4})", "distances up to 4"},
      {R"({"decoder_start_token_id": 11})", "starts with token 11"}, {R"({"layer_norm_epsilon": 1})", "layer_norm_epsilon"},
      {R"({"quantization_config": {"bits": 4}})", "quantization_config"}, {R"({"vocab_size": 12})", "expected (12,6)"}};
  for (const auto& [change, words] : cases) CHECK_MESSAGE(has(key(change), words), change << " -> " << key(change));
  CHECK(has(with([](auto& w, const auto& t) { copy_and(w, t, "decoder.block.1.more"); }, false).text, "'decoder.block.1.more' has no place"));
  const auto bad = with([](auto& w, const auto& t) {
    auto values = t.template values<float>();
    if (t.name == "shared.weight") values[5] = std::numeric_limits<float>::infinity();
    w.add(t.name, t.shape, std::span<const float>(values));
  }, false);
  CHECK(bad.kind == ErrorKind::numeric);
  CHECK(has(bad.text, "shared.weight"));
}

}  // namespace cmoe::t5_test
