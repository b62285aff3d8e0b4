// GGUF files made in memory, right or wrong in any field.
#pragma once

#include "cmoe/cpu/cpu.hpp"
#include "cmoe/io/gguf_llama.hpp"
#include "io/samples.hpp"

namespace samples {

struct GgufFile {
  std::string magic = "GGUF";
  std::uint32_t version = 3;
  std::uint64_t alignment = 32;  // that of the data; the key must be added beside
  std::uint64_t entries = 0, tensors = 0;
  std::string entry_bytes, tensor_bytes, data;
  std::vector<std::size_t> sizes = {8, 16};  // positions of stored counts, lengths, types and offsets, as far as build() knows

  static void text(std::string& out, const std::string& value) {
    put(out, static_cast<std::uint64_t>(value.size()));
    out += value;
  }
  void key(const std::string& name, cmoe::GgufType type) {
    ++entries;
    text(entry_bytes, name);
    put(entry_bytes, static_cast<std::uint32_t>(type));
  }
  template <class T>
  GgufFile& add(const std::string& name, cmoe::GgufType type, T value) {
    key(name, type);
    put(entry_bytes, value);
    return *this;
  }
  GgufFile& add(const std::string& name, std::uint32_t value) { return add(name, cmoe::GgufType::u32, value); }
  GgufFile& add(const std::string& name, float value) { return add(name, cmoe::GgufType::f32, value); }
  GgufFile& add(const std::string& name, const std::string& value) {
    key(name, cmoe::GgufType::text);
    text(entry_bytes, value);
    return *this;
  }
  GgufFile& add(const std::string& name, const std::vector<std::string>& values) {
    list(name, cmoe::GgufType::text, values.size());
    for (const std::string& value : values) text(entry_bytes, value);
    return *this;
  }
  template <class T>
  GgufFile& add(const std::string& name, cmoe::GgufType element, const std::vector<T>& values) {
    list(name, element, values.size());
    for (T value : values) put(entry_bytes, value);
    return *this;
  }
  void list(const std::string& name, cmoe::GgufType element, std::uint64_t count) {
    key(name, cmoe::GgufType::list);
    put(entry_bytes, static_cast<std::uint32_t>(element));
    put(entry_bytes, count);
  }

  // `sizes_inner_first` as the file has them.
  GgufFile& tensor(const std::string& name, const std::vector<std::uint64_t>& sizes_inner_first, std::uint32_t type, const std::string& bytes) {
    ++tensors;
    data.resize((data.size() + alignment - 1) / alignment * alignment);
    text(tensor_bytes, name);
    put(tensor_bytes, static_cast<std::uint32_t>(sizes_inner_first.size()));
    for (std::uint64_t n : sizes_inner_first) put(tensor_bytes, n);
    put(tensor_bytes, type);
    put(tensor_bytes, static_cast<std::uint64_t>(data.size()));
    data += bytes;
    return *this;
  }
  GgufFile& tensor(const std::string& name, const std::vector<std::uint64_t>& sizes_inner_first, const std::vector<float>& values) {
    std::string bytes;
    for (float value : values) put(bytes, value);
    return tensor(name, sizes_inner_first, 0, bytes);
  }

  std::string build() const {
    std::string out = magic;
    put(out, version);
    put(out, tensors);
    put(out, entries);
    out += entry_bytes + tensor_bytes;
    if (tensors > 0) out.resize((out.size() + alignment - 1) / alignment * alignment);
    return out + data;
  }
};

// Numbers as blocks of 32 with one scale: Q8_0.
inline std::string q8_0(const std::vector<float>& values) {
  std::string bytes;
  for (std::size_t at = 0; at < values.size(); at += 32) {
    float largest = 0;
    for (std::size_t i = 0; i < 32; ++i) largest = std::max(largest, std::abs(values[at + i]));
    const float scale = cmoe::from_half(cmoe::to_half(largest / 127));
    put(bytes, cmoe::to_half(scale));
    for (std::size_t i = 0; i < 32; ++i) put(bytes, static_cast<std::int8_t>(std::lround(scale > 0 ? values[at + i] / scale : 0)));
  }
  return bytes;
}

// A decoder of the sizes of `model` as a GGUF file of architecture llama, qwen2, qwen3 or gpt2, matrices F32 or Q8_0; rows lie as they are in
// the model.
inline GgufFile gguf(const cmoe::Llama::On<cmoe::Cpu<float>>& model, bool quantised = false) {
  const auto& c = model.config;
  const bool gpt2 = c.positions == cmoe::Positions::learned;
  const std::string arch = gpt2 ? "gpt2" : c.qkv_bias ? "qwen2" : c.head_norm ? "qwen3" : "llama";
  const auto u32 = [](cmoe::Index n) { return static_cast<std::uint32_t>(n); };
  GgufFile file;
  file.add("general.architecture", arch);
  file.add(arch + ".block_count", u32(c.layers)).add(arch + ".context_length", u32(c.context)).add(arch + ".embedding_length", u32(c.width));
  file.add(arch + ".feed_forward_length", u32(c.hidden)).add(arch + ".attention.head_count", u32(c.heads));
  file.add(arch + ".attention.head_count_kv", u32(c.kv_heads)).add(arch + ".attention.key_length", u32(c.head()));
  if (!gpt2) file.add(arch + ".rope.freq_base", static_cast<float>(c.rotary_base));
  file.add(arch + (gpt2 ? ".attention.layer_norm_epsilon" : ".attention.layer_norm_rms_epsilon"), static_cast<float>(c.norm_epsilon));
  file.add("tokenizer.ggml.model", std::string("gpt2")).add("tokenizer.ggml.tokens", {"a", "b", "ab", "<s>"});
  file.add<std::int32_t>("tokenizer.ggml.token_type", cmoe::GgufType::i32, {1, 1, 1, 3});
  file.add<float>("tokenizer.ggml.scores", cmoe::GgufType::f32, {0, -1, -2, 0});
  file.add("tokenizer.ggml.merges", std::vector<std::string>{"a b"}).add("tokenizer.ggml.bos_token_id", 3u);
  file.add("tokenizer.chat_template", std::string("{{ x }}"));
  cmoe::for_each_stored(model, cmoe::Naming::gguf, false, [&](const std::string& name, const cmoe::Shape& shape, std::span<const float> values) {
    std::vector<std::uint64_t> sizes;
    for (int axis = shape.rank(); axis > 0; --axis) sizes.push_back(static_cast<std::uint64_t>(shape[axis - 1]));
    if (quantised && shape.rank() == 2) file.tensor(name, sizes, 8, q8_0({values.begin(), values.end()}));
    else file.tensor(name, sizes, std::vector<float>(values.begin(), values.end()));
  });
  return file;
}

}  // namespace samples
