// SmolLM2, a real pretrained model, out of its GGUF file: the tokenizer and the numbers of transformers.
#include "cmoe/io/chat_template.hpp"
#include "cmoe/io/gguf_llama.hpp"
#include "cmoe/io/gguf_tokenizer.hpp"
#include "cmoe/models/generate.hpp"
#include "cmoe/ops/loss.hpp"
#include "golden.hpp"
#include "io/compare_tokenizer.hpp"

namespace cmoe::smollm2_test {

using B = Cpu<float>;

TEST_CASE("SmolLM2 out of its GGUF file gives transformers' logits, choices, text and likelihood") {
  const auto folder = shared_data("golden/smollm2");
  const auto path = smollm2_file();
  if (!folder || !path) return;
  const Gguf file = Gguf::open(*path);
  const Llama::On<B> model = make_llama<B>(file);
  const Json expected = read_json(*folder / "expected.json");
  const SafeTensors last = SafeTensors::open(*folder / "last_logits.safetensors");
  const std::string name = "expected.json";
  int number = 0;
  for (const Json& prompt : expected["prompts"]) {
    const auto ids = required<std::vector<Id>>(prompt, "ids", name), argmax = required<std::vector<Id>>(prompt, "argmax", name),
               greedy = required<std::vector<Id>>(prompt, "greedy", name);
    const auto n = static_cast<Index>(ids.size());
    const Array<B> logits = model(Ids<B>({1, n}, ids), {}).logits.value().reshape({n, model.vocabulary()});
    Rng unused(0);
    for (Index t = 0; t < n; ++t) CHECK(sample(std::span<const float>(logits.rows(t, t + 1).values()), {}, unused) == argmax[static_cast<std::size_t>(t)]);
    CHECK(golden::deviation(logits.rows(n - 1, n).values(), last.at("last_logits." + std::to_string(number)).values<double>()) < 1e-3);
    const auto made = generate(model, ids, static_cast<Index>(greedy.size()) - n, -1, {}, Rng(0), Flow<B>{});
    CHECK(made == std::vector<Id>(greedy.begin() + n, greedy.end()));
    ++number;
  }
  CHECK(number > 0);
  const auto text = required<std::vector<Id>>(expected["nll"], "ids", name);
  const auto n = static_cast<Index>(text.size());
  std::vector<Id> labels(text.begin() + 1, text.end());
  labels.push_back(ignored_label);
  const Tensor<B> loss = cross_entropy(model(Ids<B>({1, n}, text), {}).logits, Ids<B>({1, n}, labels));
  CHECK(static_cast<double>(loss.item()) == doctest::Approx(required<double>(expected["nll"], "mean", name)).epsilon(1e-4));

  const GgufVocabulary words = gguf_vocabulary(file);
  CHECK(std::cmp_equal(words.tokens.size(), model.vocabulary()));
  CHECK(words.chat_template.find("<|im_start|>") != std::string::npos);
  CHECK_FALSE(words.merges.empty());
}

TEST_CASE("the vocabulary inside SmolLM2's GGUF file gives the reference's ids") {
  const auto model = smollm2_file(), expected = shared_data("golden/tokenizer/smollm2.json");
  if (!model || !expected) return;
  compare_tokenizer(gguf_tokenizer(Gguf::open(*model)), *expected);
}

TEST_CASE("the chat template inside SmolLM2's GGUF file writes what transformers writes") {
  const auto model = smollm2_file(), folder = shared_data("golden/smollm2");
  if (!model || !folder) return;
  const Json chat = read_json(*folder / "expected.json")["chat"];
  std::vector<ChatMessage> messages;
  for (const Json& one : chat["messages"]) messages.push_back({required<std::string>(one, "role", "message"), required<std::string>(one, "content", "message")});
  CHECK(gguf_chat_template(Gguf::open(*model))->write(messages) == required<std::string>(chat, "text", "chat"));
}

}  // namespace cmoe::smollm2_test
