// PEFT adapters: adapter_config.json with adapter_model.safetensors, checked against the decoder they belong to, and written.
#pragma once

#include <map>
#include <set>

#include "cmoe/io/decoder_names.hpp"
#include "cmoe/io/peft_config.hpp"
#include "cmoe/io/safetensors.hpp"
#include "cmoe/pet/lora.hpp"

namespace cmoe {

// What an adapter does to one linear map, matrices lying as in the file.
struct PeftModule {
  Index rank = 0;                 // R of LoRA
  double alpha = 0;               // its scale is α/R, or α/√R
  std::vector<double> a;          // (R,in)
  std::vector<double> b;          // (out,R)
  std::vector<double> magnitude;  // (out) of DoRA
  std::vector<double> factor;     // of IA3: (in) if at_input, else (out)
  bool at_input = false;
};

// An adapter as its two files hold it.
struct PeftAdapter {
  PeftType type = PeftType::lora;
  bool rank_stabilised = false, dora = false;
  std::map<std::string, PeftModule> modules;  // "model.layers.3.self_attn.q_proj"
  std::vector<double> prompt;                 // (M,C)
  Index prompt_length = 0;                    // M
  std::string base;                           // what base_model_name_or_path says

  double scale(const PeftModule& m) const {
    return LoRA::Config{.rank = m.rank, .alpha = m.alpha, .rank_stabilised = rank_stabilised}.scale();
  }
};

namespace detail {

struct LinearModule {
  std::string name;
  Index layer, in, out;
};

// What transformers calls the map of one of our parameters LAYER.base.weight. throws Error (config) for GPT-2, which joins maps
inline std::string module_name(const DecoderConfig& sizes, const std::string& ours) {
  check(sizes.positions == Positions::rotary, ErrorKind::config, "peft: adapters are read and written for decoders with rotary positions; GPT-2 joins ",
        "queries, keys and values in one map, which ours are not");
  std::string name = decoder_name(sizes, ours).name;
  name.resize(name.size() - std::string_view(".weight").size());
  return name;
}

// The linear maps in a decoder's blocks under the names of transformers.
inline std::vector<LinearModule> linear_modules(const DecoderConfig& sizes) {
  std::vector<LinearModule> modules;
  for_each_decoder_param(sizes, [&](const std::string& ours, const Shape& shape) {
    if (!ours.ends_with(".base.weight")) return;
    modules.push_back({module_name(sizes, ours), std::stoll(ours.substr(7)), shape[0], shape[1]});  // behind "layers."
  });
  return modules;
}

// The tensors of an adapter's file, each taken once with the shape it must have.
class AdapterTensors {
 public:
  explicit AdapterTensors(const Path& folder) : name_((folder / "adapter_model.safetensors").string()), file_(open(folder)) {}

  std::vector<double> take(const std::string& tensor, const Shape& shape, const char* why) {
    const StoredTensor* found = file_.find(tensor);
    check(found != nullptr, ErrorKind::format, name_, ": no tensor '", tensor, "', which ", why);
    check(found->shape == shape, ErrorKind::format, name_, ": tensor '", tensor, "' is ", found->shape, ", expected ", shape);
    const bool number = found->dtype == DType::f32 || found->dtype == DType::f16 || found->dtype == DType::bf16 || found->dtype == DType::f64;
    check(number, ErrorKind::format, name_, ": tensor '", tensor, "' is ", name_of(found->dtype), "; adapters are F32, F16, BF16 or F64");
    found->check_finite();
    taken_.insert(tensor);
    return found->values<double>();
  }
  void check_all_taken() const {
    for (const StoredTensor& tensor : file_.tensors())
      check(taken_.contains(tensor.name), ErrorKind::format, name_, ": tensor '", printable(tensor.name, 200),
            "' has no place: its module is not among those that adapter_config.json adapts, or not in this decoder");
  }

 private:
  static SafeTensors open(const Path& folder) {
    const Path file = folder / "adapter_model.safetensors";
    check(std::filesystem::exists(file), ErrorKind::file, file.string(), ": is not there",
          std::filesystem::exists(folder / "adapter_model.bin") ? "; adapter_model.bin is not read, save it as safetensors with PEFT" : "");
    return SafeTensors::open(file);
  }

