#include "adapter.hpp"

#include "cmoe/io/peft_model.hpp"

namespace program {

using namespace cmoe;

Llama::On<Backend> with_adapter(const std::string& folder, const Llama::On<Backend>& model) {
  return merged(read_peft_adapter(folder, model.config), model);
}

bool is_prompt_adapter(const std::string& folder) {
  const Path config = Path(folder) / "adapter_config.json";
  return peft_config(read_json(config), config.string()).type == PeftType::prompt_tuning;
}

namespace {

// The low-rank blocks of one map, as they lie in the model.
struct Blocks {
  struct One {
    const Param<Backend>*a = nullptr, *b = nullptr;
    double weight = 1;
  };
  std::map<Index, One> list;  // -1: the one that all tasks share, else by expert
};

// [A_1 … A_E] and [g_1 B_1; …; g_E B_E] in the file's order.
PeftModule stacked(const Blocks& blocks, const std::string& name, const DecoderConfig& sizes, double scale) {
  PeftModule m;
  Index out = 0;
  for (const auto& [expert, block] : blocks.list) {
    if (block.weight == 0) continue;
    check(block.a && block.b, ErrorKind::format, "export: ", name, " has half a block");
    const Index in = block.a->shape()[0], rank = block.a->shape()[1];
    out = block.b->shape()[1];
    const std::vector<double> a = transposed<double>(cmoe::detail::values_of(*block.a), in, rank);
    m.a.insert(m.a.end(), a.begin(), a.end());
    for (const double x : cmoe::detail::values_of(*block.b)) m.b.push_back(block.weight * x);  // (R,out)
    m.rank += rank;
  }
  if (m.rank == 0) return m;
  m.alpha = scale * static_cast<double>(m.rank);
  m.b = cmoe::detail::rotary_rows(sizes, name, transposed<double>(m.b, m.rank, out), out, RowOrder::to_halves);
  return m;
}

}  // namespace

PeftAdapter adapter_under(const Built& built, const std::string& method, const Tensor<Backend>& gates, const std::string& base) {
  PeftAdapter adapter;
  adapter.base = base;
  if (const Tensor<Backend> prompts = built.exported.prompts(gates)) {  // (1,M,C)
    check(built.exported.boundary == 0, ErrorKind::config, "export: prompts enter before layer ", built.exported.boundary,
          "; PEFT puts them before the first");
    adapter.type = PeftType::prompt_tuning;
    adapter.prompt_length = prompts.shape()[1];
    const auto values = prompts.values();
    adapter.prompt.assign(values.begin(), values.end());
    return adapter;
  }
  std::map<std::string, Blocks> maps;
  for_each_param(built.learner.model(), [&](const std::string& name, const Param<Backend>& p) {
    const std::size_t at = name.find(".delta.");
    if (at == std::string::npos) return;
    const std::string map = name.substr(0, at), rest = name.substr(at + 7);
    check(!rest.ends_with(".values"), ErrorKind::config, "export: ", method,
          " learns single entries of the weights, which no LoRA of low rank holds; use --format safetensors --task NAME");
    Index expert = -1;
    if (rest.starts_with("experts.")) expert = std::stoll(rest.substr(8));
    Blocks::One& block = maps[map].list[expert];
    (rest.ends_with(".a") ? block.a : block.b) = &p;
    if (expert < 0) return;
    const bool gated = gates && expert < gates.shape().cols();
    block.weight = gated ? static_cast<double>(gates.values()[static_cast<std::size_t>(expert)]) : 0;
  });
  for (const auto& [map, blocks] : maps) {
    const std::string module = cmoe::detail::module_name(built.exported.sizes, map + ".base.weight");
    PeftModule m = stacked(blocks, map.substr(map.rfind('.') + 1), built.exported.sizes, built.exported.scale);
    if (m.rank > 0) adapter.modules.emplace(module, std::move(m));
  }
  check(!adapter.modules.empty(), ErrorKind::config, "export: ", method, " has no adapter",
        built.exported.scale == 0 ? "; it trains the weights themselves, use --format safetensors" : " under these gates");
  return adapter;
}

}  // namespace program
