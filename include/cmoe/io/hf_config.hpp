// config.json of a Hugging Face folder, read into the sizes of a decoder, and written back.
#pragma once

#include "cmoe/io/json.hpp"
#include "cmoe/models/decoder_config.hpp"

namespace cmoe {

// Positions that readers prepare at most unless they are asked for more: models say 131072 and more, few sequences need them.
inline constexpr Index usual_context = 32768;

// Model types: llama, mistral without a sliding window, qwen2, qwen3; and gpt2, below.
//
// Read: vocab_size, hidden_size, num_hidden_layers, num_attention_heads, num_key_value_heads, head_dim, intermediate_size,
//   max_position_embeddings, rms_norm_eps, tie_word_embeddings, rope_theta, rope_scaling, rope_parameters (types default, linear,
//   llama3). Where a key may be missing the default is the one of the model type.
// Refused unless they say what the decoder computes anyway: hidden_act (silu), attention_bias, qkv_bias, mlp_bias, use_bias,
//   quantization_config, sliding_window, use_sliding_window, layer_types (full_attention), partial_rotary_factor, rotary_pct,
//   rope_interleaved, no_rope_layers, attn_logit_softcapping, final_logit_softcapping, logit_scale, logits_scaling,
//   embedding_multiplier, residual_multiplier, attention_multiplier, query_pre_attn_scalar, use_qk_norm, qk_layernorm, num_experts,
//   num_local_experts, is_encoder_decoder, add_cross_attention, pruned_heads.
// Of gpt2, read: vocab_size, n_embd, n_layer, n_head, n_inner, n_positions, layer_norm_epsilon, tie_word_embeddings. Refused unless they
//   say what the decoder computes anyway: activation_function (gelu_new), scale_attn_weights, scale_attn_by_inverse_layer_idx,
//   add_cross_attention, is_encoder_decoder, quantization_config, pruned_heads.
// Passed over: every other key. Those that the model types have say nothing about the computation: architectures, dtype, torch_dtype,
//   use_cache, initializer_range, attention_dropout, pretraining_tp, max_window_layers, ids of special tokens, output_*,
//   transformers_version; of gpt2 also reorder_and_upcast_attn, *_pdrop, summary_*.
namespace detail {

// The key is absent, null, or one of the values that change nothing.
inline void expect_plain(const Json& json, const char* key, const std::vector<Json>& plain, const std::string& name) {
  const auto found = json.find(key);
  if (found == json.end() || found->is_null() || std::find(plain.begin(), plain.end(), *found) != plain.end()) return;
  fail(ErrorKind::format, name, ": '", key, "' is ", printable(found->dump(), 120), ", which this decoder does not compute");
}

// Number and factor of a rotary scaling object.
inline double positive_number(const Json& json, const char* key, const std::string& name) {
  const double x = required<double>(json, key, name);
  check(x > 0 && std::isfinite(x), ErrorKind::format, name, ": '", key, "' is ", x, ", it must be positive");
  return x;
}

inline Index model_size(const Json& json, const char* key, const std::string& name, std::optional<Index> otherwise = {}) {
  const auto found = optional<Index>(json, key, name);
  check(found || otherwise, ErrorKind::format, name, ": '", key, "' is missing");
  const Index n = found ? *found : *otherwise;
  check(n > 0 && n <= Index{1} << 24, ErrorKind::format, name, ": '", key, "' is ", n, ", which is not within 1 to 2^24");
  return n;
}

inline RotaryScaling hf_rotary_scaling(const Json& json, const std::string& name) {
  RotaryScaling scaling;
  expect_plain(json, "partial_rotary_factor", {1, 1.0}, name);
  const auto old_type = optional<std::string>(json, "type", name), type = optional<std::string>(json, "rope_type", name);
  check(!type || !old_type || *type == *old_type, ErrorKind::format, name, ": 'rope_type' and 'type' differ");
  const std::string kind = type ? *type : old_type.value_or("default");
  if (kind == "default") return scaling;
  check(kind == "linear" || kind == "llama3", ErrorKind::format, name, ": 'rope_type' is ", printable(kind),
        ", which this decoder does not compute (default, linear and llama3 it does)");
  scaling.kind = kind == "linear" ? RotaryScaling::Kind::linear : RotaryScaling::Kind::llama3;
  scaling.factor = positive_number(json, "factor", name);
  if (kind == "linear") return scaling;
  scaling.low_frequency = positive_number(json, "low_freq_factor", name);
  scaling.high_frequency = positive_number(json, "high_freq_factor", name);
  scaling.context = model_size(json, "original_max_position_embeddings", name);
  check(scaling.high_frequency > scaling.low_frequency, ErrorKind::format, name, ": 'high_freq_factor' ", scaling.high_frequency,
        " is not above 'low_freq_factor' ", scaling.low_frequency);
  return scaling;
}

inline void refuse_other_mathematics(const Json& json, const std::string& type, const DecoderConfig& c, const std::string& name) {
  expect_plain(json, "hidden_act", {"silu", "swish"}, name);
  for (const char* key : {"attention_bias", "mlp_bias", "use_bias", "rope_interleaved", "use_sliding_window", "is_encoder_decoder",
                          "add_cross_attention"})
    expect_plain(json, key, {false}, name);
  expect_plain(json, "qkv_bias", {c.qkv_bias}, name);
  for (const char* key : {"use_qk_norm", "qk_layernorm"}) expect_plain(json, key, {c.head_norm}, name);
  for (const char* key : {"partial_rotary_factor", "rotary_pct", "logit_scale", "logits_scaling", "embedding_multiplier", "residual_multiplier"})
    expect_plain(json, key, {1, 1.0}, name);
  for (const char* key : {"quantization_config", "no_rope_layers", "attn_logit_softcapping", "final_logit_softcapping", "attention_multiplier",
                          "query_pre_attn_scalar", "num_experts", "num_local_experts"})
    expect_plain(json, key, {}, name);
  expect_plain(json, "pruned_heads", {Json::object()}, name);
  const auto layers = optional<std::vector<std::string>>(json, "layer_types", name).value_or(std::vector<std::string>());
  check(layers.empty() || std::cmp_equal(layers.size(), c.layers), ErrorKind::format, name, ": 'layer_types' lists ", layers.size(), " layers of ",
        c.layers);
  for (const std::string& layer : layers)
    check(layer == "full_attention", ErrorKind::format, name, ": 'layer_types' has ", printable(layer), ", which this decoder does not compute");
  if (type != "mistral") return;  // llama has no window; qwen's is off unless use_sliding_window says otherwise
  const auto window = json.contains("sliding_window") ? optional<Index>(json, "sliding_window", name) : std::optional<Index>(4096);
  check(!window || *window >= c.context, ErrorKind::format, name, ": 'sliding_window' is ", window.value_or(0), " of ", c.context,
        " positions, which this decoder does not compute");
}

inline DecoderConfig hf_gpt2_config(const Json& json, const std::string& name) {
  DecoderConfig c = DecoderConfig::gpt2();
  c.vocabulary = model_size(json, "vocab_size", name);
  c.width = model_size(json, "n_embd", name);
  c.layers = model_size(json, "n_layer", name);
  c.heads = c.kv_heads = model_size(json, "n_head", name);
  c.hidden = model_size(json, "n_inner", name, 4 * c.width);
  c.context = model_size(json, "n_positions", name);
  c.norm_epsilon = optional<double>(json, "layer_norm_epsilon", name).value_or(1e-5);
  c.tied = optional<bool>(json, "tie_word_embeddings", name).value_or(true);
  check(c.norm_epsilon > 0 && c.norm_epsilon < 1, ErrorKind::format, name, ": 'layer_norm_epsilon' is ", c.norm_epsilon);
  check(c.width % c.heads == 0, ErrorKind::format, name, ": 'n_embd' ", c.width, " is not a multiple of ", c.heads, " heads");
  expect_plain(json, "activation_function", {"gelu_new", "gelu_pytorch_tanh"}, name);
  expect_plain(json, "scale_attn_weights", {true}, name);
  for (const char* key : {"scale_attn_by_inverse_layer_idx", "add_cross_attention", "is_encoder_decoder"}) expect_plain(json, key, {false}, name);
  expect_plain(json, "quantization_config", {}, name);
  expect_plain(json, "pruned_heads", {Json::object()}, name);
  return c;
}

}  // namespace detail

// `name` is how messages call the file. throws Error (format) naming the key and its value
inline DecoderConfig hf_decoder_config(const Json& json, const std::string& name) {
  const auto type = required<std::string>(json, "model_type", name);
  if (type == "gpt2") return detail::hf_gpt2_config(json, name);
  const bool llama = type == "llama", mistral = type == "mistral", qwen = type == "qwen2" || type == "qwen3";
  check(llama || mistral || qwen, ErrorKind::format, name, ": 'model_type' is ", printable(type), "; llama, mistral, qwen2, qwen3 and gpt2 are read");
  const auto size = [&](const char* key, std::optional<Index> otherwise = {}) { return detail::model_size(json, key, name, otherwise); };
  DecoderConfig c;
  c.vocabulary = size("vocab_size");
  c.width = size("hidden_size");
  c.layers = size("num_hidden_layers");
  c.heads = size("num_attention_heads");
  c.kv_heads = llama ? size("num_key_value_heads", c.heads) : size("num_key_value_heads");
  const bool named = optional<Index>(json, "head_dim", name).has_value();
  check(named || type == "qwen3" || c.width % c.heads == 0, ErrorKind::format, name, ": 'hidden_size' ", c.width, " is not a multiple of ", c.heads,
        " heads, and there is no 'head_dim'");
  c.head_size = size("head_dim", type == "qwen3" ? 128 : std::max<Index>(1, c.width / c.heads));
  c.hidden = size("intermediate_size");
  c.context = size("max_position_embeddings");
  c.norm_epsilon = optional<double>(json, "rms_norm_eps", name).value_or(1e-6);
  c.tied = optional<bool>(json, "tie_word_embeddings", name).value_or(false);
  c.qkv_bias = type == "qwen2";
  c.head_norm = type == "qwen3";
  check(c.norm_epsilon > 0 && c.norm_epsilon < 1, ErrorKind::format, name, ": 'rms_norm_eps' is ", c.norm_epsilon);
  check(c.heads % c.kv_heads == 0, ErrorKind::format, name, ": ", c.heads, " heads do not share ", c.kv_heads, " key heads evenly");
  check(c.head_size % 2 == 0, ErrorKind::format, name, ": the head size ", c.head_size, " is not even");
  check(c.heads * c.head_size < Index{1} << 31, ErrorKind::format, name, ": ", c.heads, " heads of size ", c.head_size, " are too many");

  const auto outer_base = optional<double>(json, "rope_theta", name);
  std::optional<double> inner_base;
  for (const char* key : {"rope_parameters", "rope_scaling"}) {
    const auto found = json.find(key);
    if (found == json.end() || found->is_null()) continue;
    check(found->is_object(), ErrorKind::format, name, ": '", key, "' must be an object");
    c.rotary_scaling = detail::hf_rotary_scaling(*found, name);
    inner_base = optional<double>(*found, "rope_theta", name);
    break;
  }
  check(!inner_base || !outer_base || *inner_base == *outer_base, ErrorKind::format, name, ": 'rope_theta' stands twice, ", outer_base.value_or(0), " and ",
        inner_base.value_or(0));
  c.rotary_base = inner_base ? *inner_base : outer_base.value_or(10000);
  check(c.rotary_base > 0 && std::isfinite(c.rotary_base), ErrorKind::format, name, ": 'rope_theta' is ", c.rotary_base, ", it must be positive");
  detail::refuse_other_mathematics(json, type, c, name);
  return c;
}

namespace detail {

inline OrderedJson hf_gpt2_config_json(const DecoderConfig& c) {
  check(c.norm == NormKind::layer && c.activation == Activation::gelu_tanh && !c.gated && c.bias && !c.head_norm && c.kv_heads == c.heads &&
            c.heads * c.head() == c.width,
        ErrorKind::config, "config.json: no model type has learned positions with other norms, maps or heads than GPT-2's");
  return {{"architectures", {"GPT2LMHeadModel"}}, {"model_type", "gpt2"}, {"vocab_size", c.vocabulary}, {"n_embd", c.width},
          {"n_layer", c.layers}, {"n_head", c.heads}, {"n_inner", c.hidden}, {"n_positions", c.context}, {"activation_function", "gelu_new"},
          {"layer_norm_epsilon", c.norm_epsilon}, {"scale_attn_weights", true}, {"tie_word_embeddings", c.tied}};
}

}  // namespace detail

// The same back, as transformers reads it. throws Error (config) for what no model type has
inline OrderedJson hf_config_json(const DecoderConfig& c) {
  if (c.positions == Positions::learned) return detail::hf_gpt2_config_json(c);
  check(c.norm == NormKind::rms && c.activation == Activation::silu && c.gated && !c.bias, ErrorKind::config,
        "config.json: no model type has rotary positions with other norms and maps than Llama's");
  check(!(c.qkv_bias && c.head_norm), ErrorKind::config, "config.json: no model type has both a bias and a norm of queries and keys");
  check(c.rotary_scaling.kind != RotaryScaling::Kind::listed, ErrorKind::config, "config.json: no key holds a list of rotary divisors");
  const std::string type = c.qkv_bias ? "qwen2" : c.head_norm ? "qwen3" : "llama";
  const std::string architecture = c.qkv_bias ? "Qwen2" : c.head_norm ? "Qwen3" : "Llama";
  OrderedJson json = {{"architectures", {architecture + "ForCausalLM"}}, {"model_type", type}, {"vocab_size", c.vocabulary},
                      {"hidden_size", c.width}, {"num_hidden_layers", c.layers}, {"num_attention_heads", c.heads},
                      {"num_key_value_heads", c.kv_heads}, {"head_dim", c.head()}, {"intermediate_size", c.hidden}, {"hidden_act", "silu"},
                      {"max_position_embeddings", c.context}, {"rms_norm_eps", c.norm_epsilon}, {"tie_word_embeddings", c.tied},
                      {"rope_theta", c.rotary_base}, {"rope_scaling", nullptr}};
  const RotaryScaling& s = c.rotary_scaling;
  if (s.kind == RotaryScaling::Kind::linear) json["rope_scaling"] = {{"rope_type", "linear"}, {"factor", s.factor}};
  if (s.kind == RotaryScaling::Kind::llama3)
    json["rope_scaling"] = {{"rope_type", "llama3"}, {"factor", s.factor}, {"low_freq_factor", s.low_frequency},
                            {"high_freq_factor", s.high_frequency}, {"original_max_position_embeddings", s.context}};
  if (c.qkv_bias) {
    check(c.head() == c.width / c.heads, ErrorKind::config, "config.json: qwen2 has no head size apart from width and heads");
    json["use_sliding_window"] = false;
  }
  return json;
}

// What begins a text, and what ends an answer.
struct SpecialIds {
  std::optional<Id> begin;
  std::vector<Id> ends;
};

// Of generation_config.json, or of config.json where that says nothing: one id or a list. throws Error (format)
inline SpecialIds hf_special_ids(const Json& json, const std::string& name) {
  SpecialIds ids;
  const auto id = [&](const Json& value, const char* key) {
    check(value.is_number_integer() && value >= 0 && value < std::numeric_limits<Id>::max(), ErrorKind::format, name, ": '", key, "' is ",
          printable(value.dump()), ", not the id of a token");
    return value.get<Id>();
  };
  check(json.is_object(), ErrorKind::format, name, ": not a JSON object");
  if (json.contains("bos_token_id") && !json["bos_token_id"].is_null()) ids.begin = id(json["bos_token_id"], "bos_token_id");
  const auto end = json.find("eos_token_id");
  if (end == json.end() || end->is_null()) return ids;
  if (!end->is_array()) ids.ends.push_back(id(*end, "eos_token_id"));
  else
    for (const Json& each : *end) ids.ends.push_back(id(each, "eos_token_id"));
  return ids;
}

}  // namespace cmoe
