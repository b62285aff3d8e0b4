// adapter_config.json of PEFT: which adapter it is, and which modules of a decoder it adapts how.
#pragma once

#include "cmoe/io/json.hpp"
#include "cmoe/io/pattern.hpp"

namespace cmoe {

// The kinds of adapters that are read.
enum class PeftType { lora, ia3, prompt_tuning };

// Modules by their names: endings ("q_proj", "self_attn.q_proj" or whole names), or one pattern that says the whole name.
struct ModuleChoice {
  std::vector<std::string> endings;
  std::optional<Pattern> pattern;

  bool named(const std::string& module) const { return std::find(endings.begin(), endings.end(), module) != endings.end(); }
  bool holds(const std::string& module) const {
    if (pattern) return pattern->matches(module);
    return named(module) || std::any_of(endings.begin(), endings.end(), [&](const std::string& e) { return module.ends_with("." + e); });
  }
};

// What the file says, for any decoder. Modules are "model.layers.3.self_attn.q_proj", as transformers names them.
struct PeftConfig {
  PeftType type = PeftType::lora;
  std::string base;  // base_model_name_or_path: where the decoder came from; nothing depends on it

  ModuleChoice targets, excluded;
  bool all_linear = false;      // every linear map but the output layer
  std::vector<Index> layers;    // if any: only these of the modules that an ending names
  std::vector<Pattern> layer_lists;  // if any: what stands in front of a layer's number

  Index rank = 8;  // LoRA
  double alpha = 8;
  bool rank_stabilised = false, dora = false;
  std::vector<std::pair<Pattern, Index>> rank_patterns;
  std::vector<std::pair<Pattern, double>> alpha_patterns;

  ModuleChoice inputs;  // IA3: modules whose input is scaled

