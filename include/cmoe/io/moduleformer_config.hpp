// The configuration of a ModuleFormer as the published config.json has it, with what only we have beside it.
#pragma once

#include "cmoe/io/json.hpp"
#include "cmoe/models/moduleformer.hpp"

namespace cmoe {

// Reads the published keys; keys that say nothing about the computation are passed over. Keys and values are the input itself where
// the attention has one head of the model's width. What only we have stands in the object "cmoe"; without it the published models'
// behaviour is meant, except that padding does not count in the routing statistics (Config::count_padding).
// throws Error (format) for what is missing, of another type, or makes no sense
inline ModuleFormer::Config moduleformer_config(const Json& json, const std::string& name) {
  const auto size = [&](const char* key) {
    const auto n = required<Index>(json, key, name);
    check(n > 0 && n < Index{1} << 31, ErrorKind::format, name, ": '", key, "' is ", n);
    return n;
  };
  check(optional<std::string>(json, "model_type", name).value_or("moduleformer") == "moduleformer", ErrorKind::format, name,
        ": 'model_type' is not moduleformer");
  check(optional<std::string>(json, "activation_function", name).value_or("gelu_new") == "gelu_new", ErrorKind::format, name,
        ": the activation of the experts must be gelu_new");
  ModuleFormer::Config c;
  c.vocabulary = size("vocab_size");
  c.width = size("n_embd");
  c.layers = size("n_layer");
  c.tied = false;
  auto& mix = c.block.mix;
  auto& feed = c.block.feed;
  mix.size = size("att_hidden");
  mix.heads = size("n_head");
  mix.identity = mix.size == c.width && mix.heads == 1;
  feed.hidden = size("ffd_hidden");

  const auto type = required<std::string>(json, "gate_type", name);
  check(type == "linear" || type == "mlp" || type == "gmm", ErrorKind::format, name, ": 'gate_type' is none of linear, mlp, gmm");
  const RouterForm form = type == "linear" ? RouterForm::linear : type == "mlp" ? RouterForm::mlp : RouterForm::gmm;
  const Index gating = form == RouterForm::linear ? 0 : size("gating_size");
  const Index sampled = optional<Index>(json, "sample_topk", name).value_or(0);
  mix.router = {.experts = size("n_att_experts"), .chosen = size("k_att"), .form = form, .gating_size = gating, .sampled = sampled};
  feed.router = {.experts = size("n_mlp_experts"), .chosen = size("k_mlp"), .form = form, .gating_size = gating, .sampled = sampled};

  const double weight = optional<double>(json, "aux_loss_weight", name).value_or(0);
  const bool information = optional<std::string>(json, "aux_loss_type", name).value_or("mi") == "mi";
  c.information_weight = information ? weight : 0;
  c.switch_weight = information ? 0 : weight;
  if (!json.contains("cmoe")) return c;

  const Json& ours = json.at("cmoe");
  const auto get = [&](const char* key, auto& field) {
    field = optional<std::remove_reference_t<decltype(field)>>(ours, key, name).value_or(field);
  };
  get("tied", c.tied), get("context", c.context), get("boundary", c.boundary), get("count_padding", c.count_padding);
  get("information_weight", c.information_weight), get("switch_weight", c.switch_weight), get("concentration_weight", c.concentration_weight);
  get("identity", mix.identity), get("attend_current", mix.attention.attend_current), get("head_norm", mix.attention.head_norm);
  get("early_exit", mix.attention.early_exit), get("shared_hidden", feed.shared_hidden);
  const auto leftover = optional<std::string>(ours, "leftover", name).value_or("discard");
  check(leftover == "discard" || leftover == "itself" || leftover == "head_bias", ErrorKind::format, name, ": 'leftover' is none of discard, itself, head_bias");
  mix.attention.leftover = leftover == "discard" ? Leftover::discard : leftover == "itself" ? Leftover::itself : Leftover::head_bias;
  check(c.context > 0 && feed.shared_hidden >= 0 && feed.shared_hidden < Index{1} << 31, ErrorKind::format, name, ": 'context' is ", c.context,
        ", 'shared_hidden' ", feed.shared_hidden);
  return c;
}

// The same back: what moduleformer_config reads.
inline Json moduleformer_json(const ModuleFormer::Config& c) {
  const auto &mix = c.block.mix;
  const auto &feed = c.block.feed;
  const RouterForm form = mix.router.form;
  const bool information = c.information_weight > 0 || c.switch_weight == 0;
  const char* leftover = mix.attention.leftover == Leftover::discard ? "discard" : mix.attention.leftover == Leftover::itself ? "itself" : "head_bias";
  return {{"model_type", "moduleformer"}, {"vocab_size", c.vocabulary}, {"n_embd", c.width}, {"n_layer", c.layers}, {"n_head", mix.heads},
          {"att_hidden", mix.size}, {"ffd_hidden", feed.hidden}, {"activation_function", "gelu_new"}, {"layer_norm_epsilon", 1e-5},
          {"gate_type", form == RouterForm::linear ? "linear" : form == RouterForm::mlp ? "mlp" : "gmm"},
          {"gating_size", std::max<Index>(mix.router.gating_size, 1)}, {"sample_topk", mix.router.sampled},
          {"n_att_experts", mix.router.experts}, {"k_att", mix.router.chosen}, {"n_mlp_experts", feed.router.experts}, {"k_mlp", feed.router.chosen},
          {"aux_loss_type", information ? "mi" : "switch"}, {"aux_loss_weight", information ? c.information_weight : c.switch_weight},
          {"cmoe", {{"tied", c.tied}, {"context", c.context}, {"boundary", c.boundary}, {"count_padding", c.count_padding},
                    {"information_weight", c.information_weight}, {"switch_weight", c.switch_weight},
                    {"concentration_weight", c.concentration_weight}, {"identity", mix.identity},
                    {"attend_current", mix.attention.attend_current}, {"head_norm", mix.attention.head_norm},
                    {"early_exit", mix.attention.early_exit}, {"leftover", leftover}, {"shared_hidden", feed.shared_hidden}}}};
}

}  // namespace cmoe
