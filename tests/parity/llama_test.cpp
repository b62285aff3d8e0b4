#include "cmoe/io/llama_weights.hpp"
#include "cmoe/models/generate.hpp"
#include "golden.hpp"

#include "cmoe/ops/loss.hpp"

using namespace cmoe;

namespace {

Llama::Config config_of(const Json& json) {
  const std::string name = "config.json";
  Llama::Config c;
  c.vocabulary = required<Index>(json, "vocab_size", name);
  c.width = required<Index>(json, "hidden_size", name);
  c.layers = required<Index>(json, "num_hidden_layers", name);
  c.heads = required<Index>(json, "num_attention_heads", name);
  c.kv_heads = required<Index>(json, "num_key_value_heads", name);
  c.head_size = optional<Index>(json, "head_dim", name).value_or(0);
  c.hidden = required<Index>(json, "intermediate_size", name);
  c.context = required<Index>(json, "max_position_embeddings", name);
  c.norm_epsilon = required<double>(json, "rms_norm_eps", name);
  c.rotary_base = required<double>(json.contains("rope_parameters") ? json["rope_parameters"] : json, "rope_theta", name);
  c.tied = required<bool>(json, "tie_word_embeddings", name);
  return c;
}

// The labels of the files stand at their own token; ours at the token before.
template <class B>
Ids<B> shifted(const Ids<B>& labels) {
  const Index n = labels.shape()[0], t = labels.shape()[1];
  std::vector<Id> values = labels.values();
  for (Index i = 0; i < n; ++i)
    for (Index j = 0; j < t; ++j)
      values[static_cast<std::size_t>(i * t + j)] = j + 1 < t ? labels.data()[i * t + j + 1] : ignored_label;
  return Ids<B>(labels.shape(), values);
}

template <class B>
void compare(const std::string& family, double tolerance, double gradient_tolerance) {
  const auto folder = shared_data("golden/transformers/" + family);
  if (!folder) return;
  CAPTURE(family);
  const SafeTensors weights = SafeTensors::open(*folder / "model.safetensors"),
                    expected = SafeTensors::open(*folder / "expected.safetensors");
  const Json numbers = read_json(*folder / "expected.json");
  Llama::On<B> model(config_of(read_json(*folder / "config.json")), Rng(0));
  std::size_t read = 0;
  load_llama<B>(model, [&](const std::string& name, const Shape& shape) {
    const StoredTensor& stored = weights.at(name);
    REQUIRE(stored.shape == shape);
    ++read;
    return stored.values<typename B::Scalar>();
  });
  CHECK(read == weights.tensors().size());

  const Ids<B> ids = golden::ids<B>(expected, "input_ids"), mask = golden::ids<B>(expected, "attention_mask");
  const Index n = ids.shape()[0], t = ids.shape()[1];
  CHECK(golden::deviation(model(ids, {}).logits, expected, "logits_unmasked") < tolerance);

  std::vector<Id> last(static_cast<std::size_t>(n), 0);
  for (Index i = 0; i < n * t; ++i) last[static_cast<std::size_t>(i / t)] += mask.data()[i];
  Flow<B> flow;
  flow.last = Ids<B>({n}, last);
  Tape<B> tape;
  const Tensor<B> logits = model(ids, flow).logits;
  CHECK(golden::deviation(logits, expected, "logits") < tolerance);
  const Tensor<B> loss = cross_entropy(logits, shifted(golden::ids<B>(expected, "labels")));
  CHECK(static_cast<double>(loss.item()) ==
        doctest::Approx(required<double>(numbers, "loss", "expected.json")).epsilon(std::max(tolerance, 1e-6)));
  tape.backward(loss);
  std::size_t gradients = 0;
  for_each_param(model, [&](const std::string& ours, const Param<B>& p) {
    const StoredName stored = llama_name(ours);
    CAPTURE(stored.name);
    const auto back = p.grad().values();
    const auto turned = stored.transposed ? transposed<typename B::Scalar>(back, p.shape()[0], p.shape()[1]) : back;
    CHECK(golden::deviation(turned, expected.at("grad." + stored.name).template values<double>()) < gradient_tolerance);
    ++gradients;
  });
  CHECK(gradients == weights.tensors().size());

  const auto greedy = required<std::vector<Id>>(numbers, "greedy_from_row0", "expected.json");
  const std::vector<Id> prompt(greedy.begin(), greedy.begin() + last[0]);
  CHECK(std::equal(prompt.begin(), prompt.end(), ids.data()));
  const auto made = generate(model, prompt, static_cast<Index>(greedy.size()) - last[0], -1, {}, Rng(0), Flow<B>{});
  CHECK(made == std::vector<Id>(greedy.begin() + last[0], greedy.end()));
}

}  // namespace

TEST_CASE("a Llama gives the logits, loss, gradients and greedy continuation of transformers in double") {
  compare<Cpu<double>>("llama", 1e-6, 1e-5);
  compare<Cpu<double>>("llama_tied", 1e-6, 1e-5);
}

TEST_CASE("a Llama gives the logits, loss, gradients and greedy continuation of transformers in float") {
  compare<Cpu<float>>("llama", 1e-4, 1e-3);
  compare<Cpu<float>>("llama_tied", 1e-4, 1e-3);
}
