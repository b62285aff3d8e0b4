#include <doctest/doctest.h>

#include "cmoe/cpu/cpu.hpp"
#include "cmoe/io/hf_folder.hpp"
#include "io/samples.hpp"

namespace cmoe::hf_test {

using B = Cpu<float>;
using samples::refusal;

namespace {

Llama::Config small(bool bias = false, bool norm = false) {
  Llama::Config c;
  c.vocabulary = 11, c.width = 8, c.layers = 2, c.heads = 2, c.kv_heads = 1, c.hidden = 12, c.context = 16, c.tied = false;
  c.qkv_bias = bias, c.head_norm = norm;
  return c;
}

Json config(const char* change = "{}") {
  Json json = Json::parse(R"({"model_type": "llama", "vocab_size": 11, "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 1, "intermediate_size": 12, "max_position_embeddings": 16, "rms_norm_eps": 1e-5, "tie_word_embeddings": false})");
  json.merge_patch(Json::parse(change));
  return json;
}
std::string refused(const char* change) {
  const auto got = refusal([&] { hf_decoder_config(config(change), "config.json"); });
  CHECK((!got.thrown || got.kind == ErrorKind::format));
  return got.text;
}
bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// The folder's tensors dealt to two shards, with an index.
void shard(const Path& folder, const std::function<void(Json&)>& change = {}) {
  const SafeTensors all = SafeTensors::open(folder / "model.safetensors");
  Json index = {{"metadata", {{"total_size", 1}}}, {"weight_map", Json::object()}};
  SafeTensorsWriter parts[2];
  std::size_t i = 0;
  for (const StoredTensor& t : all.tensors()) {
    parts[i % 2].add(t.name, t.dtype, t.shape, t.bytes);
    index["weight_map"][t.name] = i++ % 2 == 0 ? "one.safetensors" : "two.safetensors";
  }
  parts[0].save(folder / "one.safetensors");
  parts[1].save(folder / "two.safetensors");
  if (change) change(index);
  std::filesystem::remove(folder / "model.safetensors");
  write_file_atomically(folder / "model.safetensors.index.json", index.dump());
}

}  // namespace

TEST_CASE("a folder that was written is read with the same bits, whatever the family") {
  for (const auto& [bias, norm] : {std::pair(false, false), std::pair(true, false), std::pair(false, true)}) {
    Llama::Config c = small(bias, norm);
    c.tied = norm;
    c.rotary_scaling = {.kind = RotaryScaling::Kind::llama3, .factor = 8, .low_frequency = 1, .high_frequency = 4, .context = 8};
    const Llama::On<B> model(c, Rng(5));
    const samples::Folder folder;
    write_hf_llama<B>(folder.path() / "m", model, {.begin = 1, .ends = {2, 3}});
    const auto read = read_hf_llama<B>(folder.path() / "m");
    CHECK(hash(read) == hash(model));
    const Ids<B> ids({1, 3}, {4, 10, 7});
    CHECK(read(ids, {}).logits.values() == model(ids, {}).logits.values());
    const SpecialIds special = read_hf_special_ids(folder.path() / "m");
    CHECK((special.begin == 1 && special.ends == std::vector<Id>{2, 3}));
    CHECK(refusal([&] { write_hf_llama<B>(folder.path() / "m", model); }).kind == ErrorKind::file);
    shard(folder.path() / "m");
    CHECK(hash(read_hf_llama<B>(folder.path() / "m")) == hash(model));
  }
}

