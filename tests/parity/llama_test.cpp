#include <map>

#include "cmoe/io/hf_folder.hpp"
#include "cmoe/models/generate.hpp"
#include "golden.hpp"

#include "cmoe/ops/loss.hpp"

namespace cmoe::llama_test {

namespace {

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
  Llama::On<B> model = read_hf_llama<B>(*folder);

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
  using Real = typename B::Scalar;
  std::map<std::string, std::vector<Real>> gradients;  // by the names and in the form of the file
  for_each_param(model, [&](const std::string& ours, const Param<B>& p) {
    const StoredName stored = decoder_name(model.config, ours);
    const auto back = p.grad().values();
    put_stored<Real>(stored, p.shape(), back, gradients[stored.name]);
  });
  for (const auto& [name, values] : gradients) {
    CAPTURE(name);
    CHECK(golden::deviation(values, expected.at("grad." + name).template values<double>()) < gradient_tolerance);
  }
  CHECK(gradients.size() == weights.tensors().size());

  const auto greedy = required<std::vector<Id>>(numbers, "greedy_from_row0", "expected.json");
  const std::vector<Id> prompt(greedy.begin(), greedy.begin() + last[0]);
  CHECK(std::equal(prompt.begin(), prompt.end(), ids.data()));
  const auto made = generate(model, prompt, static_cast<Index>(greedy.size()) - last[0], -1, {}, Rng(0), Flow<B>{});
  CHECK(made == std::vector<Id>(greedy.begin() + last[0], greedy.end()));
}

}  // namespace

TEST_CASE("llama, qwen2, qwen3 and gpt2 give the logits, loss, gradients and greedy continuation of transformers in double") {
  for (const char* family : {"llama", "llama_tied", "llama3_rope", "qwen2", "qwen3", "gpt2"}) compare<Cpu<double>>(family, 1e-6, 1e-5);
}

TEST_CASE("llama, qwen2, qwen3 and gpt2 give the logits, loss, gradients and greedy continuation of transformers in float") {
  for (const char* family : {"llama", "llama_tied", "llama3_rope", "qwen2", "qwen3", "gpt2"}) compare<Cpu<float>>(family, 1e-4, 1e-3);
}

}  // namespace cmoe::llama_test
