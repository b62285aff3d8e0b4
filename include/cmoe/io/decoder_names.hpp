// Which stored tensor holds which parameter of a plain decoder, under Hugging Face names and GGUF names.
#pragma once

#include <span>
#include <string>

#include "cmoe/models/decoder_config.hpp"

namespace cmoe {

// Whose names a file gives to the parts of a decoder.
enum class Naming { hugging_face, gguf };

// The file's name of one of our parameters, whether the file holds the matrix as (out,in) where ours is (in,out), and which of the
// equal parts is ours where a file joins several of our maps by their outputs.
struct StoredName {
  std::string name;
  bool transposed = false;
  Index part = 0, parts = 1;

  Shape shape(const Shape& ours) const {  // of the whole tensor in the file
    if (transposed) return {parts * ours[1], ours[0]};
    return ours.with(-1, parts * ours[-1]);
  }
};

namespace detail {

struct DecoderName {
  const char *ours, *hugging_face, *gguf;
  bool transposed;
  Index part = 0, parts = 1;  // GPT-2 has queries, keys and values in one

  std::string in(Naming naming) const { return naming == Naming::gguf ? gguf : hugging_face; }
};

inline constexpr DecoderName llama_outer_names[] = {
    {"embedding.weight", "model.embed_tokens.weight", "token_embd.weight", false},
    {"norm.weight", "model.norm.weight", "output_norm.weight", false},
    {"head.weight", "lm_head.weight", "output.weight", true}};

// Behind "layers.N." here, "model.layers.N." and "blk.N." there.
inline constexpr DecoderName llama_layer_names[] = {
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

// Folders hold GPT-2's maps of the blocks as we do, GGUF files turned.
inline constexpr DecoderName gpt2_outer_names[] = {
    {"embedding.weight", "transformer.wte.weight", "token_embd.weight", false},
    {"positions.weight", "transformer.wpe.weight", "position_embd.weight", false},
    {"norm.weight", "transformer.ln_f.weight", "output_norm.weight", false},
    {"norm.bias", "transformer.ln_f.bias", "output_norm.bias", false},
    {"head.weight", "lm_head.weight", "output.weight", true}};

// Behind "layers.N." here, "transformer.h.N." and "blk.N." there. `transposed` is that of GGUF files.
inline constexpr DecoderName gpt2_layer_names[] = {
    {"mix_norm.weight", "ln_1.weight", "attn_norm.weight", false},
    {"mix_norm.bias", "ln_1.bias", "attn_norm.bias", false},
    {"feed_norm.weight", "ln_2.weight", "ffn_norm.weight", false},
    {"feed_norm.bias", "ln_2.bias", "ffn_norm.bias", false},
    {"mix.query.base.weight", "attn.c_attn.weight", "attn_qkv.weight", true, 0, 3},
    {"mix.query.base.bias", "attn.c_attn.bias", "attn_qkv.bias", false, 0, 3},
    {"mix.key.base.weight", "attn.c_attn.weight", "attn_qkv.weight", true, 1, 3},
    {"mix.key.base.bias", "attn.c_attn.bias", "attn_qkv.bias", false, 1, 3},
    {"mix.value.base.weight", "attn.c_attn.weight", "attn_qkv.weight", true, 2, 3},
    {"mix.value.base.bias", "attn.c_attn.bias", "attn_qkv.bias", false, 2, 3},
    {"mix.output.base.weight", "attn.c_proj.weight", "attn_output.weight", true},
    {"mix.output.base.bias", "attn.c_proj.bias", "attn_output.bias", false},
    {"feed.up.base.weight", "mlp.c_fc.weight", "ffn_up.weight", true},
    {"feed.up.base.bias", "mlp.c_fc.bias", "ffn_up.bias", false},
    {"feed.down.base.weight", "mlp.c_proj.weight", "ffn_down.weight", true},
    {"feed.down.base.bias", "mlp.c_proj.bias", "ffn_down.bias", false}};

// The names of one kind of file.
struct DecoderNames {
  std::span<const DecoderName> outer, layer;
  std::string before_layer;   // the layer's number follows
  bool turned_layers = true;  // matrices of the blocks lie as (out,in) if their entry says so
};

inline DecoderNames decoder_names(const DecoderConfig& c, Naming naming) {
  const bool gguf = naming == Naming::gguf;
  if (c.positions == Positions::learned) return {gpt2_outer_names, gpt2_layer_names, gguf ? "blk." : "transformer.h.", gguf};
  return {llama_outer_names, llama_layer_names, gguf ? "blk." : "model.layers.", true};
}

}  // namespace detail

// throws Error (misuse) for a parameter that files of the family do not have
inline StoredName decoder_name(const DecoderConfig& c, const std::string& ours, Naming naming = Naming::hugging_face) {
  const detail::DecoderNames names = detail::decoder_names(c, naming);
  for (const detail::DecoderName& entry : names.outer)
    if (ours == entry.ours) return {entry.in(naming), entry.transposed};
  const std::size_t layer = ours.find('.'), part = ours.find('.', layer + 1);
  if (ours.starts_with("layers.") && part != std::string::npos) {
    const std::string number = ours.substr(layer + 1, part - layer), rest = ours.substr(part + 1);  // "7."
    for (const detail::DecoderName& entry : names.layer)
      if (rest == entry.ours)
        return {names.before_layer + number + entry.in(naming), entry.transposed && names.turned_layers, entry.part, entry.parts};
  }
  fail(ErrorKind::misuse, "decoder: files of its family have no place for the parameter ", ours);
}

// f(name, shape) for every parameter of a plain decoder of these sizes, before there is one.
template <class F>
void for_each_decoder_param(const DecoderConfig& c, F&& f) {
  const Index d = c.head(), q = checked_product(c.heads, d), kv = checked_product(c.kv_heads, d);
  f("embedding.weight", Shape{c.vocabulary, c.width});
  if (c.positions == Positions::learned) f("positions.weight", Shape{c.context, c.width});
  const auto norm = [&](const std::string& name) {
    f(name + ".weight", Shape{c.width});
    if (c.norm == NormKind::layer) f(name + ".bias", Shape{c.width});
  };
  for (Index l = 0; l < c.layers; ++l) {
    const std::string layer = "layers." + std::to_string(l) + ".";
    const auto map = [&](const char* name, Index in, Index out, bool bias) {
      f(layer + name + ".base.weight", Shape{in, out});
      if (bias) f(layer + name + ".base.bias", Shape{out});
    };
    norm(layer + "mix_norm");
    map("mix.query", c.width, q, c.bias || c.qkv_bias);
    map("mix.key", c.width, kv, c.bias || c.qkv_bias);
    map("mix.value", c.width, kv, c.bias || c.qkv_bias);
    map("mix.output", q, c.width, c.bias);
    if (c.head_norm) f(layer + "mix.query_norm.weight", Shape{d});
    if (c.head_norm) f(layer + "mix.key_norm.weight", Shape{d});
    norm(layer + "feed_norm");
    if (c.gated) map("feed.gate", c.width, c.hidden, c.bias);
    map("feed.up", c.width, c.hidden, c.bias);
    map("feed.down", c.hidden, c.width, c.bias);
  }
  norm("norm");
  if (!c.tied) f("head.weight", Shape{c.width, c.vocabulary});
}

}  // namespace cmoe
