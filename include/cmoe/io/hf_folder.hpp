// Hugging Face folders: a decoder's config.json with model.safetensors or its shards, read and written.
#pragma once

#include <algorithm>
#include <set>

#include "cmoe/io/gguf_blocks.hpp"
#include "cmoe/io/hf_config.hpp"
#include "cmoe/io/llama_weights.hpp"
#include "cmoe/io/safetensors.hpp"

namespace cmoe {

// The tensors of a folder: of model.safetensors, or of the shards that model.safetensors.index.json names. Files are mapped.
// throws Error (file) for a shard that is missing, (format) if index and shards do not say the same: every tensor of a shard stands
// in the index under this shard, and every tensor of the index in its shard; shards lie in the folder itself
class TensorFolder {
 public:
  explicit TensorFolder(const Path& folder) : folder_(folder.string()) {
    const Path single = folder / "model.safetensors", index = folder / "model.safetensors.index.json";
    if (std::filesystem::exists(single)) {
      add(SafeTensors::open(single));
    } else {
      check(std::filesystem::exists(index), ErrorKind::file, folder_, ": neither model.safetensors nor model.safetensors.index.json is there",
            std::filesystem::exists(folder / "pytorch_model.bin") ? "; pytorch_model.bin is not read, convert it to safetensors" : "");
      read_shards(folder, read_json(index), index.string());
    }
  }

  const std::string& name() const { return folder_; }
  const StoredTensor* find(const std::string& name) const {
    const auto found = tensors_.find(name);
    return found == tensors_.end() ? nullptr : &found->second;
  }
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& [name, tensor] : tensors_) all.push_back(name);
    return all;
  }

 private:
  static bool plain_name(const std::string& file) {
    return file.ends_with(".safetensors") && file.size() <= 255 && file.front() != '.' && file.find_first_of("/\\") == std::string::npos &&
           detail::fault_of_tensor_name(file).empty();
  }

  void read_shards(const Path& folder, const Json& index, const std::string& name) {
    check(index.is_object() && index.contains("weight_map") && index["weight_map"].is_object(), ErrorKind::format, name, ": has no 'weight_map'");
    std::map<std::string, std::string> place;  // tensor -> file
    std::set<std::string> files;
    for (const auto& [tensor, entry] : index["weight_map"].items()) {
      check(entry.is_string(), ErrorKind::format, name, ": the shard of '", printable(tensor), "' is no text");
      const auto file = entry.get<std::string>();
      check(plain_name(file), ErrorKind::format, name, ": the shard '", printable(file), "' is not a .safetensors file of this folder");
      place.emplace(tensor, file);
      files.insert(file);
    }
    check(files.size() <= 4096, ErrorKind::format, name, ": names ", files.size(), " shards, at most 4096 are read");
    for (const std::string& file : files) {
      const SafeTensors shard = SafeTensors::open(folder / file);
      for (const StoredTensor& tensor : shard.tensors()) {
        const auto found = place.find(tensor.name);
        check(found != place.end(), ErrorKind::format, name, ": does not name tensor '", printable(tensor.name), "' of ", file);
        check(found->second == file, ErrorKind::format, name, ": tensor '", printable(tensor.name), "' belongs to ", found->second, " but stands in ",
              file, " too");
      }
      add(shard);
    }
    for (const auto& [tensor, file] : place)
      check(tensors_.contains(tensor), ErrorKind::format, name, ": tensor '", printable(tensor), "' is not in ", file);
  }

  void add(const SafeTensors& file) {
    for (const StoredTensor& tensor : file.tensors()) tensors_.emplace(tensor.name, tensor);
    files_.push_back(file);
  }

  std::string folder_;
  std::vector<SafeTensors> files_;  // keeps the bytes
  std::map<std::string, StoredTensor> tensors_;
};

// The rows of floating-point tensors in the model's scalar. The folder must live while the source is used.
template <class Real>
TensorSource<Real> tensor_source(const TensorFolder& folder) {
  TensorSource<Real> source;
  source.name = folder.name();
  source.shape = [&](const std::string& name) -> std::optional<Shape> {
    const StoredTensor* tensor = folder.find(name);
    if (tensor == nullptr) return std::nullopt;
    const bool number = tensor->dtype == DType::f32 || tensor->dtype == DType::f16 || tensor->dtype == DType::bf16 || tensor->dtype == DType::f64;
    check(number, ErrorKind::format, folder.name(), ": tensor '", name, "' is ", name_of(tensor->dtype), "; weights are F32, F16, BF16 or F64");
    return tensor->shape;
  };
  source.read = [&](const std::string& name, Index first, Index last, std::span<Real> out) {
    const StoredTensor& tensor = *folder.find(name);
    const Index row = tensor.shape.cols() * bits_of(tensor.dtype) / 8;
    convert<Real>(tensor.dtype, tensor.bytes.subspan(static_cast<std::size_t>(first * row), static_cast<std::size_t>((last - first) * row)), out, name);
  };
  return source;
}

