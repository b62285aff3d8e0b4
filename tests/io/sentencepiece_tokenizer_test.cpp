#include "cmoe/io/sentencepiece_tokenizer.hpp"

#include <doctest/doctest.h>

#include <random>

#include "io/samples.hpp"
#include "io/tokenizer_samples.hpp"

namespace cmoe::sentencepiece_tokenizer_test {

using samples::pieces;
using samples::refusal;

namespace {

const std::string mark(piece_space);

std::vector<std::string> spelt(const Tokenizer& tokenizer, std::string_view text) {
  std::vector<std::string> out;
  for (Id id : tokenizer.encode(text)) out.push_back(tokenizer.piece(id));
  return out;
}

using Words = std::vector<std::string>;

}  // namespace

TEST_CASE("merging takes the best score first, unknown characters become bytes") {
  const Tokenizer tokenizer = make_tokenizer(pieces("llama"));
  CHECK(spelt(tokenizer, "ab") == Words{mark, "ab"});
  CHECK(spelt(tokenizer, "aba") == Words{mark + "a", "ba"});  // ba -1, then ▁a
  CHECK(spelt(tokenizer, "a \xE7\x8C\xAB") == Words{mark + "a", mark, "<0xE7>", "<0x8C>", "<0xAB>"});
  CHECK(spelt(tokenizer, "<0x41></s>").size() == 11);  // neither bytes nor marks can be spelt
  CHECK(tokenizer.decode(tokenizer.encode("ba  \xE7\x8C\xAB ab")) == "ba  \xE7\x8C\xAB ab");
  CHECK(tokenizer.encode("").empty());
  CHECK(tokenizer.bos() == 1);
  CHECK(tokenizer.eos() == 2);
}

TEST_CASE("merges from a list take their order, not the scores") {
  TokenizerArrays arrays = pieces("llama");
  arrays.merges = {{"a", "b"}, {mark, "a"}, {"b", "a"}};
  CHECK(spelt(make_tokenizer(arrays), "aba") == Words{mark, "ab", "a"});
}

TEST_CASE("a character that only longer pieces hold still merges") {
  const Tokenizer tokenizer = make_tokenizer(pieces("llama", true, {{mark, -2}, {"xy", -1}, {"y", -1}}));
  CHECK(spelt(tokenizer, "xy x") == Words{mark, "xy", mark, "<0x78>"});
}

TEST_CASE("unigram finds the best sum of scores") {
  const std::vector<std::pair<std::string, float>> list = {{mark, -2},     {"a", -2},   {"b", -2.5f},        {"ab", -3},
                                                           {"ba", -3.25f}, {"aba", -6}, {mark + "ab", -4.5f}};
  const Tokenizer tokenizer = make_tokenizer(pieces("t5", false, list));
  CHECK(spelt(tokenizer, "ab") == Words{mark + "ab"});        // -4.5 before -2 -3
  CHECK(spelt(tokenizer, "aba") == Words{mark + "ab", "a"});  // -6.5
  CHECK(spelt(tokenizer, "bab") == Words{mark, "b", "ab"});   // -7.5 before -2 -3.25 -2.5
  std::mt19937 random(17);
  for (int trial = 0; trial < 100; ++trial) {
    std::string text;
    for (std::size_t i = 1 + random() % 9; i > 0; --i) text += "ab"[random() % 2];
    const std::string whole = mark + text;
    std::vector<double> best(whole.size() + 1, -1e9);  // the oracle: every end from every beginning
    best[0] = 0;
    for (std::size_t end = 1; end <= whole.size(); ++end)
      for (const auto& [piece, score] : list)
        if (piece.size() <= end && whole.compare(end - piece.size(), piece.size(), piece) == 0)
          best[end] = std::max(best[end], best[end - piece.size()] + double{score});
    double sum = 0;
    for (const std::string& piece : spelt(tokenizer, text))
      for (const auto& [known, score] : list) sum += known == piece ? double{score} : 0;
    CHECK(sum == doctest::Approx(best[whole.size()]));
  }
}

TEST_CASE("unknown characters side by side are one unknown token, or bytes where there are bytes") {
  const Tokenizer unigram = make_tokenizer(pieces("t5", false)), merging = make_tokenizer(pieces("llama", false));
  for (const Tokenizer& tokenizer : {unigram, merging}) {
    CHECK(spelt(tokenizer, "xyza") == Words{mark, "<unk>", "a"});
    CHECK(tokenizer.decode(tokenizer.encode("a xy")) == "a  \xE2\x81\x87 ");
  }
  CHECK(spelt(make_tokenizer(pieces("t5")), "xa") == Words{mark, "<0x78>", "a"});
  TokenizerArrays arrays = pieces("t5", false);
  arrays.types[0] = TokenType::control;
  CHECK(refusal([&] { make_tokenizer(arrays).encode("x"); }).text.find("U+120") != std::string::npos);
}

TEST_CASE("spaces are kept or lost as the rules say") {
  TokenizerArrays arrays = pieces("llama");
  const Tokenizer kept = make_tokenizer(arrays);
  CHECK(spelt(kept, "  a ") == Words{mark, mark, mark + "a", mark});
  CHECK(kept.decode(kept.encode("  a ")) == "  a ");
  CHECK(kept.decode_continuation(kept.encode("a")) == " a");
  arrays.spaces = SpaceRules::of_model(true, true);
  const Tokenizer extra = make_tokenizer(arrays);
  CHECK(spelt(extra, "  a   b ") == Words{mark + "a", mark, "b"});
  CHECK(extra.encode("   ").empty());
  CHECK(extra.decode(std::vector<Id>{1, 259, 259, 260, 2}) == "a");
  arrays.spaces = SpaceRules::of_gguf(true, false);
  arrays.marks_in_text = true;
  CHECK(spelt(make_tokenizer(arrays), "<s>a b") == Words{"<s>", mark + "a", mark, "b"});  // a part after a mark begins anew
  arrays.spaces = SpaceRules::of_model(false, false);
  const Tokenizer bare = make_tokenizer(arrays);
  CHECK(spelt(bare, "ab") == Words{"ab"});
  CHECK(bare.decode(bare.encode(" a")) == " a");
}

TEST_CASE("user-defined tokens are never cut, control tokens only where they may stand in a text") {
  TokenizerArrays arrays = pieces("llama");
  arrays.tokens.push_back("<sep>");
  arrays.scores.push_back(0);
  arrays.types.push_back(TokenType::user_defined);
  CHECK(spelt(make_tokenizer(arrays), "a<sep>a</s>").size() == 3 + 4);
  CHECK(spelt(make_tokenizer(arrays), "<sep>") == Words{mark, "<sep>"});
  arrays.marks_in_text = true;
  CHECK(spelt(make_tokenizer(arrays), "a<sep></s>a") == Words{mark + "a", "<sep>", "</s>", "a"});
  CHECK(make_tokenizer(arrays).decode(make_tokenizer(arrays).encode("a<sep></s>a")) == "a<sep>a");
}

TEST_CASE("a charsmap replaces, and one that is damaged is refused or ends a match") {
  TokenizerArrays arrays = pieces("t5");
  arrays.charsmap = samples::charsmap({{'A', "ab"}, {'\t', " "}, {'z', ""}});
  arrays.spaces = SpaceRules::of_model(true, true);
  CHECK(spelt(make_tokenizer(arrays), "\tA\tzz b") == Words{mark, "ab", mark, "b"});
  const auto refused = [&](const std::string& map) {
    arrays.charsmap = map;
    return refusal([&] { make_tokenizer(arrays); }).kind == ErrorKind::format;
  };
  const std::string good = samples::charsmap({{'A', "a"}});
  CHECK(refused("abc"));
  CHECK(refused(std::string("\xFF\xFF\xFF\xFF", 4) + good.substr(4)));
  CHECK(refused(good.substr(0, 100)));
  CHECK(refused(good.substr(0, good.size() - 1)));
  CHECK_FALSE(refused(good));
}

TEST_CASE("text that is not UTF-8 is read with U+FFFD") {
  const Tokenizer tokenizer = make_tokenizer(pieces("llama"));
  CHECK(tokenizer.decode(tokenizer.encode("a\xFF"
                                          "b")) ==
        "a\xEF\xBF\xBD"
        "b");
}

TEST_CASE("a long text without structure is no quadratic trap") {
  const Tokenizer merging = make_tokenizer(pieces("llama")), unigram = make_tokenizer(pieces("t5"));
  CHECK(merging.encode(std::string(400'000, 'a')).size() == 400'000);
  CHECK(unigram.encode(std::string(400'000, 'a')).size() == 400'000);
}

TEST_CASE("a damaged vocabulary is refused, and the fault is named") {
  const auto refused = [](auto&& change, const char* word) {
    for (const char* model : {"llama", "t5"}) {
      TokenizerArrays arrays = pieces(model);
      change(arrays);
      const auto got = refusal([&] { make_tokenizer(arrays); });
      CHECK(got.kind == ErrorKind::format);
      CHECK_MESSAGE(got.text.find(word) != std::string::npos, got.text);
    }
  };
  refused([](auto& a) { a.tokens.back() = "ab"; }, "is spelt 'ab' like token");
  refused([](auto& a) { a.tokens[3] = "<0xZZ>"; }, "spells none");
  refused([](auto& a) { a.tokens[3] = "<0x-1>"; }, "spells none");
  refused([](auto& a) { a.tokens.back() = ""; }, "is empty");
  refused([](auto& a) { a.types[1] = TokenType::unknown; }, "are the unknown token");
  refused([](auto& a) { a.scores.clear(); }, "no scores");
  refused([](auto& a) { a.model = "bert"; }, "'bert' is not known");
  refused([](auto& a) { a.unknown = 99999; }, "unknown token 99999");
  TokenizerArrays arrays = pieces("llama");
  arrays.merges = {{"a", "c"}};
  CHECK(refusal([&] { make_tokenizer(arrays); }).text.find("needs the token 'c'") != std::string::npos);
  CHECK(refusal([&] { make_tokenizer(pieces("t5")).decode(std::vector<Id>{-1}); }).kind == ErrorKind::index);
}

}  // namespace cmoe::sentencepiece_tokenizer_test
