#include "cmoe/io/t5_folder.hpp"
#include "cmoe/models/generate.hpp"
#include "cmoe/ops/loss.hpp"
#include "golden.hpp"

namespace cmoe::t5_test {

namespace {

// What the decoder reads to write the labels: the start token and all labels but the last, padding where a label is ignored.
template <class B>
Ids<B> shifted(const Ids<B>& labels, Id start) {
  const Index n = labels.shape()[0], t = labels.shape()[1];
  std::vector<Id> values;
  for (Index i = 0; i < n; ++i)
    for (Index j = 0; j < t; ++j) values.push_back(j == 0 ? start : std::max<Id>(labels.data()[i * t + j - 1], 0));
  return Ids<B>(labels.shape(), values);
}

template <class B>
void compare(const std::string& family, double tolerance, double gradient_tolerance) {
  const auto folder = shared_data("golden/transformers/" + family);
  if (!folder) return;
  CAPTURE(family);
  const SafeTensors weights = SafeTensors::open(*folder / "model.safetensors"), expected = SafeTensors::open(*folder / "expected.safetensors");
  const Json numbers = read_json(*folder / "expected.json");
  T5::On<B> model = read_hf_t5<B>(*folder);

  const Ids<B> ids = golden::ids<B>(expected, "input_ids"), mask = golden::ids<B>(expected, "attention_mask"), labels = golden::ids<B>(expected, "labels");
  const Index n = ids.shape()[0], s = ids.shape()[1], t = labels.shape()[1];
  std::vector<Id> last(static_cast<std::size_t>(n), 0);
  for (Index i = 0; i < n * s; ++i) last[static_cast<std::size_t>(i / s)] += mask.data()[i];
  Flow<B> flow;
  flow.last = Ids<B>({n}, last);
  Tape<B> tape;
  const Tensor<B> memory = model.encode(ids, flow), logits = model.decode(shifted(labels, model.config.start), memory, flow);
  CHECK(golden::deviation(logits, expected, "logits") < tolerance);
  const Tensor<B> loss = cross_entropy(logits, labels);
  CHECK(static_cast<double>(loss.item()) == doctest::Approx(required<double>(numbers, "loss", "expected.json")).epsilon(std::max(tolerance, 1e-6)));

  // the states at padding are nobody's: the reference computes them from other padding
  const auto states = memory.values();
  const auto wanted = expected.at("encoder_last_hidden_state").template values<double>();
  std::vector<typename B::Scalar> ours;
  std::vector<double> theirs;
  for (std::size_t i = 0; i < states.size(); ++i)
    if (mask.data()[i / (states.size() / static_cast<std::size_t>(n * s))] == 1) ours.push_back(states[i]), theirs.push_back(wanted[i]);
  CHECK(golden::deviation(ours, theirs) < tolerance);

  // the same called as a decoder alone is: each row its prompt and its labels behind it
  std::vector<Id> row, first, split, end;
  std::vector<std::size_t> compared;  // decoder states that stand for a label
  const Index longest = s + t;
  for (Index i = 0; i < n; ++i) {
    const Id prompt = last[static_cast<std::size_t>(i)];
    std::vector<Id> one(ids.data() + i * s, ids.data() + i * s + prompt);
    for (Index j = 0; j < t && labels.data()[i * t + j] != ignored_label; ++j) {
      one.push_back(labels.data()[i * t + j]);
      compared.push_back(static_cast<std::size_t>(i * t + j));
    }
    first.push_back(0), split.push_back(prompt), end.push_back(static_cast<Id>(one.size()));
    one.resize(static_cast<std::size_t>(longest), 3);
    row.insert(row.end(), one.begin(), one.end());
  }
  Flow<B> rows;
  rows.prompt_first = Ids<B>({n}, first), rows.prompt_last = Ids<B>({n}, split), rows.last = Ids<B>({n}, end);
  const auto whole = model(Ids<B>({n, longest}, row), rows).logits.values(), halves = logits.values();
  const auto v = static_cast<std::size_t>(model.vocabulary());
  double worst = 0, largest = 0;
  for (const std::size_t state : compared) {
    const std::size_t i = state / static_cast<std::size_t>(t), j = state % static_cast<std::size_t>(t);
    const std::size_t place = i * static_cast<std::size_t>(longest) + static_cast<std::size_t>(split[i]) - 1 + j;
    for (std::size_t k = 0; k < v; ++k) {
      worst = std::max(worst, std::abs(static_cast<double>(whole[place * v + k] - halves[state * v + k])));
      largest = std::max(largest, std::abs(static_cast<double>(halves[state * v + k])));
    }
  }
  CHECK(compared.size() > 0);
  CHECK(worst < tolerance * largest);

  using Real = typename B::Scalar;
  tape.backward(loss);
  std::size_t gradients = 0;
  for_each_param(model, [&](const std::string& name, const Param<B>& p) {
    const StoredName stored = t5_name(model.config, name);
    CAPTURE(stored.name);
    const auto back = p.grad().values();
    std::vector<Real> turned;
    put_stored<Real>(stored, p.shape(), back, turned);
    CHECK(golden::deviation(turned, expected.at("grad." + stored.name).template values<double>()) < gradient_tolerance);
    ++gradients;
  });
  CHECK(gradients == weights.tensors().size());

  const auto greedy = required<std::vector<Id>>(numbers, "greedy_from_row0", "expected.json");
  REQUIRE(greedy.at(0) == model.config.start);
  const std::vector<Id> prompt(ids.data(), ids.data() + last[0]);
  CHECK(generate(model, prompt, static_cast<Index>(greedy.size()) - 1, -1, {}, Rng(0), Flow<B>{}) == std::vector<Id>(greedy.begin() + 1, greedy.end()));
}

}  // namespace

TEST_CASE("T5 1.0 and 1.1 give the states, logits, loss, gradients and greedy continuation of transformers in double") {
  // The reference takes the mean squares of its norms in float whatever the rest is computed in: that alone is 1e-6 of the logits.
  for (const char* family : {"t5_v1_0", "t5_v1_1"}) compare<Cpu<double>>(family, 1e-5, 1e-4);
}

TEST_CASE("T5 1.0 and 1.1 give the states, logits, loss, gradients and greedy continuation of transformers in float") {
  for (const char* family : {"t5_v1_0", "t5_v1_1"}) compare<Cpu<float>>(family, 1e-4, 1e-3);
}

}  // namespace cmoe::t5_test
