// Ids, pieces and texts of the tokenizers, transformers and sentencepiece packages.
#include <doctest/doctest.h>

#include "io/compare_tokenizer.hpp"

namespace cmoe::tokenizer_parity_test {

namespace {

void compare(const Path& tokenizer_path, const Path& expected_path) {
  compare_tokenizer(read_tokenizer(tokenizer_path), expected_path);
}

}  // namespace

TEST_CASE("GPT-2's own vocabulary gives the reference's ids") {
  const auto vocabulary = shared_data("data/tokenizer/gpt2"), expected = shared_data("golden/tokenizer/gpt2.json");
  if (!vocabulary || !expected) return;
  compare(*vocabulary, *expected);
  CHECK(read_tokenizer(*vocabulary).eos() == read_tokenizer(*vocabulary).encode("<|endoftext|>").at(0));
}

TEST_CASE("tokenizer.json of every style gives the reference's ids and texts") {
  const auto folder = shared_data("golden/tokenizer");
  if (!folder) return;
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(*folder)) {
    if (!entry.is_directory()) continue;
    CAPTURE(entry.path().string());
    compare(entry.path(), entry.path() / "expected.json");
    ++count;
  }
  CHECK(count >= 4);
}

TEST_CASE("SentencePiece models give the reference's ids, pieces and texts") {
  const auto folder = shared_data("golden/tokenizer");
  if (!folder) return;
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(*folder)) {
    if (entry.path().extension() != ".model") continue;
    CAPTURE(entry.path().string());
    Path expected = entry.path();
    compare(entry.path(), expected.replace_extension(".json"));
    ++count;
  }
  CHECK(count >= 2);
}

}  // namespace cmoe::tokenizer_parity_test
