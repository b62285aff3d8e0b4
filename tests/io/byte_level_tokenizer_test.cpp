#include "cmoe/io/byte_level_tokenizer.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <random>

#include "io/samples.hpp"
#include "io/tokenizer_samples.hpp"

namespace cmoe::byte_level_tokenizer_test {

using samples::byte_level;
using samples::refusal;

namespace {

// The merging rule word for word: of all neighbours merge the pair of the lowest rank, the leftmost on equal ranks. O(n^2).
std::vector<Id> merged_by_scanning(const std::vector<std::array<Id, 3>>& rules, std::vector<Id> ids) {
  while (true) {
    for (const auto& [left, right, result] : rules) {
      bool merged = false;
      for (std::size_t i = 0; i + 1 < ids.size() && !merged; ++i)
        if (ids[i] == left && ids[i + 1] == right) {
          ids[i] = result;
          ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(i) + 1);
          merged = true;
        }
      if (merged) goto again;
    }
    return ids;
  again:;
  }
}

}  // namespace

TEST_CASE("words are merged by rank, and never across words") {
  const Tokenizer tokenizer = ByteLevelTokenizer(byte_level());
  CHECK(tokenizer.encode("hello") == std::vector<Id>{259});
  CHECK(tokenizer.encode("hell") == std::vector<Id>{258});
  CHECK(tokenizer.encode(" hello") == std::vector<Id>{' ', 259});  // h, e: rank 0, before the space and h: rank 4
  CHECK(tokenizer.encode(" hi") == std::vector<Id>{260, 'i'});
  CHECK(tokenizer.encode("lllll") == std::vector<Id>{257, 257, 'l'});
  CHECK(tokenizer.encode("123") == std::vector<Id>{262});
  CHECK(ByteLevelTokenizer(byte_level("smollm")).encode("123") == std::vector<Id>{'1', '2', '3'});
  CHECK(tokenizer.encode("").empty());
  CHECK(tokenizer.piece(260) == "\xC4\xA0h");
  CHECK(tokenizer.piece(0) == "\xC4\x80");
  CHECK(tokenizer.size() == 264);
}

TEST_CASE("added tokens are one token each wherever they stand, and decode to their spelling") {
  const Tokenizer tokenizer = ByteLevelTokenizer(byte_level());
  CHECK(tokenizer.encode("he<|end|>he<|end|") == std::vector<Id>{256, 263, 256, '<', '|', 'e', 'n', 'd', '|'});
  CHECK(tokenizer.decode(std::vector<Id>{256, 263}) == "he<|end|>");
  TokenizerArrays arrays = byte_level();
  arrays.tokens.push_back("<|end|>>");
  arrays.added.push_back({.content = "<|end|>>", .id = 264, .strips_left = true, .strips_right = true});
  const Tokenizer longer = ByteLevelTokenizer(arrays);
  CHECK(longer.encode("a \n<|end|>> \xE3\x80\x80"
                      "b<|end|>") == std::vector<Id>{'a', 264, 'b', 263});  // the longest, with its spaces
  TokenizerArrays types = byte_level();
  types.added.clear();
  types.types.assign(264, TokenType::normal);
  types.types[263] = TokenType::control;
  CHECK(ByteLevelTokenizer(types).encode("<|end|>") == std::vector<Id>{263});
}

TEST_CASE("options: whole words, NFC, a space in front") {
  TokenizerArrays arrays = byte_level("llama-bpe");
  arrays.tokens.push_back("xyz");
  CHECK(ByteLevelTokenizer(arrays).encode("xyz").size() == 3);
  arrays.ignore_merges.reset();  // as Llama 3 does
  CHECK(ByteLevelTokenizer(arrays).encode("xyz") == std::vector<Id>{264});
  arrays.compose = true;
  CHECK(ByteLevelTokenizer(arrays).encode("e\xCC\x81") == std::vector<Id>{0xC3, 0xA9});
  arrays.space_in_front = true;
  CHECK(ByteLevelTokenizer(arrays).encode("hi<|end|> h") == std::vector<Id>{260, 'i', 263, 260});
}