  std::string name_;
  SafeTensors file_;
  std::set<std::string> taken_;
};

}  // namespace detail

// Whether a folder looks like an adapter's.
inline bool is_peft_folder(const Path& folder) { return std::filesystem::exists(folder / "adapter_config.json"); }

// An adapter for a decoder of these sizes. Every module that the configuration names must have its tensors, every tensor its module,
// and all of them the shapes that rank and decoder ask for; nothing is allocated by a number of the file before that.
// throws Error (file), (format) naming file, key or tensor, (numeric) for NaN and infinity
inline PeftAdapter read_peft_adapter(const Path& folder, const DecoderConfig& sizes) {
  const std::string name = (folder / "adapter_config.json").string();
  const PeftConfig config = peft_config(read_json(folder / "adapter_config.json"), name);
  detail::AdapterTensors tensors(folder);
  PeftAdapter adapter;
  adapter.type = config.type;
  adapter.rank_stabilised = config.rank_stabilised;
  adapter.dora = config.dora;
  adapter.base = config.base;
  if (config.type == PeftType::prompt_tuning) {
    check(config.width == 0 || config.width == sizes.width, ErrorKind::format, name, ": 'token_dim' is ", config.width, ", the decoder's width ",
          sizes.width);
    adapter.prompt_length = config.prompt_length;
    adapter.prompt = tensors.take("prompt_embeddings", {config.prompt_length, sizes.width}, "holds the prompt");
    tensors.check_all_taken();
    return adapter;
  }
  for (const char* outer : {"lm_head", "model.embed_tokens"})
    check(!adapts(config, outer, -1), ErrorKind::format, name, ": 'target_modules' names ", outer, "; linear maps in the layers are adapted here");
  constexpr const char* why = "a module of 'target_modules' needs";
  for (const auto& [module, layer, in, out] : detail::linear_modules(sizes)) {
    if (!adapts(config, module, layer)) continue;
    const std::string at = "base_model.model." + module + ".";
    PeftModule& m = adapter.modules[module];
    if (config.type == PeftType::ia3) {
      m.at_input = scales_input(config, module);
      m.factor = tensors.take(at + "ia3_l", m.at_input ? Shape{1, in} : Shape{out, 1}, why);
      continue;
    }
    m.rank = detail::module_number(config.rank_patterns, config.rank, module, "rank_pattern", name);
    m.alpha = detail::module_number(config.alpha_patterns, config.alpha, module, "alpha_pattern", name);
    check(m.rank > 0 && m.rank <= Index{1} << 24, ErrorKind::format, name, ": the rank of ", module, " is ", m.rank,
          ", which is not within 1 to 2^24");
    check(std::isfinite(m.alpha), ErrorKind::format, name, ": 'lora_alpha' of ", module, " is ", m.alpha);
    m.a = tensors.take(at + "lora_A.weight", {m.rank, in}, why);
    m.b = tensors.take(at + "lora_B.weight", {out, m.rank}, why);
    if (config.dora) m.magnitude = tensors.take(at + "lora_magnitude_vector", {out}, why);
  }
  check(!adapter.modules.empty(), ErrorKind::format, name, ": 'target_modules' names no linear map of this decoder");
  tensors.check_all_taken();
  return adapter;
}

namespace detail {

// Endings of names where they say exactly these modules of the decoder, else whole names.
inline std::vector<std::string> module_list(const std::set<std::string>& chosen, const DecoderConfig& sizes) {
  std::set<std::string> endings;
  for (const std::string& module : chosen) endings.insert(module.substr(module.rfind('.') + 1));
  for (const LinearModule& module : linear_modules(sizes))
    if (endings.contains(module.name.substr(module.name.rfind('.') + 1)) && !chosen.contains(module.name)) return {chosen.begin(), chosen.end()};
  return {endings.begin(), endings.end()};
}

inline OrderedJson whole_or_real(double x) {  // 16, not 16.0: readers declare it whole
  const bool whole = x == std::floor(x) && std::abs(x) < 1e15;
  return whole ? OrderedJson(static_cast<std::int64_t>(x)) : OrderedJson(x);
}

inline OrderedJson peft_config_json(const PeftAdapter& adapter, const DecoderConfig& sizes) {
  OrderedJson json = {{"auto_mapping", nullptr}, {"base_model_name_or_path", adapter.base.empty() ? OrderedJson(nullptr) : OrderedJson(adapter.base)},
                      {"inference_mode", true}, {"modules_to_save", nullptr}, {"revision", nullptr}, {"task_type", "CAUSAL_LM"}};
  if (adapter.type == PeftType::prompt_tuning) {
    json.update({{"peft_type", "PROMPT_TUNING"},
                 {"num_virtual_tokens", adapter.prompt_length},
                 {"token_dim", sizes.width},
                 {"num_transformer_submodules", 1},
                 {"num_attention_heads", sizes.heads},
                 {"num_layers", sizes.layers},
                 {"prompt_tuning_init", "RANDOM"},
                 {"prompt_tuning_init_text", nullptr},
                 {"tokenizer_name_or_path", nullptr},
                 {"tokenizer_kwargs", nullptr}});
    return json;
  }
  std::set<std::string> all, inputs;
  std::map<std::pair<Index, double>, Index> kinds;  // how many modules have this rank and alpha
  for (const auto& [module, m] : adapter.modules) {
    all.insert(module);
    if (m.at_input) inputs.insert(module);
    ++kinds[{m.rank, m.alpha}];
  }
  json.update({{"target_modules", module_list(all, sizes)}, {"exclude_modules", nullptr}, {"fan_in_fan_out", false}});
  if (adapter.type == PeftType::ia3) {
    json.update({{"peft_type", "IA3"}, {"feedforward_modules", module_list(inputs, sizes)}, {"init_ia3_weights", true}});
    return json;
  }
  const auto usual = std::max_element(kinds.begin(), kinds.end(), [](const auto& x, const auto& y) { return x.second < y.second; })->first;
  OrderedJson ranks = OrderedJson::object(), alphas = OrderedJson::object();
  for (const auto& [module, m] : adapter.modules) {
    if (m.rank != usual.first) ranks[module] = m.rank;
    if (m.alpha != usual.second) alphas[module] = whole_or_real(m.alpha);
  }
  json.update({{"peft_type", "LORA"}, {"r", usual.first}, {"lora_alpha", whole_or_real(usual.second)}, {"lora_dropout", 0.0}, {"bias", "none"},
               {"use_rslora", adapter.rank_stabilised}, {"use_dora", adapter.dora}, {"rank_pattern", ranks}, {"alpha_pattern", alphas},
               {"init_lora_weights", true}, {"layers_to_transform", nullptr}, {"layers_pattern", nullptr}});
  return json;
}

}  // namespace detail

// Writes the folder, which must not be there or be empty; it appears complete or not at all. Tensors are F32.
// throws Error (file), (config) for an adapter that adapts nothing
inline void write_peft_adapter(const Path& folder, const PeftAdapter& adapter, const DecoderConfig& sizes) {
  check(!std::filesystem::exists(folder) || (std::filesystem::is_directory(folder) && std::filesystem::is_empty(folder)), ErrorKind::file,
        folder.string(), ": is there already; name a folder that is not");
  check(adapter.prompt_length > 0 || !adapter.modules.empty(), ErrorKind::config, folder.string(), ": the adapter adapts nothing");
  SafeTensorsWriter writer;
  writer.metadata["format"] = "pt";
  const auto put = [&](const std::string& tensor, const Shape& shape, const std::vector<double>& values) {
    const std::vector<float> stored(values.begin(), values.end());
    writer.add(tensor, shape, std::span<const float>(stored));
  };
  const auto size = [](const std::vector<double>& values) { return static_cast<Index>(values.size()); };
  if (adapter.type == PeftType::prompt_tuning)
    put("prompt_embeddings", {adapter.prompt_length, size(adapter.prompt) / adapter.prompt_length}, adapter.prompt);
  for (const auto& [module, m] : adapter.modules) {
    const std::string at = "base_model.model." + module + ".";
    if (adapter.type == PeftType::ia3) {
      put(at + "ia3_l", m.at_input ? Shape{1, size(m.factor)} : Shape{size(m.factor), 1}, m.factor);
      continue;
    }
    put(at + "lora_A.weight", {m.rank, size(m.a) / m.rank}, m.a);
    put(at + "lora_B.weight", {size(m.b) / m.rank, m.rank}, m.b);
    if (adapter.dora) put(at + "lora_magnitude_vector", {size(m.magnitude)}, m.magnitude);
  }
  const OrderedJson config = detail::peft_config_json(adapter, sizes);
  write_folder_atomically(folder, [&](const Path& draft) {
    writer.save(draft / "adapter_model.safetensors");
    write_file_atomically(draft / "adapter_config.json", config.dump(2) + "\n");
  });
}

}  // namespace cmoe
