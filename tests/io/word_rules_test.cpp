#include "cmoe/io/word_rules.hpp"

#include <doctest/doctest.h>

#include <random>
#include <vector>

namespace cmoe::word_rules_test {

namespace {

std::string cut(WordRule rule, std::string_view text) {
  std::string out;
  for_each_word(rule, text, [&](std::string_view word) { out += (out.empty() ? "" : "|") + std::string(word); });
  return out;
}

constexpr WordRule all[] = {WordRule::gpt2, WordRule::llama3, WordRule::qwen2, WordRule::smollm};

}  // namespace

TEST_CASE("GPT-2's words") {
  const auto words = [](std::string_view text) { return cut(WordRule::gpt2, text); };
  CHECK(words("Hello, world!") == "Hello|,| world|!");
  CHECK(words("I'll don't we've x'S") == "I|'ll| don|'t| we|'ve| x|'|S");
  CHECK(words("a  b   ") == "a| | b|   ");
  CHECK(words("12 345a") == "12| 345|a");
  CHECK(words("x\n\n y\t") == "x|\n\n| y|\t");
  CHECK(words(" ?!  ?") == " ?!| | ?");
  CHECK(words("\xC3\xA9t\xC3\xA9 \xE4\xBA\x8C\xC2\xBD") == "\xC3\xA9t\xC3\xA9| \xE4\xBA\x8C|\xC2\xBD");
  CHECK(words("'") == "'");
  CHECK(words("'r '") == "'|r| '");
  CHECK(words("") == "");
}

TEST_CASE("Llama 3's words, and Qwen2's with one number each") {
  const auto words = [](std::string_view text) { return cut(WordRule::llama3, text); };
  CHECK(words("I'LL x'S a'\xC5\xBF"
              "b") == "I|'LL| x|'S| a|'\xC5\xBF|b");  // the long s is an s in any case
  CHECK(words("1234567 89") == "123|456|7| |89");
  CHECK(cut(WordRule::qwen2, "123 4") == "1|2|3| |4");
  CHECK(words("\tTab \"quoted\"") == "\tTab| \"|quoted|\"");
  CHECK(words("a\n\n  b") == "a|\n\n| | b");
  CHECK(words("a \n \n  b") == "a| \n \n| | b");
  CHECK(words("end.\r\n\r\nnext") == "end|.\r\n\r\n|next");
  CHECK(words("x   ") == "x|   ");
  CHECK(words("\n?") == "\n|?");
  CHECK(words("\t?") == "\t|?");
  CHECK(words("(word)") == "(word|)");
}

TEST_CASE("SmolLM's words: every number alone, and the end of a stretch before it") {
  const auto words = [](std::string_view text) { return cut(WordRule::smollm, text); };
  CHECK(words("12 3") == "1|2| |3");
  CHECK(words("a   5 b") == "a|   |5| b");
  CHECK(words("a   b") == "a|  | b");
  CHECK(words("it's 9") == "it|'s| |9");
}

TEST_CASE("joined words are the text, whatever its bytes, and names lead to rules") {
  std::mt19937 random(11);
  for (WordRule rule : all)
    for (int trial = 0; trial < 500; ++trial) {
      std::string text;
      for (int i = 0; i < 40; ++i)
        text += random() % 2 == 0 ? static_cast<char>(random() % 256) : " \n'sL1a,\xC3\xA9"[random() % 11];
      std::string joined;
      for_each_word(rule, text, [&](std::string_view word) {
        CHECK(!word.empty());
        joined += word;
      });
      CHECK(joined == text);
    }
  CHECK(word_rule("llama-bpe") == WordRule::llama3);
  CHECK(word_rule("smollm") == WordRule::smollm);
  CHECK(!word_rule("deepseek-llm"));
}

}  // namespace cmoe::word_rules_test
