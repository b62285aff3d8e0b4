#include "cmoe/io/hf_folder.hpp"
#include "cmoe/io/peft_model.hpp"
#include "cmoe/ops/loss.hpp"
#include "golden.hpp"
#include "io/samples.hpp"

namespace cmoe::peft_test {

namespace {

// Which of our parameters a gradient of the file belongs to, and whether the file holds it turned.
struct Place {
  std::string ours;
  bool turned = false;
};

// "base_model.model.model.layers.0.self_attn.q_proj.lora_A.default.weight" -> "layers.0.mix.query.delta.block.a"
Place place_of(const std::string& file, const DecoderConfig& sizes) {
  if (file == "prompt_encoder.default.embedding.weight") return {"prefix.prompt.rows"};
  Place place;
  for_each_decoder_param(sizes, [&](const std::string& ours, const Shape&) {
    if (!ours.ends_with(".base.weight")) return;
    const std::string stored = decoder_name(sizes, ours).name, module = "base_model.model." + stored.substr(0, stored.size() - 6);
    if (!file.starts_with(module)) return;
    const std::string rest = file.substr(module.size()), delta = ours.substr(0, ours.size() - 11) + "delta.";
    if (rest.starts_with("lora_A")) place = {delta + "block.a", true};
    if (rest.starts_with("lora_B")) place = {delta + "block.b", true};
    if (rest.starts_with("lora_magnitude")) place = {delta + "magnitude"};
    if (rest.starts_with("ia3_l")) place = {delta + "factor"};
  });
  return place;
}

template <class Recipe, class B>
void compare(const std::string& name, double tolerance, double gradient_tolerance) {
  const auto folder = shared_data("golden/peft/" + name), base = shared_data("golden/transformers/llama");
  if (!folder || !base) return;
  CAPTURE(name);
  const SafeTensors expected = SafeTensors::open(*folder / "expected.safetensors");
  const Json numbers = read_json(*folder / "expected.json");
  const Llama::On<B> backbone = read_hf_llama<B>(*base);
  auto model = read_peft<Recipe>(*folder, backbone);

  const Ids<B> ids = golden::ids<B>(expected, "input_ids");
  const Index n = ids.shape()[0], t = ids.shape()[1], v = backbone.vocabulary();
  std::vector<Id> next = golden::ids<B>(expected, "labels").values();  // theirs stand at their own token, ours at the token before
  for (Index i = 0; i < n * t; ++i) next[static_cast<std::size_t>(i)] = (i + 1) % t == 0 ? ignored_label : next[static_cast<std::size_t>(i + 1)];
  Tape<B> tape;
  const Tensor<B> logits = model(ids, {}).logits;
  std::vector<double> wanted = expected.at("logits").values<double>();
  const Index longer = expected.at("logits").shape[1];  // with scores for the prompt, which ours leaves out
  std::vector<double> tokens;
  for (Index i = 0; i < n; ++i) tokens.insert(tokens.end(), wanted.begin() + (i * longer + longer - t) * v, wanted.begin() + (i + 1) * longer * v);
  CHECK(golden::deviation(logits.values(), tokens) < tolerance);
  const Tensor<B> loss = cross_entropy(logits, Ids<B>({n, t}, next));
  CHECK(static_cast<double>(loss.item()) == doctest::Approx(required<double>(numbers, "loss", "expected.json")).epsilon(std::max(tolerance, 1e-6)));
  tape.backward(loss);
  const auto ours = detail::by_name(model);
  std::size_t gradients = 0;
  for (const StoredTensor& stored : expected.tensors()) {
    if (!stored.name.starts_with("grad.")) continue;
    CAPTURE(stored.name);
    const Place place = place_of(stored.name.substr(5), backbone.config);
    REQUIRE(ours.contains(place.ours));
    const Param<B>& p = *ours.at(place.ours);
    const auto back = p.grad().values();
    const auto turned = place.turned ? transposed<typename B::Scalar>(back, p.shape()[0], p.shape()[1]) : back;
    CHECK(golden::deviation(turned, stored.values<double>()) < gradient_tolerance);
    ++gradients;
  }
  CHECK(gradients == SafeTensors::open(*folder / "adapter_model.safetensors").tensors().size());

  if constexpr (!std::is_same_v<Recipe, PromptTunedLlama>) {
    const typename Tape<B>::Pause no_recording;
    CHECK(golden::deviation(merged(read_peft_adapter(*folder, backbone.config), backbone)(ids, {}).logits.values(), tokens) < tolerance);
  }
  const samples::Folder written;  // and out again: the same tensors under the same names
  write_peft(written.path() / "adapter", model);
  const SafeTensors out = SafeTensors::open(written.path() / "adapter" / "adapter_model.safetensors"),
                    in = SafeTensors::open(*folder / "adapter_model.safetensors");
  REQUIRE(out.tensors().size() == in.tensors().size());
  for (const StoredTensor& stored : in.tensors()) {
    CHECK(out.at(stored.name).shape == stored.shape);
    CHECK(out.at(stored.name).values<float>() == stored.values<float>());
  }
  CHECK(golden::deviation(read_peft<Recipe>(written.path() / "adapter", backbone)(ids, {}).logits.values(), tokens) < tolerance);
}

template <class B>
void compare_all(double tolerance, double gradient_tolerance) {
  compare<LoraLlama, B>("lora_qv", tolerance, gradient_tolerance);
  compare<LoraLlama, B>("rslora_all_linear", tolerance, gradient_tolerance);
  compare<DoraLlama, B>("dora_qv", tolerance, gradient_tolerance);
  compare<Ia3Llama, B>("ia3", tolerance, gradient_tolerance);
  compare<PromptTunedLlama, B>("prompt_tuning", tolerance, gradient_tolerance);
}

}  // namespace

// Reference models in double still compute norms, rotary angles and softmax in float32. Adapters of large values amplify that: with all
// three in double the reference itself moves by 1.3e-6 on rslora_all_linear.
TEST_CASE("LoRA, rank-stabilised LoRA, DoRA, IA3 and prompts of PEFT give its logits, loss and gradients, and go out as they came, in double") {
  compare_all<Cpu<double>>(5e-6, 5e-5);
}

TEST_CASE("LoRA, rank-stabilised LoRA, DoRA, IA3 and prompts of PEFT give its logits, loss and gradients, and go out as they came, in float") {
  compare_all<Cpu<float>>(1e-4, 1e-3);
}

}  // namespace cmoe::peft_test
