// Weights of the Llama family under their Hugging Face names, into and out of our decoder.
#pragma once

#include <functional>
#include <string>

#include "cmoe/io/llama2c.hpp"
#include "cmoe/models/llama.hpp"

namespace cmoe {

// The file's name of one of our parameters, and whether the file holds the matrix as (out,in) where ours is (in,out).
struct StoredName {
  std::string name;
  bool transposed = false;
};

// throws Error (misuse) for a parameter that a plain Llama does not have
inline StoredName llama_name(const std::string& ours) {
  if (ours == "embedding.weight") return {"model.embed_tokens.weight"};
  if (ours == "norm.weight") return {"model.norm.weight"};
  if (ours == "head.weight") return {"lm_head.weight", true};
  const std::size_t layer = ours.find('.'), part = ours.find('.', layer + 1);
  if (ours.rfind("layers.", 0) == 0 && part != std::string::npos) {
    const std::string prefix = "model." + ours.substr(0, part + 1), rest = ours.substr(part + 1);
    static constexpr const char* names[][2] = {
        {"mix.query.base.weight", "self_attn.q_proj.weight"}, {"mix.key.base.weight", "self_attn.k_proj.weight"},
        {"mix.value.base.weight", "self_attn.v_proj.weight"}, {"mix.output.base.weight", "self_attn.o_proj.weight"},
        {"feed.gate.base.weight", "mlp.gate_proj.weight"},    {"feed.up.base.weight", "mlp.up_proj.weight"},
        {"feed.down.base.weight", "mlp.down_proj.weight"}};
    if (rest == "mix_norm.weight") return {prefix + "input_layernorm.weight"};
    if (rest == "feed_norm.weight") return {prefix + "post_attention_layernorm.weight"};
    for (const auto& [mine, theirs] : names)
      if (rest == mine) return {prefix + theirs, true};
  }
  fail(ErrorKind::misuse, "llama: a plain decoder has no parameter ", ours);
}

// A (rows,cols) matrix turned.
template <class Real>
std::vector<Real> transposed(std::span<const Real> values, Index rows, Index cols) {
  std::vector<Real> out(values.size());
  for (Index r = 0; r < rows; ++r)
    for (Index c = 0; c < cols; ++c) out[static_cast<std::size_t>(c * rows + r)] = values[static_cast<std::size_t>(r * cols + c)];
  return out;
}

// Fills a plain decoder. read(name, shape) gives the stored values of a tensor, whose shape must be the one asked for.
template <class B>
void load_llama(Llama::On<B>& model, const std::function<std::vector<typename B::Scalar>(const std::string&, const Shape&)>& read) {
  for_each_param(model, [&](const std::string& ours, Param<B>& p) {
    const StoredName stored = llama_name(ours);
    const Shape& s = p.shape();
    if (!stored.transposed) return p.assign(read(stored.name, s));
    const auto values = read(stored.name, Shape{s[1], s[0]});
    p.assign(transposed<typename B::Scalar>(values, s[1], s[0]));
  });
}

// The decoder that a llama2.c checkpoint describes: rotary pairs are adjacent, ε is 1e-5, the base 10000.
inline DecoderConfig decoder_config(const Llama2cModel& file) {
  DecoderConfig c;
  c.vocabulary = file.vocabulary;
  c.width = file.width;
  c.layers = file.layers;
  c.heads = file.heads;
  c.kv_heads = file.kv_heads;
  c.hidden = file.hidden;
  c.context = file.context;
  c.rotary_layout = RotaryLayout::adjacent;
  c.tied = file.tied;
  return c;
}

template <class B>
Llama::On<B> make_llama(const Llama2cModel& file) {
  Llama::Config config;
  static_cast<DecoderConfig&>(config) = decoder_config(file);
  Llama::On<B> model(config, Rng(0));
  load_llama<B>(model, [&](const std::string& name, const Shape& shape) {
    for (const NamedWeights& w : file.weights)
      if (w.name == name) {
        check(w.shape == shape, ErrorKind::format, "llama2.c: ", name, " is ", w.shape, ", expected ", shape);
        return std::vector<typename B::Scalar>(w.values.begin(), w.values.end());
      }
    fail(ErrorKind::format, "llama2.c: the file has no ", name);
  });
  return model;
}

}  // namespace cmoe
