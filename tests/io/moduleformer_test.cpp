#include <doctest/doctest.h>

#include "cmoe/cpu/cpu.hpp"
#include "cmoe/io/moduleformer_weights.hpp"

namespace cmoe::moduleformer_test {

using B = Cpu<double>;
using Model = ModuleFormer::On<B>;

namespace {

ModuleFormer::Config every_feature(RouterForm form) {
  ModuleFormer::Config c{.vocabulary = 12, .width = 6, .layers = 2, .context = 40, .information_weight = 0.02, .boundary = 1};
  const Index gating = form == RouterForm::linear ? 0 : 3;
  c.block.mix = {.size = 4, .heads = 2, .router = {.experts = 3, .chosen = 2, .form = form, .gating_size = gating},
                 .attention = {.leftover = Leftover::head_bias, .head_norm = true}};
  c.block.feed = {.hidden = 5, .router = {.experts = 4, .chosen = 2, .form = form, .gating_size = gating}, .shared_hidden = 3};
  return c;
}

struct Scratch {
  Path folder = std::filesystem::temp_directory_path() / ("cmoe-moduleformer-" + std::to_string(::getpid()));
  Scratch() { std::filesystem::remove_all(folder), std::filesystem::create_directories(folder); }
  ~Scratch() { std::filesystem::remove_all(folder); }
};

Flow<B> prompted() {
  Flow<B> flow;
  flow.prompt_first = Ids<B>({2}, {0, 0});
  flow.prompt_last = Ids<B>({2}, {2, 3});
  return flow;
}
const Ids<B> ids({2, 4}, {1, 2, 3, 4, 5, 6, 7, 8});

}  // namespace

TEST_CASE("a model written and read again gives the same bits: grown, gated, split, pruned in both ways, in every form of router") {
  const Scratch scratch;
  int number = 0;
  for (const RouterForm form : {RouterForm::linear, RouterForm::mlp, RouterForm::gmm})
    for (const bool gated : {true, false})
      for (const Pruning how : {Pruning::delete_rows, Pruning::keep_mass}) {
        Model model(every_feature(form), Rng(1));
        const Insertion insertions[] = {Insertion::copies, Insertion::split};
        for (std::uint64_t t = 0; t < 2; ++t) {
          model.insert(1, 2, Rng(t), insertions[t]);
          if (gated) model.gate.grow();
        }
        model.gate.active = model.gate.experts();
        for (Index i = 0; i < (gated ? model.gate.weight.size() : 0); ++i) model.gate.weight.data()[i] = std::sin(static_cast<double>(i));
        model.keep({{0, 2}, {0, 1, 3}, {0, 1, 2, 4}, {0, 3, 6}}, how);  // the last leaves one insertion without a module
        const Path folder = scratch.folder / std::to_string(number++);
        save_moduleformer(folder, model);
        const Model back = load_moduleformer<B>(folder);
        CHECK(back(ids, prompted()).logits.values() == model(ids, prompted()).logits.values());
        CHECK(parameter_count(back) == parameter_count(model));
        CHECK(moduleformer_json(back.config) == moduleformer_json(model.config));
        CHECK_THROWS_AS(save_moduleformer(folder, model), Error);
      }
}

TEST_CASE("a file that is not the model of its configuration is refused by name") {
  const Scratch scratch;
  const Model model(every_feature(RouterForm::mlp), Rng(1));
  const Path folder = scratch.folder / "model";
  save_moduleformer(folder, model);
  const SafeTensors file = SafeTensors::open(folder / "model.safetensors");
  const auto refused = [&](auto change) {
    ModuleFormer::Config config = model.config;
    change(config);
    CHECK_THROWS_AS(make_moduleformer<B>(config, file, "file"), Error);
  };
  CHECK_NOTHROW(make_moduleformer<B>(model.config, file, "file"));
  refused([](auto& c) { c.vocabulary = 1 << 30; });
  refused([](auto& c) { c.width = 8; });
  refused([](auto& c) { c.layers = 3; });
  refused([](auto& c) { c.layers = 1; });  // tensors are left over
  refused([](auto& c) { c.block.mix.size = 8; });
  refused([](auto& c) { c.block.feed.hidden = 7; });
  refused([](auto& c) { c.block.feed.router.chosen = 5; });
  refused([](auto& c) { c.block.mix.router.form = c.block.feed.router.form = RouterForm::gmm; });
  refused([](auto& c) { c.tied = false; });

  const Json good = moduleformer_json(model.config);
  const auto refused_json = [&](const char* key, const Json& value) {
    Json bad = good;
    bad[key] = value;
    CAPTURE(key);
    CHECK_THROWS_AS(moduleformer_config(bad, "config.json"), Error);
  };
  for (const char* key : {"vocab_size", "n_embd", "n_layer", "n_head", "att_hidden", "ffd_hidden", "k_att", "n_mlp_experts"}) {
    refused_json(key, 0);
    refused_json(key, "many");
    refused_json(key, nullptr);
  }
  refused_json("gate_type", "other");
  refused_json("model_type", "llama");
  refused_json("activation_function", "relu");
}

TEST_CASE("a published configuration is read as the released code runs it") {
  const Json published = {{"model_type", "moduleformer"}, {"vocab_size", 50295}, {"n_embd", 1024}, {"n_layer", 48}, {"n_head", 1},
                          {"att_hidden", 1024}, {"ffd_hidden", 2048}, {"activation_function", "gelu_new"}, {"gate_type", "mlp"},
                          {"gating_size", 256}, {"n_att_experts", 16}, {"k_att", 2}, {"n_mlp_experts", 32}, {"k_mlp", 2},
                          {"aux_loss_type", "mi"}, {"aux_loss_weight", 0}, {"sample_topk", 0}, {"world_size", 8}, {"pre_norm", true}};
  const ModuleFormer::Config c = moduleformer_config(published, "config.json");
  CHECK(c.block.mix.identity);
  CHECK_FALSE(c.tied);
  CHECK(c.block.mix.router.form == RouterForm::mlp);
  CHECK(c.block.mix.router.gating_size == 256);
  CHECK(c.information_weight + c.switch_weight + c.concentration_weight == 0);
  CHECK(c.block.mix.attention.leftover == Leftover::discard);
}

}  // namespace cmoe::moduleformer_test
