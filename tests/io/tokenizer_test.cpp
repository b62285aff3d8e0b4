#include "cmoe/io/tokenizer.hpp"

#include <doctest/doctest.h>

#include <random>

#include "io/samples.hpp"

namespace cmoe::tokenizer_test {

using samples::refusal;

namespace {

// The merging rule word for word: scan all neighbours, merge the best, again. O(n^2), the oracle of the heap.
std::vector<Id> merged_by_scanning(const Llama2cTokenizer& tokenizer, std::vector<Id> ids) {
  while (true) {
    float best = -std::numeric_limits<float>::infinity();
    std::size_t at = ids.size();
    Id merged = 0;
    for (std::size_t i = 0; i + 1 < ids.size(); ++i) {
      if (ids[i] < 259 || ids[i + 1] < 259) continue;
      for (Id id = 259; id < tokenizer.size(); ++id)
        if (tokenizer.piece(id) == tokenizer.piece(ids[i]) + tokenizer.piece(ids[i + 1]) && tokenizer.score(id) > best) {
          best = tokenizer.score(id);
          at = i;
          merged = id;
        }
    }
    if (at == ids.size()) return ids;
    ids[at] = merged;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }
}

}  // namespace

TEST_CASE("the byte tokenizer gives every byte its own id and four marks") {
  const Tokenizer tokenizer;
  CHECK(tokenizer.size() == 260);
  CHECK(tokenizer.encode("a\xFF") == std::vector<Id>{97, 255});
  CHECK(tokenizer.pad() == 256);
  CHECK(tokenizer.bos() == 257);
  CHECK(tokenizer.separator() == 258);
  CHECK(tokenizer.eos() == 259);
  CHECK(tokenizer.decode(std::vector<Id>{257, 97, 98, 258, 99, 259, 256}) == "abc");
  CHECK(tokenizer.piece(259) == "<eos>");
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  CHECK(tokenizer.decode(tokenizer.encode(all)) == all);
  CHECK(refusal([&] { tokenizer.decode(std::vector<Id>{260}); }).kind == ErrorKind::index);
  CHECK(refusal([&] { tokenizer.piece(-1); }).kind == ErrorKind::index);
}

TEST_CASE("another token may be asked for between prompts and answers, one of the vocabulary") {
  Tokenizer tokenizer;
  tokenizer.separate_by(259);
  CHECK((tokenizer.separator() == 259 && tokenizer.eos() == 259));
  CHECK(refusal([&] { tokenizer.separate_by(260); }).kind == ErrorKind::index);
  CHECK(refusal([&] { tokenizer.separate_by(-1); }).kind == ErrorKind::index);
}

TEST_CASE("pieces merge best score first, the leftmost on equal scores") {
  const Tokenizer tokenizer = Llama2cTokenizer::parse(samples::tokenizer(), "t");
  CHECK(tokenizer.encode("").empty());
  CHECK(tokenizer.encode("ab") == std::vector<Id>{259, 262});             // " ", "ab": -1 before " a": -2
  CHECK(tokenizer.encode("aba") == std::vector<Id>{263, 266});            // "ba": -0.5 first, then " a"
  CHECK(tokenizer.encode("\xC3\xA9") == std::vector<Id>{259, 265});       // a known character is one symbol
  CHECK(tokenizer.encode("\xC3\xA8") == std::vector<Id>{259, 198, 171});  // an unknown one its bytes + 3
  CHECK(tokenizer.encode("<0x41>").size() == 7);                          // byte tokens cannot be spelt
  CHECK(tokenizer.bos() == 1);
  CHECK(tokenizer.eos() == 1);
  CHECK(!tokenizer.separator());
  const auto equal = Llama2cTokenizer::parse(samples::tokenizer({{" ", 0}, {"a", 0}, {"aa", 0}}), "t");
  CHECK(equal.encode("aaa") == std::vector<Id>{259, 261, 260});
}

TEST_CASE("the heap merges what scanning all pairs merges, on random texts") {
  const auto tokenizer = Llama2cTokenizer::parse(samples::tokenizer({{" ", 0},
                                                                     {"a", 0},
                                                                     {"b", 0},
                                                                     {"c", 0},
                                                                     {"ab", -1},
                                                                     {"bc", -1},
                                                                     {"abc", -3},
                                                                     {"aa", -2},
                                                                     {"aaaa", -1},
                                                                     {"ca", -4},
                                                                     {" a", -5},
                                                                     {"bcab", -2},
                                                                     {"cc", -2},
                                                                     {" ab", -1}}),
                                                 "t");
  std::mt19937 random(7);
  for (int trial = 0; trial < 300; ++trial) {
    std::string text;
    const std::size_t length = 1 + random() % 40;
    while (text.size() < length) text += "abc "[random() % 4];
    std::vector<Id> letters = {259};
    for (char c : text) letters.push_back(c == ' ' ? 259 : 260 + (c - 'a'));
    CAPTURE(text);
    CHECK(tokenizer.encode(text) == merged_by_scanning(tokenizer, letters));
    CHECK(tokenizer.decode(tokenizer.encode(text)) == text);
  }
}

TEST_CASE("any bytes come back, and a continuation keeps its first space") {
  const Tokenizer tokenizer = Llama2cTokenizer::parse(samples::tokenizer(), "t");
  std::mt19937 random(3);
  for (int trial = 0; trial < 200; ++trial) {
    std::string text;
    for (int i = 0; i < 30; ++i) text += random() % 3 == 0 ? static_cast<char>(random() % 256) : " ab"[random() % 3];
    CHECK(tokenizer.decode(tokenizer.encode(text)) == text);
  }
  CHECK(tokenizer.decode(std::vector<Id>{1, 263}) == "a");
  CHECK(tokenizer.decode_continuation(std::vector<Id>{263}) == " a");
  CHECK(tokenizer.decode_continuation(std::vector<Id>{263, 1, 263, 2}) == " aa");
  CHECK(refusal([&] { tokenizer.decode(std::vector<Id>{tokenizer.size()}); }).kind == ErrorKind::index);
}

TEST_CASE("a text comes back from a vocabulary without a space, which is then a byte") {  // found by fuzzing
  const Tokenizer tokenizer = Llama2cTokenizer::parse(samples::tokenizer({{"a", 0}, {"b", 0}}), "t");
  CHECK(tokenizer.encode("ab") == std::vector<Id>{3 + ' ', 259, 260});
  for (const char* text : {"ab", " ab", "  a b ", " "}) CHECK(tokenizer.decode(tokenizer.encode(text)) == text);
  CHECK(tokenizer.decode_continuation(tokenizer.encode("ab")) == " ab");
  const Tokenizer spaced = Llama2cTokenizer::parse(samples::tokenizer({{" ", 0}, {"a", 0}}), "t");
  CHECK(spaced.decode(std::vector<Id>{3 + ' ', 260}) == " a");  // a byte that was written as one stays
}

TEST_CASE("a long text without structure is no quadratic trap") {
  const Tokenizer tokenizer = Llama2cTokenizer::parse(samples::tokenizer({{" ", 0}, {"a", 0}, {"aa", -1}, {"aaaa", -2}}), "t");
  CHECK(tokenizer.encode(std::string(400'000, 'a')).size() == 100'001);
}

TEST_CASE("a damaged vocabulary is refused") {
  const std::string good = samples::tokenizer();
  const auto refused = [](const std::string& bytes) {
    return refusal([&] { Llama2cTokenizer::parse(bytes, "tok.bin"); }).kind == ErrorKind::format;
  };
  const auto with = [&](std::size_t at, auto value) {
    std::string bytes = good;
    std::memcpy(bytes.data() + at, &value, sizeof(value));
    return bytes;
  };
  CHECK(refused(""));
  CHECK(refused(good.substr(0, 100)));
  CHECK(refused(good.substr(0, good.size() - 1)));
  CHECK(refused(good + "x"));
  for (std::int32_t value : {0, -1, std::numeric_limits<std::int32_t>::max()}) CHECK(refused(with(0, value)));
  for (std::int32_t value : {-1, std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::max(), 6})
    CHECK(refused(with(8, value)));
  CHECK(refused(with(4, std::numeric_limits<float>::quiet_NaN())));
  std::string renamed = good;
  renamed.replace(renamed.find("<0x2A>"), 6, "<0xZZ>");
  CHECK(refused(renamed));
}

}  // namespace cmoe::tokenizer_test
