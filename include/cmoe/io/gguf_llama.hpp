// Decoders in GGUF files: architectures llama, qwen2, qwen3 and gpt2.
#pragma once

#include "cmoe/io/gguf.hpp"
#include "cmoe/io/hf_config.hpp"
#include "cmoe/io/llama_weights.hpp"

namespace cmoe {

// Read, with ARCH. in front: embedding_length, block_count, attention.head_count, attention.head_count_kv, attention.key_length,
//   attention.value_length, feed_forward_length, context_length, attention.layer_norm_rms_epsilon, rope.freq_base,
//   rope.dimension_count, rope.scaling.type (none, linear), rope.scaling.factor, rope.scale_linear; the vocabulary's size is that of
//   token_embd.weight, and rope_freqs.weight holds the divisors of Llama 3.1's rotary scaling. Of gpt2 attention.layer_norm_epsilon, and
//   no rope key.
// Refused unless they change nothing: expert_count, expert_used_count, attention.sliding_window, attention.clamp_kqv,
//   attention.max_alibi_bias, attention.scale, attention.causal, use_parallel_residual, logit_scale, residual_scale, embedding_scale,
//   attn_logit_softcapping, final_logit_softcapping, rope.scaling.attn_factor.
// Passed over: every other key.
// throws Error (format) naming the key and its value
inline DecoderConfig gguf_decoder_config(const Gguf& file, Index most_context = usual_context) {
  const std::string& name = file.name();
  const auto arch = file.required<std::string>("general.architecture");
  const bool gpt2 = arch == "gpt2";
  check(arch == "llama" || arch == "qwen2" || arch == "qwen3" || gpt2, ErrorKind::format, name, ": 'general.architecture' is ", printable(arch),
        "; llama, qwen2, qwen3 and gpt2 are read");
  const auto size = [&](const char* key, std::optional<Index> otherwise = {}) {
    const auto found = file.optional<Index>(arch + "." + key);
    check(found || otherwise, ErrorKind::format, name, ": '", arch, ".", key, "' is missing");
    const Index n = found ? *found : *otherwise;
    check(n > 0 && n <= Index{1} << 24, ErrorKind::format, name, ": '", arch, ".", key, "' is ", n, ", which is not within 1 to 2^24");
    return n;
  };
  const auto number = [&](const char* key, double otherwise) {
    const double x = file.optional<double>(arch + "." + key).value_or(otherwise);
    check(x > 0 && std::isfinite(x), ErrorKind::format, name, ": '", arch, ".", key, "' is ", x, ", it must be positive");
    return x;
  };
  DecoderConfig c = gpt2 ? DecoderConfig::gpt2() : DecoderConfig();
  const GgufTensor& embedding = file.at("token_embd.weight");
  check(embedding.shape.rank() == 2, ErrorKind::format, name, ": tensor 'token_embd.weight' is ", embedding.shape, ", no matrix");
  c.vocabulary = embedding.shape[0];
  c.width = size("embedding_length");
  c.layers = size("block_count");
  c.heads = size("attention.head_count");
  c.kv_heads = size("attention.head_count_kv", c.heads);
  check(file.metadata().contains(arch + ".attention.key_length") || c.width % c.heads == 0, ErrorKind::format, name, ": width ", c.width,
        " is not a multiple of ", c.heads, " heads");
  c.head_size = size("attention.key_length", std::max<Index>(1, c.width / c.heads));
  c.hidden = size("feed_forward_length");
  c.context = gpt2 ? size("context_length") : std::min(size("context_length"), most_context);
  c.norm_epsilon = number(gpt2 ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon", 1e-5);
  c.tied = file.find("output.weight") == nullptr;
  c.qkv_bias = arch == "qwen2";
  c.head_norm = arch == "qwen3";
  const auto equal = [&](const char* key, Index wanted) {
    const Index n = size(key, wanted);
    check(n == wanted, ErrorKind::format, name, ": '", arch, ".", key, "' is ", n, ", heads have size ", wanted);
  };
  equal("attention.value_length", c.head_size);
  check(c.heads % c.kv_heads == 0, ErrorKind::format, name, ": ", c.heads, " heads do not share ", c.kv_heads, " key heads evenly");
  check((gpt2 || c.head_size % 2 == 0) && c.heads * c.head_size < Index{1} << 31, ErrorKind::format, name, ": ", c.heads, " heads of size ",
        c.head_size, " make no sense");

  const auto plain = [&](const char* key, double value) {  // a number or a bool that changes nothing
    const auto found = file.metadata().find(arch + "." + key);
    if (found == file.metadata().end()) return;
    const GgufType type = found->second.type;
    const bool real = type == GgufType::f32 || type == GgufType::f64;
    const double x = real ? *file.optional<double>(found->first)
                          : type == GgufType::boolean ? (*file.optional<bool>(found->first) ? 1 : 0) : static_cast<double>(*file.optional<Index>(found->first));
    check(x == value, ErrorKind::format, name, ": '", found->first, "' is ", x, ", which this decoder does not compute");
  };
  for (const char* key : {"expert_count", "expert_used_count", "attention.sliding_window", "attention.clamp_kqv", "attention.max_alibi_bias",
                          "attention.scale", "use_parallel_residual", "attn_logit_softcapping", "final_logit_softcapping"})
    plain(key, 0);
  for (const char* key : {"attention.causal", "logit_scale", "residual_scale", "embedding_scale", "rope.scaling.attn_factor"}) plain(key, 1);

  if (gpt2) {
    check(c.kv_heads == c.heads && c.heads * c.head_size == c.width, ErrorKind::format, name, ": ", c.heads, " heads of size ", c.head_size, " and ",
          c.kv_heads, " key heads for width ", c.width, ", which gpt2 does not have");
    return c;
  }
  c.rotary_base = number("rope.freq_base", 10000);
  equal("rope.dimension_count", c.head_size);
  RotaryScaling& scaling = c.rotary_scaling;
  const auto type = file.optional<std::string>(arch + ".rope.scaling.type").value_or("none");
  check(type == "none" || type == "linear", ErrorKind::format, name, ": '", arch, ".rope.scaling.type' is ", printable(type),
        ", which this decoder does not compute (none and linear it does)");
  const double old = number("rope.scale_linear", 1), factor = type == "linear" ? number("rope.scaling.factor", old) : old;
  if (factor != 1) scaling = {.kind = RotaryScaling::Kind::linear, .factor = factor};
  if (const GgufTensor* divisors = file.find("rope_freqs.weight")) {
    check(divisors->shape == Shape{c.head_size / 2} && factor == 1, ErrorKind::format, name, ": tensor 'rope_freqs.weight' is ", divisors->shape,
          " beside a rotary factor of ", factor, ", expected ", Shape{c.head_size / 2}, " and 1");
    const auto values = divisors->values();
    for (float x : values)
      check(x > 0 && std::isfinite(x), ErrorKind::numeric, name, ": tensor 'rope_freqs.weight' holds ", x, ", which divides nothing");
    scaling.kind = RotaryScaling::Kind::listed;
    scaling.divisors.assign(values.begin(), values.end());
  }
  return c;
}

// Weights are brought to the model's scalar, or the matrices stay as they lie in the file, which stays mapped then. Files of architecture llama hold the rows of queries and keys in adjacent rotary pairs;
// they are put in halves here, so that a decoder and its adapters are the same whatever file it came from.
// throws Error (format) naming the tensor and the shapes, (numeric) for NaN and infinity
template <class B>
Llama::On<B> make_llama(const Gguf& file, Index most_context = usual_context, Weights weights = Weights::unpacked) {
  using Real = typename B::Scalar;
  const DecoderConfig config = gguf_decoder_config(file, most_context);
  TensorSource<Real> source;
  source.name = file.name();
  source.shape = [&](const std::string& tensor) {
    const GgufTensor* found = file.find(tensor);
    return found == nullptr ? std::nullopt : std::optional<Shape>(found->shape);
  };
  source.read = [&](const std::string& tensor, Index first, Index last, std::span<Real> out) {
    const GgufTensor& stored = *file.find(tensor);
    if constexpr (std::is_same_v<Real, float>) {
      stored.read_rows(first, last, out);
    } else {
      std::vector<float> values(out.size());
      stored.read_rows(first, last, values);
      std::copy(values.begin(), values.end(), out.begin());
    }
  };
  if (weights == Weights::stored)
    source.stored = [&](const std::string& tensor) -> std::optional<StoredMatrix> {
      const GgufTensor& found = *file.find(tensor);
      if (found.type->name == "F32") return std::nullopt;
      return StoredMatrix(*found.type, found.shape.rows(), found.shape.cols(), found.bytes, file.owner());
    };
  std::vector<std::string> names;
  for (const GgufTensor& tensor : file.tensors())
    if (tensor.name != "rope_freqs.weight" || config.positions == Positions::learned) names.push_back(tensor.name);
  return make_llama<B>(config, source, names, Naming::gguf, file.required<std::string>("general.architecture") == "llama");
}

// The decoder of a GGUF file. throws Error (format) as make_llama() does, (file) if the file cannot be read
template <class B>
Llama::On<B> read_gguf_llama(const Path& path, Index most_context = usual_context, Weights weights = Weights::unpacked) {
  return make_llama<B>(Gguf::open(path), most_context, weights);
}

}  // namespace cmoe
