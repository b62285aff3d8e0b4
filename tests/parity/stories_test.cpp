#include "cmoe/io/llama_weights.hpp"
#include "cmoe/io/tokenizer.hpp"
#include "cmoe/models/generate.hpp"
#include "golden.hpp"

#include "cmoe/ops/index.hpp"
#include "cmoe/ops/loss.hpp"

namespace cmoe::stories_test {

namespace {

std::string trimmed(std::string text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.pop_back();
  return text;
}

// The numbers of golden.json; `loose` for a file whose weights are rounded to 8 bits.
template <class B>
void compare(const std::string& file, double tolerance, bool loose) {
  const auto folder = shared_data("data/models/stories260K");
  if (!folder) return;
  CAPTURE(file);
  const Json expected = read_json(*folder / "golden.json");
  const auto model = make_llama<B>(read_llama2c(*folder / file));
  const Tokenizer tokenizer = Llama2cTokenizer::open(*folder / "tok512.bin");

  const auto tokens = required<std::vector<Id>>(expected, "tokens", "golden.json");
  const auto t = static_cast<Index>(tokens.size());
  const Tensor<B> logits = model(Ids<B>({1, t}, tokens), {}).logits;
  CHECK(argmax(logits).values() == required<std::vector<Id>>(expected, "argmax_each_position", "golden.json"));
  const auto last = logits.value().reshape({t, logits.shape().cols()}).rows(t - 1, t).values();
  CHECK(golden::deviation(last, required<std::vector<double>>(expected, "last_logits", "golden.json")) < (loose ? 0.05 : 2e-4));

  const Json& slice = expected["tinystories_nll"];
  const auto text = required<std::vector<Id>>(slice, "tokens", "golden.json");
  const auto n = static_cast<Index>(text.size()) - 1;
  const Tensor<B> scores = model(Ids<B>({1, n}, std::vector<Id>(text.begin(), text.end() - 1)), {}).logits;
  const Tensor<B> loss = cross_entropy(scores, Ids<B>({1, n}, std::vector<Id>(text.begin() + 1, text.end())));
  CHECK(std::abs(static_cast<double>(loss.item()) - required<double>(slice, "mean_nll_nats", "golden.json")) <
        (loose ? 0.05 : tolerance));
  if (loose) return;

  // llama2.c counts 200 steps from the beginning token on; a step shows the token that follows it, and a further beginning ends.
  const Index steps = 200 - (t - 1);
  std::vector<Id> shown(tokens.begin() + 1, tokens.end());
  for (Id id : generate(model, tokens, steps, *tokenizer.bos(), {}, Rng(0), Flow<B>{}))
    if (id != *tokenizer.bos()) shown.push_back(id);
  CHECK(trimmed(tokenizer.decode(shown)) == trimmed(read_file(*folder / "greedy_200.txt")));
}

}  // namespace

TEST_CASE("a real pretrained model gives llama2.c's logits, likelihoods and text") {
  for (const char* file : {"stories260K.bin", "checkpoint_v1.bin"}) {
    compare<Cpu<float>>(file, 1e-4, false);
    compare<Cpu<double>>(file, 1e-4, false);
  }
}

TEST_CASE("the model with 8-bit weights is close to the original") { compare<Cpu<float>>("stories260K_q80.bin", 0, true); }

}  // namespace cmoe::stories_test
