// Hugging Face folders of T5 1.0 and 1.1: config.json with model.safetensors or its shards, read and written.
#pragma once

#include "cmoe/io/hf_folder.hpp"
#include "cmoe/models/t5.hpp"

namespace cmoe {

namespace detail {

struct T5Name {
  const char *ours, *stored;
  int layer;  // "layer.N." in front of the stored name; feed-forward layers come last, the encoder's without a cross-attention before
};

inline constexpr T5Name t5_outer_names[] = {
    {"embedding.weight", "shared.weight", 0},
    {"encoder_bias.weight", "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight", 0},
    {"decoder_bias.weight", "decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight", 0},
    {"encoder_norm.weight", "encoder.final_layer_norm.weight", 0},
    {"decoder_norm.weight", "decoder.final_layer_norm.weight", 0}};

// Behind "encoder.N." or "decoder.N." here, "encoder.block.N.layer.M." there; matrices lie as (out,in).
inline constexpr T5Name t5_layer_names[] = {
    {"mix_norm.weight", "layer_norm.weight", 0},
    {"mix.query.base.weight", "SelfAttention.q.weight", 0},
    {"mix.key.base.weight", "SelfAttention.k.weight", 0},
    {"mix.value.base.weight", "SelfAttention.v.weight", 0},
    {"mix.output.base.weight", "SelfAttention.o.weight", 0},
    {"cross_norm.weight", "layer_norm.weight", 1},
    {"cross.query.base.weight", "EncDecAttention.q.weight", 1},
    {"cross.key.base.weight", "EncDecAttention.k.weight", 1},
    {"cross.value.base.weight", "EncDecAttention.v.weight", 1},
    {"cross.output.base.weight", "EncDecAttention.o.weight", 1},
    {"feed_norm.weight", "layer_norm.weight", 2},
    {"feed.gate.base.weight", "DenseReluDense.wi_0.weight", 2},
    {"feed.up.base.weight", "DenseReluDense.wi.weight", 2},  // wi_1 beside a gate
    {"feed.down.base.weight", "DenseReluDense.wo.weight", 2}};

}  // namespace detail

// throws Error (misuse) for a parameter that T5 without deltas does not have
inline StoredName t5_name(const T5Config& c, const std::string& ours) {
  if (ours == "head.weight") return {"lm_head.weight", true};
  for (const detail::T5Name& entry : detail::t5_outer_names)
    if (ours == entry.ours) return {entry.stored, false};
  const std::size_t layer = ours.find('.'), part = ours.find('.', layer + 1);
  const bool encoder = ours.starts_with("encoder."), decoder = ours.starts_with("decoder.");
  if ((encoder || decoder) && part != std::string::npos) {
    const std::string rest = ours.substr(part + 1);
    for (const detail::T5Name& entry : detail::t5_layer_names) {
      if (rest != entry.ours) continue;
      const std::string stored = c.gated && rest == "feed.up.base.weight" ? "DenseReluDense.wi_1.weight" : entry.stored;
      return {ours.substr(0, layer) + ".block." + ours.substr(layer + 1, part - layer) + "layer." +
                  std::to_string(encoder && entry.layer == 2 ? 1 : entry.layer) + "." + stored,
              rest.find("norm") == std::string::npos};
    }
  }
  fail(ErrorKind::misuse, "t5: without deltas it has no parameter ", ours);
}

// f(name, shape) for every parameter of a T5 of these sizes without deltas, before there is one.
template <class F>
void for_each_t5_param(const T5Config& c, F&& f) {
  const Index inner = checked_product(c.heads, c.head_size);
  f("embedding.weight", Shape{c.vocabulary, c.width});
  for (const bool decoder : {false, true}) {
    const std::string stack = decoder ? "decoder" : "encoder";
    f(stack + "_bias.weight", Shape{c.buckets, c.heads});
    for (Index l = 0; l < (decoder ? c.decoder_layers : c.encoder_layers); ++l) {
      const std::string layer = stack + "." + std::to_string(l) + ".";
      for (const char* mix : {"mix", "cross"}) {
        if (!decoder && std::string(mix) == "cross") continue;
        f(layer + mix + "_norm.weight", Shape{c.width});
        for (const char* map : {".query", ".key", ".value"}) f(layer + mix + map + ".base.weight", Shape{c.width, inner});
        f(layer + mix + ".output.base.weight", Shape{inner, c.width});
      }
      f(layer + "feed_norm.weight", Shape{c.width});
      if (c.gated) f(layer + "feed.gate.base.weight", Shape{c.width, c.hidden});
      f(layer + "feed.up.base.weight", Shape{c.width, c.hidden});
      f(layer + "feed.down.base.weight", Shape{c.hidden, c.width});
    }
    f(stack + "_norm.weight", Shape{c.width});
  }
  if (!c.tied) f("head.weight", Shape{c.width, c.vocabulary});
}

// Read: vocab_size, d_model, d_kv, d_ff, num_layers, num_decoder_layers, num_heads, relative_attention_num_buckets,
//   relative_attention_max_distance, layer_norm_epsilon, feed_forward_proj (relu, gated-gelu), tie_word_embeddings,
//   scale_decoder_outputs (where it is missing, tied outputs are scaled), decoder_start_token_id (else pad_token_id), n_positions.
// Refused unless they say what T5 computes anyway: dense_act_fn, is_gated_act, is_encoder_decoder, is_decoder, add_cross_attention,
//   quantization_config, pruned_heads.
// Passed over: every other key, dropout among them.
// throws Error (format) naming the key and its value
inline T5Config hf_t5_config(const Json& json, const std::string& name) {
  const auto type = required<std::string>(json, "model_type", name);
  check(type == "t5", ErrorKind::format, name, ": 'model_type' is ", printable(type), ", not t5");
  const auto size = [&](const char* key, std::optional<Index> otherwise = {}) { return detail::model_size(json, key, name, otherwise); };
  T5Config c;
  c.vocabulary = size("vocab_size");
  c.width = size("d_model");
  c.head_size = size("d_kv");
  c.hidden = size("d_ff");
  c.encoder_layers = size("num_layers");
  c.decoder_layers = size("num_decoder_layers", c.encoder_layers);
  c.heads = size("num_heads");
  c.buckets = size("relative_attention_num_buckets", 32);
  c.max_distance = size("relative_attention_max_distance", 128);
  c.context = size("n_positions", 512);
  c.norm_epsilon = optional<double>(json, "layer_norm_epsilon", name).value_or(1e-6);
  const auto feed = optional<std::string>(json, "feed_forward_proj", name).value_or("relu");
  check(feed == "relu" || feed == "gated-gelu", ErrorKind::format, name, ": 'feed_forward_proj' is ", printable(feed),
        ", which is not computed here (relu and gated-gelu are)");
  c.gated = feed == "gated-gelu";
  c.activation = c.gated ? Activation::gelu_tanh : Activation::relu;
  c.tied = optional<bool>(json, "tie_word_embeddings", name).value_or(true);
  c.scaled_output = optional<bool>(json, "scale_decoder_outputs", name).value_or(c.tied);
  const auto start = optional<Index>(json, "decoder_start_token_id", name), padding = optional<Index>(json, "pad_token_id", name);
  const Index first = start ? *start : padding.value_or(0);
  check(first >= 0 && first < c.vocabulary, ErrorKind::format, name, ": the decoder starts with token ", first, " of ", c.vocabulary);
  c.start = static_cast<Id>(first);
  check(c.norm_epsilon > 0 && c.norm_epsilon < 1, ErrorKind::format, name, ": 'layer_norm_epsilon' is ", c.norm_epsilon);
  check(c.heads * c.head_size < Index{1} << 31, ErrorKind::format, name, ": ", c.heads, " heads of size ", c.head_size, " are too many");
  check(c.buckets >= 4 && c.buckets % 2 == 0 && c.max_distance > c.buckets / 2, ErrorKind::format, name, ": ", c.buckets,
        " buckets for distances up to ", c.max_distance, " make no sense");
  detail::expect_plain(json, "dense_act_fn", {c.gated ? "gelu_new" : "relu"}, name);
  detail::expect_plain(json, "is_gated_act", {c.gated}, name);
  detail::expect_plain(json, "is_encoder_decoder", {true}, name);
  for (const char* key : {"is_decoder", "add_cross_attention"}) detail::expect_plain(json, key, {false}, name);
  detail::expect_plain(json, "quantization_config", {}, name);
  detail::expect_plain(json, "pruned_heads", {Json::object()}, name);
  return c;
}

// Whether the folder holds a T5. throws Error (file) if it has no config.json
inline bool is_t5_folder(const Path& folder) {
  const Path config = folder / "config.json";
  return optional<std::string>(read_json(config), "model_type", config.string()) == "t5";
}

// T5 out of a folder. An lm_head.weight is the output layer where outputs are not scaled, as T5 1.1 was published, and else passed over as
// a copy of the embedding; so are encoder.embed_tokens.weight, decoder.embed_tokens.weight, and the biases of cross-attention that old
// files hold and T5 never used.
// throws Error (file), (format) naming the file, the key or the tensor with its shapes, (numeric) for NaN and infinity
template <class B>
T5::On<B> read_hf_t5(const Path& folder) {
  const Path file = folder / "config.json";
  T5::Config config;
  static_cast<T5Config&>(config) = hf_t5_config(read_json(file), file.string());
  const TensorFolder tensors(folder);
  if (!config.scaled_output && tensors.find("lm_head.weight") != nullptr) config.tied = false;
  std::vector<std::string> names;
  for (const std::string& name : tensors.names())
    if (!name.ends_with(".embed_tokens.weight") && !name.ends_with(".EncDecAttention.relative_attention_bias.weight") &&
        !(config.tied && name == "lm_head.weight"))
      names.push_back(name);
  const auto source = tensor_source<typename B::Scalar>(tensors);
  detail::WantedTensors wanted(source);
  for_each_t5_param(config, [&](const std::string& ours, const Shape& shape) {
    const StoredName stored = t5_name(config, ours);
    wanted.expect(stored.name, stored.shape(shape));
  });
  wanted.nothing_else(names);
  T5::On<B> model(config, Rng(0), Pretrained::unfilled);
  std::vector<typename B::Scalar> turned;
  for_each_param(model, [&](const std::string& ours, Param<B>& p) { detail::fill_stored(p, source, t5_name(config, ours), 0, turned); });
  return model;
}

// Writes the folder, which must not be there yet; it appears complete or not at all. throws Error (config), (file)
template <class B>
void write_hf_t5(const Path& folder, const T5::On<B>& model, const SpecialIds& ids = {}) {
  check(!std::filesystem::exists(folder), ErrorKind::file, folder.string(), ": is there already; name a folder that is not");
  const T5Config& c = model.config;
  check(c.activation == (c.gated ? Activation::gelu_tanh : Activation::relu), ErrorKind::config, "config.json: no T5 has such a feed-forward layer");
  check(c.tied || !c.scaled_output, ErrorKind::config, "config.json: no T5 scales what an output layer of its own reads");
  OrderedJson json = {{"architectures", {"T5ForConditionalGeneration"}}, {"model_type", "t5"}, {"is_encoder_decoder", true},
                      {"vocab_size", c.vocabulary}, {"d_model", c.width}, {"d_kv", c.head_size}, {"d_ff", c.hidden},
                      {"num_layers", c.encoder_layers}, {"num_decoder_layers", c.decoder_layers}, {"num_heads", c.heads},
                      {"relative_attention_num_buckets", c.buckets}, {"relative_attention_max_distance", c.max_distance},
                      {"n_positions", c.context}, {"layer_norm_epsilon", c.norm_epsilon},
                      {"feed_forward_proj", c.gated ? "gated-gelu" : "relu"}, {"tie_word_embeddings", c.tied},
                      {"scale_decoder_outputs", c.scaled_output}, {"decoder_start_token_id", c.start}, {"pad_token_id", c.start},
                      {"torch_dtype", "float32"}};
  if (!ids.ends.empty()) json["eos_token_id"] = ids.ends.size() == 1 ? OrderedJson(ids.ends[0]) : OrderedJson(ids.ends);
  SafeTensorsWriter writer;
  writer.metadata["format"] = "pt";
  for_each_param(model, [&](const std::string& ours, const Param<B>& p) {
    const StoredName stored = t5_name(c, ours);
    const auto values = p.values();
    const std::vector<float> single(values.begin(), values.end());
    std::vector<float> all;
    put_stored<float>(stored, p.shape(), single, all);
    writer.add(stored.name, stored.shape(p.shape()), std::span<const float>(all));
  });
  write_folder_atomically(folder, [&](const Path& draft) {
    writer.save(draft / "model.safetensors");
    write_file_atomically(draft / "config.json", json.dump(1) + "\n");
  });
}

}  // namespace cmoe