TEST_CASE("a gpt2 folder that was written is read with the same bits, with and without a prefix of its names and with old buffers") {
  Llama::Config c;
  static_cast<DecoderConfig&>(c) = DecoderConfig::gpt2();
  c.vocabulary = 11, c.width = 6, c.layers = 2, c.heads = c.kv_heads = 2, c.hidden = 10, c.context = 7;
  for (const bool tied : {true, false}) {
    c.tied = tied;
    Llama::On<B> model(c, Rng(5));
    for_each_param(model, [](const std::string& name, Param<B>& p) {
      if (name.ends_with(".bias")) p.assign(init::normal<B>(p.shape(), 1, Rng(5).fork(name)).values());
    });
    const samples::Folder folder;
    const Path whole = folder.path() / "m", bare = folder.path() / "bare";
    write_hf_llama<B>(whole, model);
    const SafeTensors all = SafeTensors::open(whole / "model.safetensors");
    CHECK(all.at("transformer.h.1.attn.c_attn.weight").shape == Shape{6, 18});
    CHECK(hash(read_hf_llama<B>(whole)) == hash(model));
    CHECK(hash(read_hf_llama<B>(whole, 3)) == hash(model));  // a learned table is read whole

    SafeTensorsWriter writer;
    for (const StoredTensor& t : all.tensors())
      writer.add(t.name.starts_with("transformer.") ? t.name.substr(12) : t.name, t.dtype, t.shape, t.bytes);
    const std::vector<float> mask(49, 1);
    writer.add<float>("h.0.attn.bias", {1, 1, 7, 7}, mask);
    writer.add<float>("h.1.attn.masked_bias", {}, std::span(mask).first(1));
    std::filesystem::create_directory(bare);
    writer.save(bare / "model.safetensors");
    std::filesystem::copy(whole / "config.json", bare / "config.json");
    CHECK(hash(read_hf_llama<B>(bare)) == hash(model));
    shard(bare);
    CHECK(hash(read_hf_llama<B>(bare)) == hash(model));
  }
}

TEST_CASE("gpt2's keys that change the mathematics are refused, and decoders that no model type describes are not written") {
  const auto with = [](const char* change) {
    Json json = Json::parse(R"({"model_type": "gpt2", "vocab_size": 11, "n_embd": 6, "n_layer": 2, "n_head": 2, "n_positions": 7})");
    json.merge_patch(Json::parse(change));
    const auto got = refusal([&] { hf_decoder_config(json, "config.json"); });
    CHECK((!got.thrown || got.kind == ErrorKind::format));
    return got.text;
  };
  CHECK(with(R"({"n_inner": null, "n_ctx": 7, "attn_pdrop": 0.1, "reorder_and_upcast_attn": true, "activation_function": "gelu_new"})").empty());
  const std::pair<const char*, const char*> cases[] = {
      {R"({"activation_function": "gelu"})", "'activation_function' is \"gelu\""}, {R"({"scale_attn_weights": false})", "'scale_attn_weights' is false"},
      {R"({"scale_attn_by_inverse_layer_idx": true})", "scale_attn_by_inverse_layer_idx"}, {R"({"add_cross_attention": true})", "add_cross_attention"},
      {R"({"pruned_heads": {"0": [1]}})", "pruned_heads"}, {R"({"n_head": 4})", "'n_embd' 6 is not a multiple of 4 heads"}, {R"({"n_positions": 0})", "n_positions"},
      {R"({"quantization_config": {"bits": 8}})", "quantization_config"}, {R"({"layer_norm_epsilon": 0})", "layer_norm_epsilon"}};
  for (const auto& [change, words] : cases) CHECK_MESSAGE(has(with(change), words), change << " -> " << with(change));
  DecoderConfig c = DecoderConfig::gpt2();
  CHECK(hf_config_json(c)["model_type"] == "gpt2");
  c.kv_heads = 2;
  CHECK(refusal([&] { hf_config_json(c); }).kind == ErrorKind::config);
  c = DecoderConfig();
  c.activation = Activation::relu;
  CHECK(refusal([&] { hf_config_json(c); }).kind == ErrorKind::config);
}

TEST_CASE("half and bfloat16 folders are read as rounded") {
  const Llama::On<B> model(small(), Rng(5));
  for (DType dtype : {DType::f16, DType::bf16}) {
    const samples::Folder folder;
    write_hf_llama<B>(folder.path() / "m", model, {}, dtype);
    const auto read = read_hf_llama<Cpu<double>>(folder.path() / "m");
    const auto ours = model.norm.weight.values(), theirs = model.embedding.weight.values();
    const auto back = read.embedding.weight.values();
    for (std::size_t i = 0; i < back.size(); ++i)
      CHECK(back[i] == static_cast<double>(dtype == DType::f16 ? from_half(to_half(theirs[i])) : from_bfloat16(to_bfloat16(theirs[i]))));
    CHECK(ours.size() == 8);
  }
}

