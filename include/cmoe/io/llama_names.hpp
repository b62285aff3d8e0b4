// Which stored tensor holds which parameter of a plain decoder, under Hugging Face names and GGUF names.
#pragma once

#include <string>

#include "cmoe/models/decoder_config.hpp"

namespace cmoe {

enum class Naming { hugging_face, gguf };

// The file's name of one of our parameters, and whether the file holds the matrix as (out,in) where ours is (in,out).
struct StoredName {
  std::string name;
  bool transposed = false;

  Shape shape(const Shape& ours) const { return transposed ? Shape{ours[1], ours[0]} : ours; }  // in the file
};

namespace detail {

struct LlamaName {
  const char *ours, *hugging_face, *gguf;
  bool transposed;

  std::string in(Naming naming) const { return naming == Naming::gguf ? gguf : hugging_face; }
};

inline constexpr LlamaName llama_outer_names[] = {
    {"embedding.weight", "model.embed_tokens.weight", "token_embd.weight", false},
    {"norm.weight", "model.norm.weight", "output_norm.weight", false},
    {"head.weight", "lm_head.weight", "output.weight", true}};

// Behind "layers.N." here, "model.layers.N." and "blk.N." there.
inline constexpr LlamaName llama_layer_names[] = {
    {"mix_norm.weight", "input_layernorm.weight", "attn_norm.weight", false},
    {"feed_norm.weight", "post_attention_layernorm.weight", "ffn_norm.weight", false},
    {"mix.query.base.weight", "self_attn.q_proj.weight", "attn_q.weight", true},
    {"mix.query.base.bias", "self_attn.q_proj.bias", "attn_q.bias", false},
    {"mix.key.base.weight", "self_attn.k_proj.weight", "attn_k.weight", true},
    {"mix.key.base.bias", "self_attn.k_proj.bias", "attn_k.bias", false},
    {"mix.value.base.weight", "self_attn.v_proj.weight", "attn_v.weight", true},
    {"mix.value.base.bias", "self_attn.v_proj.bias", "attn_v.bias", false},
    {"mix.output.base.weight", "self_attn.o_proj.weight", "attn_output.weight", true},
    {"mix.query_norm.weight", "self_attn.q_norm.weight", "attn_q_norm.weight", false},
    {"mix.key_norm.weight", "self_attn.k_norm.weight", "attn_k_norm.weight", false},
    {"feed.gate.base.weight", "mlp.gate_proj.weight", "ffn_gate.weight", true},
    {"feed.up.base.weight", "mlp.up_proj.weight", "ffn_up.weight", true},
    {"feed.down.base.weight", "mlp.down_proj.weight", "ffn_down.weight", true}};

}  // namespace detail

// throws Error (misuse) for a parameter that a plain decoder does not have
inline StoredName llama_name(const std::string& ours, Naming naming = Naming::hugging_face) {
  for (const detail::LlamaName& entry : detail::llama_outer_names)
    if (ours == entry.ours) return {entry.in(naming), entry.transposed};
  const std::size_t layer = ours.find('.'), part = ours.find('.', layer + 1);
  if (ours.starts_with("layers.") && part != std::string::npos) {
    const std::string number = ours.substr(layer + 1, part - layer), rest = ours.substr(part + 1);  // "7."
    for (const detail::LlamaName& entry : detail::llama_layer_names)
      if (rest == entry.ours) return {(naming == Naming::gguf ? "blk." : "model.layers.") + number + entry.in(naming), entry.transposed};
  }
  fail(ErrorKind::misuse, "llama: a plain decoder has no parameter ", ours);
}

// f(name, shape) for every parameter of a plain decoder of these sizes, before there is one.
template <class F>
void for_each_llama_param(const DecoderConfig& c, F&& f) {
  const Index d = c.head(), q = checked_product(c.heads, d), kv = checked_product(c.kv_heads, d);
  f("embedding.weight", Shape{c.vocabulary, c.width});
  for (Index l = 0; l < c.layers; ++l) {
    const auto part = [&](const char* name, const Shape& shape) { f("layers." + std::to_string(l) + "." + name, shape); };
    part("mix_norm.weight", {c.width});
    part("mix.query.base.weight", {c.width, q});
    if (c.qkv_bias) part("mix.query.base.bias", {q});
    part("mix.key.base.weight", {c.width, kv});
    if (c.qkv_bias) part("mix.key.base.bias", {kv});
    part("mix.value.base.weight", {c.width, kv});
    if (c.qkv_bias) part("mix.value.base.bias", {kv});
    part("mix.output.base.weight", {q, c.width});
    if (c.head_norm) part("mix.query_norm.weight", {d});
    if (c.head_norm) part("mix.key_norm.weight", {d});
    part("feed_norm.weight", {c.width});
    part("feed.gate.base.weight", {c.width, c.hidden});
    part("feed.up.base.weight", {c.width, c.hidden});
    part("feed.down.base.weight", {c.hidden, c.width});
  }
  f("norm.weight", Shape{c.width});
  if (!c.tied) f("head.weight", Shape{c.width, c.vocabulary});
}

}  // namespace cmoe
