// Ids, pieces and texts of the tokenizers, transformers and sentencepiece packages.
#include <doctest/doctest.h>

#include "cmoe/io/gguf_tokenizer.hpp"
#include "cmoe/io/read_tokenizer.hpp"
#include "shared_data.hpp"

using namespace cmoe;

namespace {

void compare(const Tokenizer& tokenizer, const Path& expected_path) {
  const std::string name = expected_path.string();
  const auto* sentencepiece = std::get_if<SentencePieceTokenizer>(&tokenizer.kind());
  std::size_t count = 0;
  for (const Json& entry : read_json(expected_path)) {
    const std::string text = required<std::string>(entry, "text", name);
    CAPTURE(text);
    const std::vector<Id> ids = tokenizer.encode(text);
    CHECK(ids == required<std::vector<Id>>(entry, "ids", name));
    CHECK(tokenizer.decode(ids) == optional<std::string>(entry, "decoded", name).value_or(text));
    std::string joined;
    for (Id id : ids) joined += tokenizer.decode_continuation({&id, 1});
    CHECK(joined == tokenizer.decode_continuation(ids));
    if (const auto pieces = optional<std::vector<std::string>>(entry, "pieces", name)) {
      REQUIRE(pieces->size() == ids.size());
      for (std::size_t i = 0; i < ids.size(); ++i)  // an unknown token stands there as the text it was made of
        if (sentencepiece == nullptr || ids[i] != sentencepiece->unknown()) CHECK(tokenizer.piece(ids[i]) == (*pieces)[i]);
    }
    ++count;
  }
  CHECK(count > 0);
}
void compare(const Path& tokenizer_path, const Path& expected_path) { compare(read_tokenizer(tokenizer_path), expected_path); }

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

TEST_CASE("the vocabulary inside SmolLM2's GGUF file gives the reference's ids") {
  const auto model = smollm2_file(), expected = shared_data("golden/tokenizer/smollm2.json");
  if (!model || !expected) return;
  compare(gguf_tokenizer(Gguf::open(*model)), *expected);
}