TEST_CASE("index and shards must say the same") {
  const Llama::On<B> model(small(), Rng(5));
  const auto with = [&](const std::function<void(Json&)>& change, const std::function<void(const Path&)>& after = {}) {
    const samples::Folder folder;
    write_hf_llama<B>(folder.path() / "m", model);
    shard(folder.path() / "m", change);
    if (after) after(folder.path() / "m");
    return refusal([&] { read_hf_llama<B>(folder.path() / "m"); });
  };
  CHECK_FALSE(with([](Json&) {}).thrown);
  CHECK(with([](Json&) {}, [](const Path& f) { std::filesystem::remove(f / "two.safetensors"); }).kind == ErrorKind::file);
  CHECK(has(with([](Json& j) { j["weight_map"].erase("lm_head.weight"); }).text, "does not name tensor 'lm_head.weight'"));
  CHECK(has(with([](Json& j) { j["weight_map"]["more"] = "one.safetensors"; }).text, "'more' is not in one.safetensors"));
  CHECK(has(with([](Json& j) {
              auto& place = j["weight_map"]["lm_head.weight"];
              place = place == "one.safetensors" ? "two.safetensors" : "one.safetensors";
            }).text, "belongs to"));
  for (const char* file : {"../one.safetensors", "/tmp/one.safetensors", "a/b.safetensors", "", "one.bin", ".safetensors", "..safetensors"})
    CHECK(has(with([&](Json& j) { j["weight_map"]["lm_head.weight"] = file; }).text, "is not a .safetensors file of this folder"));
  CHECK(has(with([](Json& j) { j["weight_map"]["lm_head.weight"] = 3; }).text, "is no text"));
  CHECK(has(with([](Json& j) { j = Json::array(); }).text, "weight_map"));
  const samples::Folder empty;
  empty.write("config.json", config().dump());
  CHECK(refusal([&] { read_hf_llama<B>(empty.path()); }).kind == ErrorKind::file);
}

TEST_CASE("tensors that are missing, of another shape or type, not finite or without a place are named") {
  const Llama::On<B> model(small(), Rng(5));
  const samples::Folder folder;
  write_hf_llama<B>(folder.path() / "m", model);
  const SafeTensors all = SafeTensors::open(folder.path() / "m" / "model.safetensors");
  const auto with = [&](const std::function<void(SafeTensorsWriter&, const StoredTensor&)>& deal, const Json& json = config()) {
    SafeTensorsWriter writer;
    for (const StoredTensor& t : all.tensors()) deal(writer, t);
    const samples::Folder other;
    writer.save(other.path() / "model.safetensors");
    other.write("config.json", json.dump());
    return refusal([&] { read_hf_llama<B>(other.path()); });
  };
  const auto copy = [](SafeTensorsWriter& w, const StoredTensor& t) { w.add(t.name, t.dtype, t.shape, t.bytes); };
  CHECK_FALSE(with(copy).thrown);
  const std::string chosen = "model.layers.1.mlp.up_proj.weight";
  CHECK(has(with([&](auto& w, const auto& t) { if (t.name != chosen) copy(w, t); }).text, "no tensor '" + chosen));
  CHECK(has(with([&](auto& w, const auto& t) { w.add(t.name, t.dtype, t.name == chosen ? Shape{8, 12} : t.shape, t.bytes); }).text, "is (8,12), expected (12,8)"));
  CHECK(has(with([&](auto& w, const auto& t) { w.add(t.name, t.name == chosen ? DType::i32 : t.dtype, t.shape, t.bytes); }).text, "is I32"));
  CHECK(has(with([&](auto& w, const auto& t) { copy(w, t); if (t.name == chosen) w.add("model.layers.1.self_attn.q_proj.bias", t.dtype, t.shape, t.bytes); }).text, "has no place"));
  CHECK_FALSE(with([&](auto& w, const auto& t) { copy(w, t); if (t.name == chosen) w.add("model.layers.1.self_attn.rotary_emb.inv_freq", t.dtype, t.shape, t.bytes); }).thrown);
  const auto bad = with([&](auto& w, const auto& t) {
    auto values = t.template values<float>();
    if (t.name == chosen) values[5] = std::numeric_limits<float>::quiet_NaN();
    w.add(t.name, t.shape, std::span<const float>(values));
  });
  CHECK(bad.kind == ErrorKind::numeric);
  CHECK(has(bad.text, chosen));
  CHECK(has(with(copy, config(R"({"num_hidden_layers": 16777216})")).text, "no tensor 'model.layers.2."));
  CHECK(has(with(copy, config(R"({"vocab_size": 16777216})")).text, "expected (16777216,8)"));
  CHECK_FALSE(with(copy, config(R"({"max_position_embeddings": 16777216})")).thrown);  // no more than usual_context is prepared
}