// The sizes of a folder's decoder, from its config.json. throws Error (format) for what cannot be built
inline DecoderConfig read_hf_config(const Path& folder, Index most_context = usual_context) {
  const Path config = folder / "config.json";
  DecoderConfig c = hf_decoder_config(read_json(config), config.string());
  if (c.positions == Positions::rotary) c.context = std::min(c.context, most_context);
  return c;
}

// The ids of generation_config.json, else those of config.json.
inline SpecialIds read_hf_special_ids(const Path& folder) {
  const Path generation = folder / "generation_config.json", config = folder / "config.json";
  SpecialIds ids = hf_special_ids(read_json(config), config.string());
  if (!std::filesystem::exists(generation)) return ids;
  const SpecialIds own = hf_special_ids(read_json(generation), generation.string());
  if (own.begin) ids.begin = own.begin;
  if (!own.ends.empty()) ids.ends = own.ends;
  return ids;
}

// A plain decoder out of a folder; of the positions that the model allows, `most_context` are prepared, or all if they are learned.
// Buffers of old files (rotary_emb.inv_freq, attn.bias and attn.masked_bias) and an lm_head.weight that the configuration ties to the
// embedding are passed over. GPT-2's tensors may lack "transformer." in front.
// throws Error (file), (format) naming the file, the key or the tensor with its shapes, (numeric) for NaN and infinity
template <class B>
Llama::On<B> read_hf_llama(const Path& folder, Index most_context = usual_context, Weights weights = Weights::unpacked) {
  const DecoderConfig config = read_hf_config(folder, most_context);
  const auto tensors = std::make_shared<const TensorFolder>(folder);
  const std::string prefix = "transformer.";
  const bool bare = config.positions == Positions::learned && tensors->find(prefix + "wte.weight") == nullptr;
  const auto stored = [&](const std::string& name) { return bare && name.starts_with(prefix) ? name.substr(prefix.size()) : name; };
  const TensorSource<typename B::Scalar> plain = tensor_source<typename B::Scalar>(*tensors);
  TensorSource<typename B::Scalar> source = plain;
  source.shape = [&](const std::string& name) { return plain.shape(stored(name)); };
  source.read = [&](const std::string& name, Index first, Index last, auto out) { plain.read(stored(name), first, last, out); };
  if (weights == Weights::stored)
    source.stored = [&](const std::string& name) -> std::optional<StoredMatrix> {
      const StoredTensor& found = *tensors->find(stored(name));
      const BlockType* type = found.dtype == DType::f16 ? block_type(1) : found.dtype == DType::bf16 ? block_type(30) : nullptr;
      if (type == nullptr) return std::nullopt;
      return StoredMatrix(*type, found.shape.rows(), found.shape.cols(), found.bytes, tensors);
    };
  std::vector<std::string> names;
  for (const std::string& name : tensors->names()) {
    const bool buffer = config.positions == Positions::learned ? name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias")
                                                               : name.ends_with(".rotary_emb.inv_freq");
    if (!buffer && !(config.tied && name == "lm_head.weight")) names.push_back(bare && name != "lm_head.weight" ? prefix + name : name);
  }
  return make_llama<B>(config, source, names);
}

// Writes the folder, which must not be there yet; it appears complete or not at all. Queries and keys that rotate adjacent pairs are
// put in the order of the format. `dtype`: F32, F16 or BF16. `beside`: files that are copied into it, a tokenizer's for example;
// `metadata`: further entries of model.safetensors.
// throws Error (config), (file)
template <class B>
void write_hf_llama(const Path& folder, const Llama::On<B>& model, const SpecialIds& ids = {}, DType dtype = DType::f32,
                    const std::vector<Path>& beside = {}, const std::map<std::string, std::string>& metadata = {}) {
  check(!std::filesystem::exists(folder), ErrorKind::file, folder.string(), ": is there already; name a folder that is not");
  OrderedJson config = hf_config_json(model.config);
  config["dtype"] = config["torch_dtype"] = dtype == DType::f32 ? "float32" : dtype == DType::f16 ? "float16" : "bfloat16";
  if (ids.begin) config["bos_token_id"] = *ids.begin;
  if (!ids.ends.empty()) config["eos_token_id"] = ids.ends.size() == 1 ? OrderedJson(ids.ends[0]) : OrderedJson(ids.ends);
  SafeTensorsWriter writer;
  writer.metadata = metadata;
  writer.metadata["format"] = "pt";
  for_each_stored(model, Naming::hugging_face, true, [&](const std::string& name, const Shape& shape, std::span<const float> values) {
    if (dtype == DType::f32) writer.add(name, shape, values);
    else writer.add_rounded(name, dtype, shape, values);
  });
  write_folder_atomically(folder, [&](const Path& draft) {
    writer.save(draft / "model.safetensors");
    write_file_atomically(draft / "config.json", config.dump(1) + "\n");
    for (const Path& file : beside) write_file_atomically(draft / file.filename(), read_file(file));
  });
}

}  // namespace cmoe