  Index prompt_length = 0, width = 0;  // prompt tuning; width 0: not said
};

// Read of LoRA: r, lora_alpha, use_rslora, use_dora, rank_pattern, alpha_pattern, target_modules (a list, a pattern or "all-linear"),
//   exclude_modules, layers_to_transform, layers_pattern. Of IA3: target_modules, feedforward_modules, exclude_modules. Of prompt
//   tuning: num_virtual_tokens, token_dim.
// Refused unless they say what is computed anyway: bias (none), modules_to_save, init_lora_weights (those that change the backbone:
//   pissa, corda, olora, loftq, lora_ga, mica), num_transformer_submodules (1), task_type of prompts (CAUSAL_LM), and every key that is
//   named neither above nor below: lora_bias, target_parameters, trainable_token_indices, layer_replication, use_qalora, use_bdlora,
//   alora_invocation_tokens, arrow_config, kasa_config and what later versions add, unless it is null, false or empty.
// Passed over, as they say nothing about what a trained adapter computes: base_model_name_or_path, revision, task_type, inference_mode,
//   peft_version, auto_mapping, lora_dropout, fan_in_fan_out (how the backbone's file lies), init_ia3_weights, eva_config, corda_config,
//   lora_ga_config, loftq_config, velora_config, megatron_core, qalora_group_size, runtime_config, ensure_weight_tying,
//   num_attention_heads, num_layers, prompt_tuning_init, prompt_tuning_init_text, tokenizer_name_or_path, tokenizer_kwargs.
namespace detail {

inline bool says_nothing(const Json& value) {
  if (value.is_string()) return value.get_ref<const std::string&>().empty();
  return value.is_null() || value == false || (value.is_structured() && value.empty());
}

inline void refuse_other_keys(const Json& json, const std::vector<std::string_view>& read, const std::string& name) {
  static constexpr std::string_view passed_over[] = {
      "peft_type", "base_model_name_or_path", "revision", "task_type", "inference_mode", "peft_version", "auto_mapping", "lora_dropout",
      "fan_in_fan_out", "init_ia3_weights", "eva_config", "corda_config", "lora_ga_config", "loftq_config", "velora_config", "megatron_core",
      "qalora_group_size", "runtime_config", "ensure_weight_tying", "num_attention_heads", "num_layers", "prompt_tuning_init",
      "prompt_tuning_init_text", "tokenizer_name_or_path", "tokenizer_kwargs"};
  for (const auto& [key, value] : json.items()) {
    const bool known = std::find(read.begin(), read.end(), key) != read.end() ||
                       std::find(std::begin(passed_over), std::end(passed_over), key) != std::end(passed_over);
    check(known || says_nothing(value), ErrorKind::format, name, ": '", printable(key), "' is ", printable(value.dump(-1, ' ', true), 120),
          ", which adapters here do not compute");
  }
}

inline ModuleChoice module_choice(const Json& json, const char* key, const std::string& name) {
  ModuleChoice choice;
  const auto found = json.find(key);
  if (found == json.end() || found->is_null()) return choice;
  if (found->is_string()) choice.pattern.emplace(found->get<std::string>(), name + ": '" + key + "'");
  else choice.endings = required<std::vector<std::string>>(json, key, name);
  return choice;
}

// {"pattern": number}: a pattern says a module's name or its end.
template <class Number>
std::vector<std::pair<Pattern, Number>> module_numbers(const Json& json, const char* key, const std::string& name) {
  std::vector<std::pair<Pattern, Number>> numbers;
  const auto found = json.find(key);
  if (found == json.end() || found->is_null()) return numbers;
  check(found->is_object(), ErrorKind::format, name, ": '", key, "' must be an object of patterns and numbers");
  std::size_t letters = 0;  // every module is compared with every pattern
  for (const auto& [pattern, value] : found->items()) {
    letters += pattern.size();
    check(letters <= 65536, ErrorKind::format, name, ": '", key, "' holds patterns of more than 65536 characters together");
    numbers.emplace_back(Pattern("(.*\\.)?(" + pattern + ")", name + ": '" + key + "'"), required<Number>(*found, pattern, name));
  }
  return numbers;
}

// The number of the pattern that says the module. Patterns are tried in the order of the file there, here all of them: two that
// differ are refused.
template <class Number>
Number module_number(const std::vector<std::pair<Pattern, Number>>& numbers, Number otherwise, const std::string& module, const char* key,
                     const std::string& name) {
  std::optional<Number> chosen;
  for (const auto& [pattern, number] : numbers) {
    if (!pattern.matches(module)) continue;
    check(!chosen || *chosen == number, ErrorKind::format, name, ": two patterns of '", key, "' say different numbers for ", module);
    chosen = number;
  }
  return chosen.value_or(otherwise);
}

inline void read_lora_config(const Json& json, const std::string& name, PeftConfig& c) {
  refuse_other_keys(json, {"r", "lora_alpha", "use_rslora", "use_dora", "rank_pattern", "alpha_pattern", "target_modules", "exclude_modules",
                           "layers_to_transform", "layers_pattern", "bias", "init_lora_weights", "modules_to_save"}, name);
  c.rank = optional<Index>(json, "r", name).value_or(8);
  c.alpha = optional<double>(json, "lora_alpha", name).value_or(8);
  c.rank_stabilised = optional<bool>(json, "use_rslora", name).value_or(false);
  c.dora = optional<bool>(json, "use_dora", name).value_or(false);
  c.rank_patterns = module_numbers<Index>(json, "rank_pattern", name);
  c.alpha_patterns = module_numbers<double>(json, "alpha_pattern", name);
  const auto bias = optional<std::string>(json, "bias", name).value_or("none");
  check(bias == "none", ErrorKind::format, name, ": 'bias' is ", printable(bias), "; adapters here train no biases");
  if (const auto init = json.find("init_lora_weights"); init != json.end() && init->is_string()) {
    const auto word = init->get<std::string>();
    check(word == "gaussian" || word == "eva" || word == "orthogonal", ErrorKind::format, name, ": 'init_lora_weights' is ", printable(word),
          ", which may have changed the backbone; convert the adapter to plain LoRA with PEFT (save_pretrained, "
          "path_initial_model_for_weight_conversion)");
  }
  const auto list = json.find("layers_to_transform");
  if (list != json.end() && !list->is_null()) {
    if (list->is_array()) c.layers = required<std::vector<Index>>(json, "layers_to_transform", name);
    else c.layers = {required<Index>(json, "layers_to_transform", name)};
    check(!c.targets.pattern && !c.all_linear, ErrorKind::format, name, ": 'layers_to_transform' beside a pattern in 'target_modules'");
  }
  const auto before = json.find("layers_pattern");
  if (before == json.end() || before->is_null()) return;
  const auto patterns =
      before->is_string() ? std::vector<std::string>{before->get<std::string>()} : required<std::vector<std::string>>(json, "layers_pattern", name);
  for (const std::string& pattern : patterns) {
    if (pattern.empty()) continue;
    c.layer_lists.emplace_back("(.*\\.)?(" + pattern + ")", name + ": 'layers_pattern'");
  }
}

}  // namespace detail

// `name` is how messages call the file. throws Error (format) naming the key and its value
inline PeftConfig peft_config(const Json& json, const std::string& name) {
  const auto type = required<std::string>(json, "peft_type", name);
  check(type == "LORA" || type == "IA3" || type == "PROMPT_TUNING", ErrorKind::format, name, ": 'peft_type' is ", printable(type),
        "; LORA, IA3 and PROMPT_TUNING are read");
  PeftConfig c;
  c.base = optional<std::string>(json, "base_model_name_or_path", name).value_or("");
  const auto saved = json.find("modules_to_save");
  check(saved == json.end() || detail::says_nothing(*saved), ErrorKind::format, name, ": 'modules_to_save' is ",
        printable(saved == json.end() ? "" : saved->dump(-1, ' ', true), 120),
        ": whole layers that the adapter replaces; merge it into its backbone with PEFT instead");
  if (type == "PROMPT_TUNING") {
    c.type = PeftType::prompt_tuning;
    detail::refuse_other_keys(json, {"num_virtual_tokens", "token_dim", "num_transformer_submodules", "modules_to_save"}, name);
    c.prompt_length = required<Index>(json, "num_virtual_tokens", name);
    c.width = optional<Index>(json, "token_dim", name).value_or(0);
    check(c.prompt_length > 0 && c.prompt_length <= Index{1} << 20, ErrorKind::format, name, ": 'num_virtual_tokens' is ", c.prompt_length);
    const Index parts = optional<Index>(json, "num_transformer_submodules", name).value_or(1);
    const auto task = optional<std::string>(json, "task_type", name).value_or("CAUSAL_LM");
    check(parts == 1 && task == "CAUSAL_LM", ErrorKind::format, name, ": prompts of ", parts, " modules for ", printable(task),
          "; one before a decoder (CAUSAL_LM) is read");
    return c;
  }
  c.targets = detail::module_choice(json, "target_modules", name);
  c.excluded = detail::module_choice(json, "exclude_modules", name);
  check(c.targets.pattern || !c.targets.endings.empty(), ErrorKind::format, name, ": 'target_modules' names no modules");
  if (const Json& targets = json["target_modules"]; targets.is_string()) {
    std::string word = targets.get<std::string>();
    for (char& letter : word)
      if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
    c.all_linear = word == "all-linear";
  }
  if (type == "IA3") {
    c.type = PeftType::ia3;
    detail::refuse_other_keys(json, {"target_modules", "feedforward_modules", "exclude_modules", "modules_to_save"}, name);
    c.inputs = detail::module_choice(json, "feedforward_modules", name);
    return c;
  }
  detail::read_lora_config(json, name, c);
  return c;
}

// Whether the adapter changes a linear map of layer `layer`; of the output layer and the embedding, layer -1.
inline bool adapts(const PeftConfig& c, const std::string& module, Index layer) {
  if (c.excluded.holds(module)) return false;
  if (c.all_linear) return layer >= 0;
  if (!c.targets.holds(module)) return false;
  if (c.targets.pattern || c.targets.named(module) || c.layers.empty()) return true;
  if (layer < 0) return false;
  const std::string list = module.substr(0, module.find("." + std::to_string(layer) + "."));
  const bool listed =
      c.layer_lists.empty() || std::any_of(c.layer_lists.begin(), c.layer_lists.end(), [&](const Pattern& p) { return p.matches(list); });
  return listed && std::find(c.layers.begin(), c.layers.end(), layer) != c.layers.end();
}

// Whether IA3 scales the module's input and not its output; endings need no dot before them here.
inline bool scales_input(const PeftConfig& c, const std::string& module) {
  if (c.inputs.pattern) return c.inputs.pattern->matches(module);
  return std::any_of(c.inputs.endings.begin(), c.inputs.endings.end(), [&](const std::string& ending) { return module.ends_with(ending); });
}

}  // namespace cmoe
