// A decoder and its tokenizer as one GGUF file: architectures llama, qwen2 and qwen3.
#pragma once

#include "cmoe/io/gguf_llama.hpp"
#include "cmoe/io/gguf_tokenizer.hpp"
#include "cmoe/io/gguf_writer.hpp"

namespace cmoe {

// The tokenizer's metadata of another file, key by key.
inline void copy_tokenizer(const Gguf& from, GgufWriter& to) {
  for (const auto& [key, value] : from.metadata())
    if (key.starts_with("tokenizer.")) to.set(key, value);
}

// A vocabulary out of tokenizer.json or tokenizer.model: byte-level merges, SentencePiece merges with scores, SentencePiece unigram.
// `vocabulary`: that of the model, where its table is longer: the ids beyond are unused tokens.
// throws Error (format) for merges of SentencePiece without scores, which GGUF has no place for: tokenizer.model has them
inline void set_tokenizer(TokenizerArrays arrays, GgufWriter& to, Index vocabulary = 0) {
  const auto key = [](const char* rest) { return std::string("tokenizer.ggml.") + rest; };
  const bool byte_level = arrays.model == "gpt2";
  check(byte_level || !arrays.scores.empty(), ErrorKind::format, arrays.name,
        ": holds merges of SentencePiece without scores, which GGUF needs; name the ", "tokenizer.model that it was made from");
  std::vector<std::int32_t> types(arrays.tokens.size(), static_cast<std::int32_t>(TokenType::normal));
  for (std::size_t id = 0; id < arrays.types.size(); ++id) types[id] = static_cast<std::int32_t>(arrays.types[id]);
  for (const AddedToken& token : arrays.added)
    types[static_cast<std::size_t>(token.id)] = static_cast<std::int32_t>(token.special ? TokenType::control : TokenType::user_defined);
  if (!byte_level && arrays.unknown) types[static_cast<std::size_t>(*arrays.unknown)] = static_cast<std::int32_t>(TokenType::unknown);
  while (std::cmp_less(arrays.tokens.size(), vocabulary)) {
    arrays.tokens.push_back("[PAD" + std::to_string(arrays.tokens.size()) + "]");
    if (!byte_level) arrays.scores.push_back(-1000);
    types.push_back(static_cast<std::int32_t>(TokenType::unused));
  }
  to.set(key("model"), arrays.model);
  if (byte_level) to.set(key("pre"), arrays.pre);
  to.set(key("tokens"), arrays.tokens);
  if (!byte_level) to.set(key("scores"), arrays.scores);
  to.set(key("token_type"), types);
  if (byte_level) {
    std::vector<std::string> merges;
    for (const auto& [left, right] : arrays.merges) merges.push_back(left + " " + right);
    to.set(key("merges"), merges);
  } else {
    to.set(key("add_space_prefix"), arrays.spaces.front != SpaceRules::Front::none);
    to.set(key("remove_extra_whitespaces"), arrays.spaces.collapse);
    if (!arrays.charsmap.empty()) to.set(key("precompiled_charsmap"), std::vector<std::uint8_t>(arrays.charsmap.begin(), arrays.charsmap.end()));
  }
  const auto id = [&](const char* rest, std::optional<Id> token) {
    if (token) to.set(key(rest), static_cast<std::uint32_t>(*token));
  };
  id("bos_token_id", arrays.bos), id("eos_token_id", arrays.eos);
  id("unknown_token_id", arrays.unknown), id("padding_token_id", arrays.pad);
}

// The byte tokenizer as byte-level merges of which there are none.
inline TokenizerArrays byte_arrays() {
  const ByteTokenizer bytes;
  TokenizerArrays arrays;
  arrays.name = "bytes";
  for (Id id = 0; id < bytes.size(); ++id) {
    std::string spelling;
    if (id < 256) append_utf8(spelling, detail::byte_letters[static_cast<std::size_t>(id)]);
    else arrays.added.push_back({.content = spelling = bytes.piece(id), .id = id, .special = true});
    arrays.tokens.push_back(spelling);
  }
  arrays.bos = bytes.bos(), arrays.eos = bytes.eos(), arrays.pad = bytes.pad();
  return arrays;
}

namespace detail {

inline void set_decoder(const DecoderConfig& c, GgufWriter& to) {
  check(c.positions == Positions::rotary, ErrorKind::config, "gguf: architecture gpt2 is read but not written; write a Hugging Face folder");
  check(!(c.qkv_bias && c.head_norm), ErrorKind::config, "gguf: no architecture has both a bias and a norm of queries and keys");
  const std::string arch = c.qkv_bias ? "qwen2" : c.head_norm ? "qwen3" : "llama";
  const auto count = [&](const char* key, Index n) { to.set(arch + "." + key, static_cast<std::uint32_t>(n)); };
  to.set("general.architecture", arch);
  count("vocab_size", c.vocabulary);
  count("context_length", c.context);
  count("embedding_length", c.width);
  count("block_count", c.layers);
  count("feed_forward_length", c.hidden);
  count("attention.head_count", c.heads);
  count("attention.head_count_kv", c.kv_heads);
  count("attention.key_length", c.head());
  count("attention.value_length", c.head());
  count("rope.dimension_count", c.head());
  to.set(arch + ".attention.layer_norm_rms_epsilon", static_cast<float>(c.norm_epsilon));
  to.set(arch + ".rope.freq_base", static_cast<float>(c.rotary_base));
  if (c.rotary_scaling.kind != RotaryScaling::Kind::linear) return;
  to.set(arch + ".rope.scaling.type", std::string("linear"));
  to.set(arch + ".rope.scaling.factor", static_cast<float>(c.rotary_scaling.factor));
}

// The divisors of the rotary frequencies, for scalings that the metadata have no word for; empty where none is needed.
inline std::vector<float> rotary_divisors(const DecoderConfig& c) {
  std::vector<float> divisors;
  if (c.rotary_scaling.kind != RotaryScaling::Kind::llama3 && c.rotary_scaling.kind != RotaryScaling::Kind::listed) return divisors;
  for (Index p = 0; p < c.head() / 2; ++p) {
    const double frequency = std::pow(c.rotary_base, -2.0 * static_cast<double>(p) / static_cast<double>(c.head()));
    divisors.push_back(static_cast<float>(frequency / c.rotary_scaling.scaled(frequency, p)));
  }
  return divisors;
}

// A parameter as the file has it: matrices turned to (out,in), rows of queries and keys in the architecture's rotary order.
template <class B>
std::vector<float> gguf_values(const Param<B>& p, const std::string& ours, const StoredName& stored, const DecoderConfig& c, bool adjacent_file) {
  const auto values = p.values();
  std::vector<float> all(values.begin(), values.end());
  if (stored.transposed) all = transposed<float>(all, p.shape()[0], p.shape()[1]);
  const bool adjacent_model = c.rotary_layout == RotaryLayout::adjacent;
  if (!rotated(ours) || adjacent_file == adjacent_model) return all;
  return in_rotary_order<float>(all, p.shape()[-1], c.head(), adjacent_file ? RowOrder::to_pairs : RowOrder::to_halves);
}

}  // namespace detail

// Adds the decoder's metadata and tensors: vectors always as F32, matrices as `type`; rows that are no whole Q8_0 blocks as F16. The
// model must live until the file is written.
// throws Error (config) for what no architecture has
template <class B>
void set_decoder(const Llama::On<B>& model, GgufStorage type, GgufWriter& to) {
  const DecoderConfig& c = model.config;
  detail::set_decoder(c, to);
  to.set("general.file_type", static_cast<std::uint32_t>(type == GgufStorage::f32 ? 0 : type == GgufStorage::f16 ? 1 : 7));
  if (type == GgufStorage::q8_0) to.set("general.quantization_version", std::uint32_t{2});
  const bool adjacent_file = !c.qkv_bias && !c.head_norm;  // of architecture llama
  for_each_param(model, [&](const std::string& ours, const Param<B>& p) {
    const StoredName stored = decoder_name(c, ours, Naming::gguf);
    const Shape shape = stored.shape(p.shape());
    const GgufStorage own = shape.rank() == 1 ? GgufStorage::f32 : type == GgufStorage::q8_0 && shape[-1] % 32 != 0 ? GgufStorage::f16 : type;
    to.add(stored.name, own, shape, [&p, ours, stored, &c, adjacent_file] { return detail::gguf_values(p, ours, stored, c, adjacent_file); });
  });
  if (const std::vector<float> divisors = detail::rotary_divisors(c); !divisors.empty())
    to.add("rope_freqs.weight", GgufStorage::f32, {static_cast<Index>(divisors.size())}, [divisors] { return divisors; });
}

}  // namespace cmoe
