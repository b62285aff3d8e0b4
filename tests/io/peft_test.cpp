#include <doctest/doctest.h>

#include "cmoe/cpu/cpu.hpp"
#include "cmoe/io/peft_model.hpp"
#include "io/samples.hpp"

namespace cmoe::peft_test {

using B = Cpu<float>;

namespace {

bool says(const char* pattern, const char* text) { return Pattern(pattern, "p").matches(text); }

Llama::Config small() {
  Llama::Config c;
  c.vocabulary = 10, c.width = 8, c.layers = 3, c.heads = 2, c.kv_heads = 1, c.hidden = 12, c.context = 16;
  return c;
}

Json lora_config() {
  return {{"peft_type", "LORA"}, {"r", 2}, {"lora_alpha", 4}, {"target_modules", {"q_proj", "v_proj"}}, {"task_type", "CAUSAL_LM"}, {"bias", "none"}};
}

// An adapter's folder by hand: what the configuration says, and tensors for the rank in layers first..last-1.
struct Files {
  samples::Folder folder;
  Json config = lora_config();
  SafeTensorsWriter tensors;

  void put(const std::string& name, const Shape& shape, float value = 0.5F) {
    const std::vector<float> values(static_cast<std::size_t>(shape.size()), value);
    tensors.add("base_model.model.model.layers." + name, shape, std::span<const float>(values));
  }
  void put_pairs(Index first, Index last, Index rank = 2) {
    for (Index l = first; l < last; ++l)
      for (const auto& [part, out] : {std::pair("q_proj", 8), std::pair("v_proj", 4)}) {
        const std::string at = std::to_string(l) + ".self_attn." + part;
        put(at + ".lora_A.weight", {rank, 8});
        put(at + ".lora_B.weight", {out, rank});
      }
  }
  PeftAdapter read(const DecoderConfig& sizes = small()) {
    folder.write("adapter_config.json", config.dump());
    tensors.save(folder.path() / "adapter_model.safetensors");
    return read_peft_adapter(folder.path(), sizes);
  }
  // The error without the folder's name in front.
  std::string refusal(const DecoderConfig& sizes = small()) {
    const samples::Refusal r = samples::refusal([&] { read(sizes); });
    CHECK(r.thrown);
    CHECK((r.kind == ErrorKind::format || r.kind == ErrorKind::numeric));
    const std::string front = folder.path().string() + "/";
    return r.text.starts_with(front) ? r.text.substr(front.size()) : r.text;
  }
};

std::string refused_with(const char* key, const Json& value) {
  Files files;
  files.config[key] = value;
  files.put_pairs(0, 3);
  return files.refusal();
}

template <class Recipe>
auto tuned(RotaryLayout layout, std::uint64_t seed) {
  typename Recipe::Config c;
  static_cast<DecoderConfig&>(c) = small();
  c.rotary_layout = layout;
  typename Recipe::template On<B> model(c, Rng(seed));
  model.add_task(Rng(4));
  Rng draw(5);
  for_each_param(model, [&](const std::string& name, Param<B>& p) {
    for (Index i = 0; name.find("base") == std::string::npos && i < p.size(); ++i) p.data()[i] += 0.3F * static_cast<float>(draw.normal());
  });
  return model;
}

}  // namespace

TEST_CASE("patterns match what regular expressions of module names mean") {
  CHECK(says(".*q_proj", "model.layers.0.self_attn.q_proj"));
  CHECK_FALSE(says(".*q_proj", "model.layers.0.self_attn.q_proj.lora"));
  CHECK(says(R"(.*\.(q|v)_proj)", "a.v_proj"));
  CHECK_FALSE(says(R"(.*\.(q|v)_proj)", "a.k_proj"));
  CHECK(says(R"(model\.layers\.\d+\.self_attn\.(?:q|k)_proj$)", "model.layers.12.self_attn.k_proj"));
  CHECK_FALSE(says(R"(layers\.[^0-3]\..*)", "layers.2.x"));
  CHECK(says(R"(^layers\.[4-6x]\.\w+?)", "layers.5.mlp"));
  CHECK(says("a+b?c*", "aac"));
  CHECK_FALSE(says("a+b?c*", "b"));
  CHECK(says("a|", ""));
  CHECK(says("(a*)*b", std::string(2000, 'a').append("b").c_str()));  // linear: a backtracking matcher would not end
  CHECK_FALSE(says("(a*)*b", std::string(2000, 'a').c_str()));
  for (const char* refused : {"a{2}", "(?=a)", "(a", "a)", "[a", "*a", "a**", R"(\1)", R"(\b)", "\\", "[z-a]"}) {
    CAPTURE(refused);
    CHECK_THROWS_AS(Pattern(refused, "p"), Error);
  }
}

TEST_CASE("ranks, alphas and layers follow the configuration's patterns") {
  Files files;
  files.config["rank_pattern"] = {{R"(layers\.1\.self_attn\.q_proj)", 3}};
  files.config["alpha_pattern"] = {{"v_proj", 1}};
  files.config["layers_to_transform"] = {1};
  files.put("1.self_attn.q_proj.lora_A.weight", {3, 8});
  files.put("1.self_attn.q_proj.lora_B.weight", {8, 3});
  files.put("1.self_attn.v_proj.lora_A.weight", {2, 8});
  files.put("1.self_attn.v_proj.lora_B.weight", {4, 2});
  const PeftAdapter adapter = files.read();
  CHECK(adapter.modules.size() == 2);
  const PeftModule &q = adapter.modules.at("model.layers.1.self_attn.q_proj"), &v = adapter.modules.at("model.layers.1.self_attn.v_proj");
  CHECK(adapter.scale(q) == doctest::Approx(4.0 / 3));
  CHECK(adapter.scale(v) == doctest::Approx(0.5));
  files.config["rank_pattern"][".*q_proj"] = 4;
  CHECK(files.refusal() == "adapter_config.json: two patterns of 'rank_pattern' say different numbers for model.layers.1.self_attn.q_proj");
}

TEST_CASE("modules are named by endings, whole names, a pattern or all-linear, less those excluded") {
  PeftConfig config;
  const auto with = [&](const char* key, const Json& value) {
    Json json = lora_config();
    json[key] = value;
    config = peft_config(json, "c");
  };
  const std::string q = "model.layers.2.self_attn.q_proj", down = "model.layers.2.mlp.down_proj";
  with("target_modules", {"q_proj"});
  CHECK(adapts(config, q, 2));
  CHECK_FALSE(adapts(config, down, 2));
  with("target_modules", {q});
  CHECK(adapts(config, q, 2));
  CHECK_FALSE(adapts(config, "model.layers.1.self_attn.q_proj", 1));
  with("target_modules", ".*mlp.*");
  CHECK(adapts(config, down, 2));
  with("target_modules", "all-linear");
  CHECK(adapts(config, q, 2));
  CHECK_FALSE(adapts(config, "lm_head", -1));
  with("exclude_modules", {"q_proj"});
  CHECK_FALSE(adapts(config, q, 2));
}

TEST_CASE("keys that change the mathematics are refused by name, those that say nothing are not") {
  CHECK(refused_with("peft_type", "LOHA") == "adapter_config.json: 'peft_type' is LOHA; LORA, IA3 and PROMPT_TUNING are read");
  CHECK(refused_with("modules_to_save", {"lm_head"}).find("'modules_to_save' is [\"lm_head\"]") != std::string::npos);
  CHECK(refused_with("bias", "all").find("'bias' is all") != std::string::npos);
  CHECK(refused_with("init_lora_weights", "pissa_niter_4").find("may have changed the backbone") != std::string::npos);
  CHECK(refused_with("lora_bias", true) == "adapter_config.json: 'lora_bias' is true, which adapters here do not compute");
  CHECK(refused_with("use_something_new", {{"a", 1}}) == "adapter_config.json: 'use_something_new' is {\"a\":1}, which adapters here do not compute");
  CHECK(refused_with("target_modules", {"lm_head", "q_proj"}).find("'target_modules' names lm_head") != std::string::npos);
  CHECK(refused_with("target_modules", {"query"}) == "adapter_config.json: 'target_modules' names no linear map of this decoder");
  CHECK(refused_with("target_modules", "q{2}").find("a count") != std::string::npos);
  Json many = Json::object();
  for (char letter = 'a'; letter < 'u'; ++letter) many[std::string(4000, letter)] = 2;
  CHECK(refused_with("rank_pattern", many) == "adapter_config.json: 'rank_pattern' holds patterns of more than 65536 characters together");
  CHECK(refused_with("r", 0).find("the rank of model.layers.0.self_attn.q_proj is 0") != std::string::npos);
  Files files;
  for (const char* key : {"kasa_config", "use_qalora", "use_something_new"}) files.config[key] = nullptr;
  files.config["lora_dropout"] = 0.1;
  files.config["inference_mode"] = true;
  files.put_pairs(0, 3);
  CHECK(files.read().modules.size() == 6);
}

TEST_CASE("tensors that are missing, too many, of other shapes or no numbers are refused by name") {
  Files half;
  half.put_pairs(0, 2);
  half.put("2.self_attn.q_proj.lora_A.weight", {2, 8});
  CHECK(half.refusal() ==
        "adapter_model.safetensors: no tensor 'base_model.model.model.layers.2.self_attn.q_proj.lora_B.weight', which a module of 'target_modules' "
        "needs");
  Files rank;
  rank.put_pairs(0, 3, 3);
  CHECK(rank.refusal() ==
        "adapter_model.safetensors: tensor 'base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight' is (3,8), expected (2,8)");
  Files wide;
  wide.put_pairs(0, 3);
  DecoderConfig other = small();
  other.width = 16;
  CHECK(wide.refusal(other) ==
        "adapter_model.safetensors: tensor 'base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight' is (2,8), expected (2,16)");
  Files more;
  more.put_pairs(0, 4);  // a fourth layer that the decoder lacks
  CHECK(more.refusal().find("layers.3.self_attn.q_proj.lora_A.weight' has no place") != std::string::npos);
  Files nan;
  nan.put_pairs(0, 2);
  nan.put("2.self_attn.q_proj.lora_A.weight", {2, 8}, std::nanf(""));
  nan.put("2.self_attn.q_proj.lora_B.weight", {8, 2});
  CHECK(nan.refusal().find("value 0 is not finite") != std::string::npos);
  Files none;
  none.folder.write("adapter_config.json", lora_config().dump());
  none.folder.write("adapter_model.bin", "x");
  CHECK_THROWS_WITH_AS(read_peft_adapter(none.folder.path(), small()),
                       ((none.folder.path() / "adapter_model.safetensors").string() +
                        ": is not there; adapter_model.bin is not read, save it as safetensors with PEFT")
                           .c_str(),
                       Error);
}

TEST_CASE("an adapter of any kind goes out and comes back as it was, whatever rotary layout the decoder has") {
  const Ids<B> ids({1, 5}, {3, 1, 4, 1, 5});
  const samples::Folder folder;
  const auto round_trip = [&]<class Recipe>(const char* name, Recipe*) {
    for (const RotaryLayout layout : {RotaryLayout::halves, RotaryLayout::adjacent}) {
      auto model = tuned<Recipe>(layout, 3);
      const Path path = folder.path() / (name + std::to_string(static_cast<int>(layout)));
      write_peft(path, model, "somewhere");
      Llama::Config plain;
      static_cast<DecoderConfig&>(plain) = model.config;
      Llama::On<B> backbone(plain, Rng(3));
      share_parameters(model, backbone);
      const auto back = read_peft<Recipe>(path, backbone);
      CHECK(back(ids, {}).logits.values() == model(ids, {}).logits.values());
    }
    CHECK(read_file(folder.path() / (name + std::string("0")) / "adapter_model.safetensors").size() ==
          read_file(folder.path() / (name + std::string("1")) / "adapter_model.safetensors").size());
  };
  round_trip("lora", static_cast<LoraLlama*>(nullptr));
  round_trip("dora", static_cast<DoraLlama*>(nullptr));
  round_trip("ia3", static_cast<Ia3Llama*>(nullptr));
  // Rows of queries lie in the file's order, not in the model's.
  CHECK(read_file(folder.path() / "lora0/adapter_model.safetensors") != read_file(folder.path() / "lora1/adapter_model.safetensors"));
}

TEST_CASE("a folder that holds something is not written to, and what it holds stays") {
  auto model = tuned<LoraLlama>(RotaryLayout::halves, 3);
  const samples::Folder folder;
  folder.write("taken/mine.txt", "mine");
  CHECK_THROWS_WITH_AS(write_peft(folder.path() / "taken", model),
                       ((folder.path() / "taken").string() + ": is there already; name a folder that is not").c_str(), Error);
  CHECK(read_file(folder.path() / "taken/mine.txt") == "mine");
  CHECK(folder.entries() == 1);
  LoraLlama::Config config;
  static_cast<DecoderConfig&>(config) = small();
  LoraLlama::On<B> bare(config, Rng(1));
  CHECK_THROWS_WITH_AS(write_peft(folder.path() / "none", bare), "adapter: no map has a delta yet; call add_task()", Error);
  CHECK(folder.entries() == 1);
}

TEST_CASE("an adapter is put onto a decoder by the recipe of its kind only") {
  Files files;
  files.put_pairs(0, 3);
  const Llama::On<B> backbone(small(), Rng(1));
  const PeftAdapter adapter = files.read();
  CHECK_THROWS_WITH_AS((adapted<DoraLlama>(adapter, backbone)), "adapter: it is one for LoraLlama", Error);
  CHECK(adapted<LoraLlama>(adapter, backbone).deep[0].mix.query.delta.scale == 2);
}

}  // namespace cmoe::peft_test
