// A decoder under a PEFT adapter, and the adapter out of such a decoder.
#pragma once

#include "cmoe/io/llama_weights.hpp"
#include "cmoe/io/peft.hpp"
#include "cmoe/models/merged.hpp"
#include "cmoe/models/tuned.hpp"

namespace cmoe {

namespace detail {

// f(layer's map under transformers' name, our name in the block, map) for every linear map of the blocks.
template <class Model, class F>
void for_each_module(Model& model, F&& f) {
  Index layer = 0;
  const auto walk = [&](auto& block) {
    const std::string at = "layers." + std::to_string(layer++) + ".";
    const auto one = [&](const char* part, const char* name, auto& map) {
      f(module_name(model.config, at + part + "." + name + ".base.weight"), name, map);
    };
    one("mix", "query", block.mix.query);
    one("mix", "key", block.mix.key);
    one("mix", "value", block.mix.value);
    one("mix", "output", block.mix.output);
    one("feed", "gate", block.feed.gate);
    one("feed", "up", block.feed.up);
    one("feed", "down", block.feed.down);
  };
  for (auto& block : model.shallow) walk(block);
  for (auto& block : model.deep) walk(block);
}

// Rows of what leaves a query or key map: files hold rotary pairs in halves, a decoder may hold them adjacent.
inline std::vector<double> rotary_rows(const DecoderConfig& c, const std::string& name, std::vector<double> values, Index rows, RowOrder order) {
  if (c.rotary_layout != RotaryLayout::adjacent || (name != "query" && name != "key")) return values;
  return in_rotary_order<double>(values, rows, c.head(), order);
}

template <class B>
void fill(Param<B>& p, const std::vector<double>& values) {
  std::vector<typename B::Scalar> own;
  for (const double x : values) own.push_back(static_cast<typename B::Scalar>(x));
  p.assign(own);
}

template <class B>
std::vector<double> values_of(const Param<B>& p) {
  const auto own = p.values();
  return {own.begin(), own.end()};
}

template <class Recipe>
constexpr PeftType peft_type_of() {
  if constexpr (std::is_same_v<Recipe, LoraLlama> || std::is_same_v<Recipe, DoraLlama>) return PeftType::lora;
  else if constexpr (std::is_same_v<Recipe, Ia3Llama>) return PeftType::ia3;
  else {
    static_assert(std::is_same_v<Recipe, PromptTunedLlama>, "adapters are LoraLlama, DoraLlama, Ia3Llama or PromptTunedLlama");
    return PeftType::prompt_tuning;
  }
}

inline const char* recipe_of(const PeftAdapter& adapter) {
  return adapter.type == PeftType::ia3             ? "Ia3Llama"
         : adapter.type == PeftType::prompt_tuning ? "PromptTunedLlama"
         : adapter.dora                            ? "DoraLlama"
                                                   : "LoraLlama";
}

}  // namespace detail

// The decoder under the adapter. The backbone's weights are shared and frozen, those of the adapter can be trained further.
// Recipe: LoraLlama, DoraLlama, Ia3Llama or PromptTunedLlama
// throws Error (config) if the adapter is of another kind than the recipe
template <class Recipe, class B>
typename Recipe::template On<B> adapted(const PeftAdapter& adapter, const Llama::On<B>& backbone) {
  constexpr bool dora = std::is_same_v<Recipe, DoraLlama>;
  check(adapter.type == detail::peft_type_of<Recipe>() && adapter.dora == dora, ErrorKind::config, "adapter: it is one for ",
        detail::recipe_of(adapter));
  typename Recipe::Config config;
  static_cast<DecoderConfig&>(config) = backbone.config;
  if constexpr (std::is_same_v<Recipe, PromptTunedLlama>) config.prefix.length = adapter.prompt_length;
  typename Recipe::template On<B> model(config, Rng(0), Pretrained::unfilled);
  share_parameters(backbone, model);
  if constexpr (std::is_same_v<Recipe, PromptTunedLlama>) {
    model.prefix.grow(config.width, config.prefix, Rng(0));
    detail::fill(model.prefix.block->rows, adapter.prompt);
  } else {
    detail::for_each_module(model, [&](const std::string& module, const std::string& name, auto& map) {
      const auto found = adapter.modules.find(module);
      if (found == adapter.modules.end()) return;
      const PeftModule& m = found->second;
      const Index in = map.base.in(), out = map.base.out();
      const auto ours = [&](const std::vector<double>& rows) { return detail::rotary_rows(config, name, rows, out, RowOrder::to_pairs); };
      if constexpr (std::is_same_v<Recipe, Ia3Llama>) {
        map.grow(name, {.inputs = m.at_input ? std::vector<std::string>{name} : std::vector<std::string>()}, Rng(0));
        detail::fill(map.delta.factor, m.at_input ? m.factor : ours(m.factor));
      } else {
        auto kind = config.deep;
        kind.rank = m.rank;
        kind.alpha = m.alpha;
        kind.rank_stabilised = adapter.rank_stabilised;
        map.grow(name, kind, Rng(0));
        detail::fill(map.delta.block->a, transposed<double>(m.a, m.rank, in));
        detail::fill(map.delta.block->b, transposed<double>(ours(m.b), out, m.rank));
        if constexpr (dora) detail::fill(map.delta.magnitude, ours(m.magnitude));
      }
    });
  }
  return model;
}

// The same from its folder.
template <class Recipe, class B>
typename Recipe::template On<B> read_peft(const Path& folder, const Llama::On<B>& backbone) {
  return adapted<Recipe>(read_peft_adapter(folder, backbone.config), backbone);
}

// The backbone with the adapter in its weights: what it costs to run is what the backbone costs.
// throws Error (misuse) for a prompt, which has no place in a matrix
template <class B>
Llama::On<B> merged(const PeftAdapter& adapter, const Llama::On<B>& backbone) {
  check(adapter.type != PeftType::prompt_tuning, ErrorKind::misuse, "merged: a prompt stands before the tokens; it has no place in a matrix");
  if (adapter.type == PeftType::ia3) return merged(adapted<Ia3Llama>(adapter, backbone));
  return adapter.dora ? merged(adapted<DoraLlama>(adapter, backbone)) : merged(adapted<LoraLlama>(adapter, backbone));
}

// The adapter of a decoder of one of the four recipes. `base`: where its backbone comes from, as the file will say.
// throws Error (misuse) if there is none yet
template <class Model>
PeftAdapter adapter_of(Model& model, const std::string& base = "") {
  PeftAdapter adapter;
  adapter.base = base;
  if constexpr (requires { model.prefix.block->rows; }) {
    check(model.prefix.block.has_value(), ErrorKind::misuse, "adapter: there is no prompt yet; call add_task()");
    adapter.type = PeftType::prompt_tuning;
    adapter.prompt_length = model.prefix.block->rows.shape()[0];
    adapter.prompt = detail::values_of(model.prefix.block->rows);
  } else {
    detail::for_each_module(model, [&](const std::string& module, const std::string& name, auto& map) {
      const Index out = map.base.out();
      const auto file = [&](const std::vector<double>& rows) {
        return detail::rotary_rows(model.config, name, rows, out, RowOrder::to_halves);
      };
      if constexpr (requires { map.delta.factor; }) {
        if (!map.delta.factor) return;
        adapter.type = PeftType::ia3;
        PeftModule& m = adapter.modules[module];
        m.at_input = map.delta.at_input;
        m.factor = m.at_input ? detail::values_of(map.delta.factor) : file(detail::values_of(map.delta.factor));
      } else {
        static_assert(requires { map.delta.block->a; }, "an adapter is one LoRA, DoRA or IA3 on each map, or a tuned prompt");
        if (!map.delta.block) return;
        PeftModule& m = adapter.modules[module];
        const auto& [a, b] = std::tie(map.delta.block->a, map.delta.block->b);
        m.rank = a.shape()[1];
        m.alpha = map.delta.scale * static_cast<double>(m.rank);
        m.a = transposed<double>(detail::values_of(a), a.shape()[0], m.rank);
        m.b = file(transposed<double>(detail::values_of(b), m.rank, out));
        if constexpr (requires { map.delta.magnitude; }) {
          adapter.dora = true;
          m.magnitude = file(detail::values_of(map.delta.magnitude));
        }
      }
    });
    check(!adapter.modules.empty(), ErrorKind::misuse, "adapter: no map has a delta yet; call add_task()");
  }
  return adapter;
}

// throws as adapter_of() and write_peft_adapter()
template <class Model>
void write_peft(const Path& folder, Model& model, const std::string& base = "") {
  write_peft_adapter(folder, adapter_of(model, base), model.config);
}

}  // namespace cmoe