TEST_CASE("any bytes come back, and repeated words are encoded alike") {
  std::mt19937 random(3);
  for (const char* pre : {"gpt-2", "llama-bpe", "qwen2", "smollm"}) {
    const Tokenizer tokenizer = ByteLevelTokenizer(byte_level(pre));
    for (int trial = 0; trial < 200; ++trial) {
      std::string text;
      for (int i = 0; i < 60; ++i) {
        const auto kind = random() % 4;
        if (kind == 0) append_utf8(text, static_cast<std::uint32_t>(random() % 0xD800));
        if (kind == 1) text += static_cast<char>(random() % 256);
        if (kind > 1) text += "hello hello  123 <|end|>"[random() % 24];
      }
      CHECK(tokenizer.decode(tokenizer.encode(text)) == text);
    }
    const std::vector<Id> once = tokenizer.encode(" hello");
    std::vector<Id> expected, got = tokenizer.encode([] {
      std::string many;
      for (int i = 0; i < 1000; ++i) many += " hello";
      return many;
    }());
    for (int i = 0; i < 1000; ++i) expected.insert(expected.end(), once.begin(), once.end());
    CHECK(got == expected);
  }
}

TEST_CASE("the heap merges what scanning all pairs merges, on random rules") {
  std::mt19937 random(9);
  for (int trial = 0; trial < 200; ++trial) {
    Merges merges;
    std::vector<std::array<Id, 3>> rules;
    for (Id next = 4; rules.size() < 12; ++next) {
      const Id left = static_cast<Id>(random() % static_cast<unsigned>(next)),
               right = static_cast<Id>(random() % static_cast<unsigned>(next));
      if (merges.contains(left, right)) continue;
      merges.add(left, right, static_cast<Id>(rules.size()), next);
      rules.push_back({left, right, next});
    }
    std::vector<Id> symbols, ids;
    for (std::size_t i = random() % 40; i > 0; --i) symbols.push_back(static_cast<Id>(random() % 4));
    Merges::Work work;
    merges.merge(symbols, ids, work);
    CHECK(ids == merged_by_scanning(rules, symbols));
  }
}

TEST_CASE("a long word is no quadratic trap") {
  const auto begun = std::chrono::steady_clock::now();
  const Tokenizer tokenizer = ByteLevelTokenizer(byte_level());
  CHECK(tokenizer.encode(std::string(1'000'000, 'l')).size() == 500'000);
  CHECK(tokenizer.encode(std::string(1'000'000, '<')).size() == 1'000'000);
  CHECK(std::chrono::steady_clock::now() - begun < std::chrono::seconds(10));
}

TEST_CASE("a damaged vocabulary is refused, and the fault is named") {
  const auto refused = [](auto&& change, const char* word) {
    TokenizerArrays arrays = byte_level();
    change(arrays);
    const auto got = refusal([&] { ByteLevelTokenizer tokenizer(arrays); });
    CHECK(got.kind == ErrorKind::format);
    CHECK_MESSAGE(got.text.find(word) != std::string::npos, got.text);
    CHECK(got.text.starts_with("sample: "));
  };
  refused([](auto& a) { a.tokens[5] = a.tokens[6]; }, "is spelt");
  refused([](auto& a) { a.merges.push_back({"h", "i"}); }, "needs the token 'hi'");
  refused([](auto& a) { a.merges.push_back({"hello?", "i"}); }, "needs the token 'hello?'");
  refused([](auto& a) { a.tokens.clear(); }, "0 tokens");
  refused([](auto& a) { a.pre = "other"; }, "'other' is not known");
  refused([](auto& a) { a.bos = 264; }, "beginning token 264");
  refused([](auto& a) { a.eos = -1; }, "end token -1");
  refused([](auto& a) { a.types.resize(3); }, "3 types for 264");
  refused([](auto& a) { a.scores.resize(3); }, "3 scores for 264");
  refused([](auto& a) { a.types.assign(264, static_cast<TokenType>(9)); }, "unknown type 9");
  refused([](auto& a) { a.scores.assign(264, std::numeric_limits<float>::infinity()); }, "not finite");
  refused([](auto& a) { a.added[0].id = 1 << 30; }, "added token");
  refused([](auto& a) { a.added[0].id = 7; }, "the vocabulary has");
  const Tokenizer tokenizer = ByteLevelTokenizer(byte_level());
  CHECK(refusal([&] { tokenizer.decode(std::vector<Id>{264}); }).kind == ErrorKind::index);
  CHECK(refusal([&] { tokenizer.piece(-1); }).kind == ErrorKind::index);
  TokenizerArrays without = byte_level();
  without.tokens['a'] = "[none]";
  CHECK(refusal([&] { ByteLevelTokenizer(without).encode("bar"); }).text.find("byte 97") != std::string::npos);
}

}  // namespace cmoe::byte_level_tokenizer_test
