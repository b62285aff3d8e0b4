#include "cmoe/io/moduleformer_weights.hpp"
#include "cmoe/ops/loss.hpp"
#include "golden.hpp"

namespace cmoe::moduleformer_test {

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

// Where the tokens that are not padding begin and end, if they do not fill the row.
template <class B>
Flow<B> flow_of(const Ids<B>& mask) {
  const Index n = mask.shape()[0], t = mask.shape()[1];
  std::vector<Id> first, last;
  for (Index i = 0; i < n; ++i) {
    const Id* row = mask.data() + i * t;
    const auto begin = std::find(row, row + t, 1), end = std::find(begin, row + t, 0);
    REQUIRE(std::find(end, row + t, 1) == row + t);
    first.push_back(static_cast<Id>(begin - row));
    last.push_back(static_cast<Id>(end - row));
  }
  Flow<B> flow;
  flow.first = Ids<B>({n}, first);
  flow.last = Ids<B>({n}, last);
  return flow;
}

// Weights (N,H·k,T,T), head h and slot s at h·k + s, in the reference's order (N,k,H,T,T).
template <class B>
Tensor<B> slots_before_heads(const Tensor<B>& a, Index heads) {
  const Shape& s = a.shape();
  const Index n = s[0], k = s[1] / heads, t = s[2];
  return reshape(swap_axes(reshape(a, {n, heads, k, t * t}), 1), {n, k, heads, t, t});
}

template <class B>
void compare(const std::string& name, double tolerance, double gradient_tolerance) {
  const auto folder = shared_data("golden/moduleformer/" + name);
  if (!folder) return;
  CAPTURE(name);
  const SafeTensors expected = SafeTensors::open(*folder / "expected.safetensors");
  const Json numbers = read_json(*folder / "expected.json");
  const auto number = [&](const char* key) { return doctest::Approx(required<double>(numbers, key, "expected.json")).epsilon(std::max(tolerance, 1e-6)); };
  ModuleFormer::Config config = moduleformer_config(read_json(*folder / "config.json"), "config.json");
  config.count_padding = true;  // as the reference does
  const SafeTensors weights = SafeTensors::open(*folder / "model.safetensors");
  const ModuleFormer::On<B> model = make_moduleformer<B>(config, weights, "model.safetensors");

  const Ids<B> ids = golden::ids<B>(expected, "input_ids");
  const Flow<B> flow = flow_of(golden::ids<B>(expected, "attention_mask"));
  {  // layer by layer
    std::vector<Routing<B>> routings;
    Tensor<B> h = model.embedding(ids);
    for (std::size_t l = 0; l < model.blocks.size(); ++l) {
      CAPTURE(l);
      CHECK(golden::deviation(h, expected, "hidden." + std::to_string(l)) < tolerance);
      const auto& mix = model.blocks[l].mix;
      const Tensor<B> x = model.blocks[l].mix_norm(h);
      const Tensor<B> a = stickbreaking_weights(mix.queries(x, flow).q, mix.keys(x), 1 / std::sqrt(static_cast<double>(mix.size / mix.heads)),
                                                true, flow.first, flow.last);
      CHECK(golden::deviation(slots_before_heads(a, mix.heads), expected, "attention." + std::to_string(l)) < tolerance);
      h = model.blocks[l](h, flow, routings);
    }
    CHECK(golden::deviation(model.norm(h), expected, "hidden." + std::to_string(model.blocks.size())) < tolerance);
  }

  Tape<B> tape;
  const Scores<B> scores = model(ids, flow);
  CHECK(golden::deviation(scores.logits, expected, "logits") < tolerance);
  const Tensor<B> entropy = cross_entropy(scores.logits, shifted(golden::ids<B>(expected, "labels")));
  CHECK(static_cast<double>(entropy.item()) == number("cross_entropy"));
  const Tensor<B> loss = entropy + scores.auxiliary;
  CHECK(static_cast<double>(loss.item()) == number("loss"));
  CHECK(static_cast<double>(scores.auxiliary.item()) / std::max(config.information_weight, config.switch_weight) == number("aux_loss"));

  tape.backward(loss);
  std::size_t gradients = 0;
  detail::for_each_published<B>(model, [&](const std::string& stored, const std::vector<const Param<B>*>& parts, detail::Layout layout) {
    CAPTURE(stored);
    REQUIRE(parts.size() == 1);
    const Shape& s = parts[0]->shape();
    const auto back = parts[0]->grad().values();
    const auto turned = layout == detail::Layout::transposed ? transposed<typename B::Scalar>(back, s[0], s[1]) : back;
    CHECK(golden::deviation(turned, expected.at("grad." + stored).template values<double>()) < gradient_tolerance);
    ++gradients;
  });
  CHECK(gradients == weights.tensors().size());
}

template <class B>
void compare_all(double tolerance, double gradient_tolerance) {
  const auto folder = shared_data("golden/moduleformer");
  if (!folder) return;
  std::size_t cases = 0;
  for (const auto& entry : std::filesystem::directory_iterator(*folder)) {
    if (!std::filesystem::exists(entry.path() / "expected.safetensors")) continue;
    compare<B>(entry.path().filename().string(), tolerance, gradient_tolerance);
    ++cases;
  }
  CHECK(cases > 0);
}

}  // namespace

TEST_CASE("ModuleFormer gives the reference's hidden states, attention weights, logits, losses and gradients in double") {
  compare_all<Cpu<double>>(1e-6, 1e-5);
}

TEST_CASE("ModuleFormer gives the reference's hidden states, attention weights, logits, losses and gradients in float") {
  compare_all<Cpu<float>>(1e-4, 1e-3);
}

}  // namespace cmoe::moduleformer_test