TEST_CASE("keys that change the mathematics are refused by name, others are passed over") {
  CHECK(refused("{}").empty());
  CHECK(refused(R"({"torch_dtype": "bfloat16", "use_cache": true, "architectures": ["X"], "pretraining_tp": 2, "attention_bias": false,
    "hidden_act": "silu", "rope_scaling": null, "sliding_window": 4096, "quantization_config": null, "pruned_heads": {}, "anything": 1})").empty());
  const std::pair<const char*, const char*> cases[] = {
      {R"({"hidden_act": "gelu"})", "'hidden_act' is \"gelu\""}, {R"({"attention_bias": true})", "'attention_bias' is true"},
      {R"({"mlp_bias": true})", "mlp_bias"}, {R"({"quantization_config": {"bits": 4}})", "quantization_config"},
      {R"({"partial_rotary_factor": 0.5})", "partial_rotary_factor"}, {R"({"num_local_experts": 8})", "num_local_experts"},
      {R"({"use_sliding_window": true})", "use_sliding_window"}, {R"({"logit_scale": 0.5})", "logit_scale"},
      {R"({"layer_types": ["full_attention", "sliding_attention"]})", "sliding_attention"}, {R"({"layer_types": ["full_attention"]})", "1 layers of 2"},
      {R"({"rope_scaling": {"type": "dynamic", "factor": 2}})", "dynamic"}, {R"({"rope_scaling": {"rope_type": "yarn", "factor": 2}})", "yarn"},
      {R"({"rope_scaling": {"rope_type": "linear"}})", "'factor' is missing"}, {R"({"rope_scaling": {"rope_type": "linear", "factor": 0}})", "'factor' is 0"},
      {R"({"rope_scaling": {"rope_type": "llama3", "factor": 8}})", "low_freq_factor"}, {R"({"rope_scaling": 3})", "must be an object"},
      {R"({"rope_scaling": {"rope_type": "linear", "type": "dynamic", "factor": 2}})", "differ"},
      {R"({"rope_theta": 1e4, "rope_parameters": {"rope_theta": 1e5}})", "stands twice"}, {R"({"rope_theta": 0})", "rope_theta"},
      {R"({"model_type": "gemma"})", "gemma"}, {R"({"model_type": "mistral", "max_position_embeddings": 8192})", "'sliding_window' is 4096"},
      {R"({"num_attention_heads": 3})", "no 'head_dim'"}, {R"({"num_key_value_heads": 3})", "evenly"}, {R"({"head_dim": 3})", "not even"},
      {R"({"hidden_size": 0})", "'hidden_size' is 0"}, {R"({"vocab_size": -1})", "-1"}, {R"({"intermediate_size": 1e9})", "intermediate_size"},
      {R"({"num_hidden_layers": 2147483648})", "2147483648"}, {R"({"num_attention_heads": null})", "missing"}, {R"({"rms_norm_eps": 0})", "rms_norm_eps"},
      {R"({"num_attention_heads": 16777216, "num_key_value_heads": 16777216, "head_dim": 16777216})", "too many"}};
  for (const auto& [change, words] : cases) CHECK_MESSAGE(has(refused(change), words), change << " -> " << refused(change));
  CHECK(refused(R"({"model_type": "mistral", "sliding_window": null})").empty());
  const DecoderConfig qwen3 = hf_decoder_config(config(R"({"model_type": "qwen3", "rope_theta": 1e6})"), "c");
  CHECK((qwen3.head() == 128 && qwen3.head_norm && !qwen3.qkv_bias && qwen3.rotary_base == 1e6));
  CHECK(hf_decoder_config(config(R"({"rope_scaling": {"type": "linear", "factor": 4}})"), "c").rotary_scaling.kind == RotaryScaling::Kind::linear);
  for (const char* ids : {R"({"eos_token_id": -1})", R"({"eos_token_id": "a"})", R"({"eos_token_id": [1, 2.5]})", R"({"bos_token_id": 2147483648})", "[]"})
    CHECK(refusal([&] { hf_special_ids(Json::parse(ids), "g.json"); }).kind == ErrorKind::format);
}

}  // namespace cmoe::hf_test
