#include "cmoe/io/unicode.hpp"

#include <doctest/doctest.h>

#include <random>

#include "cmoe/io/compose.hpp"
#include "cmoe/io/stream_decoder.hpp"

namespace cmoe::unicode_test {

TEST_CASE("code points are letters, numbers, white space or other") {
  for (std::uint32_t code : {0x41u, 0x7Au, 0xAAu, 0xE9u, 0x17Fu, 0x416u, 0x627u, 0x4E00u, 0xAC00u, 0x1D400u, 0x323AFu})
    CHECK(category_of(code) == Category::letter);
  for (std::uint32_t code : {0x30u, 0x39u, 0xB2u, 0xBDu, 0x967u, 0x2167u, 0x2460u, 0x1D7CEu})
    CHECK(category_of(code) == Category::number);
  for (std::uint32_t code : {0x09u, 0x0Au, 0x0Du, 0x20u, 0x85u, 0xA0u, 0x2003u, 0x2028u, 0x3000u})
    CHECK(category_of(code) == Category::space);
  for (std::uint32_t code : {0x00u, 0x1Cu, 0x21u, 0x5Fu, 0x200Bu, 0x301u, 0x93Eu, 0x1F600u, 0x10FFFFu, invalid_code})
    CHECK(category_of(code) == Category::other);
}

TEST_CASE("every code point comes back from UTF-8, a bad byte stands alone") {
  for (std::uint32_t code = 0; code < 0x110000; code = code < 0x3000 ? code + 1 : code + 97) {
    if (code >= 0xD800 && code < 0xE000) continue;
    std::string text;
    append_utf8(text, code);
    const CodePoint point = code_point(text, 0);
    if (point.code != code || point.length != text.size()) FAIL_CHECK("U+" << code);
  }
  for (const char* bad : {"\x80", "\xC0\xAF", "\xED\xA0\x80", "\xF5\x80\x80\x80", "\xE2\x82"}) {
    CHECK(code_point(bad, 0).code == invalid_code);
    CHECK(code_point(bad, 0).length == 1);
  }
  CHECK(code_point("", 0).length == 0);
}

TEST_CASE("NFC puts characters and their marks together") {
  CHECK(composed("e\xCC\x81") == "\xC3\xA9");                                 // e and acute
  CHECK(composed("\xE2\x84\xAB") == "\xC3\x85");                              // the angstrom sign is Å
  CHECK(composed("a\xCC\xA3\xCC\x82") == "\xE1\xBA\xAD");                     // dot below, then circumflex
  CHECK(composed("a\xCC\x82\xCC\xA3") == "\xE1\xBA\xAD");                     // in the other order
  CHECK(composed("\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB") == "\xED\x95\x9C");  // Hangul letters
  CHECK(composed("\xE0\xA4\x95\xE0\xA4\xBC") == "\xE0\xA4\x95\xE0\xA4\xBC");  // excluded from composition
  CHECK(composed("e\xFF\xCC\x81") == "e\xFF\xCC\x81");                        // nothing combines across a bad byte
  for (const char* plain : {"", "plain", "\xC3\xA9t\xC3\xA9", "\xE7\x8C\xAB", "\xD0\x9F\xD1\x80"}) {
    CHECK_FALSE(needs_composition(plain));
    CHECK(composed(plain) == plain);
  }
  CHECK(needs_composition("e\xCC\x81"));
}

TEST_CASE("a stream of bytes yields whole characters only, and what never completes becomes U+FFFD") {
  StreamDecoder decoder;
  CHECK(decoder.add("a\xE7\x8C") == "a");
  CHECK(decoder.add("\xAB") == "\xE7\x8C\xAB");
  CHECK(decoder.add("\xF0\x9F") == "");
  CHECK(decoder.finish() == "\xEF\xBF\xBD\xEF\xBF\xBD");
  CHECK(decoder.finish() == "");
  CHECK(decoder.add("\xFFz\xC3") == "\xEF\xBF\xBDz");
  CHECK(decoder.add("(") == "\xEF\xBF\xBD(");
}

TEST_CASE("however a text is cut, the stream gives it back; of any bytes it makes valid UTF-8") {
  std::mt19937 random(5);
  const std::string text = "z\xC3\xA9 \xE7\x8C\xAB\xF0\x9F\x98\x80\xF0\x9F\x98\x80 end";
  for (int trial = 0; trial < 300; ++trial) {
    std::string bytes = text;
    if (trial % 2 == 1)
      for (char& c : bytes) c = random() % 3 == 0 ? static_cast<char>(random() % 256) : c;
    StreamDecoder decoder;
    std::string out;
    for (std::size_t at = 0; at < bytes.size();) {
      const std::size_t length = 1 + random() % 3;
      out += decoder.add(std::string_view(bytes).substr(at, length));
      CHECK(find_invalid_utf8(out) == std::string::npos);
      at += length;
    }
    out += decoder.finish();
    CHECK(find_invalid_utf8(out) == std::string::npos);
    if (trial % 2 == 0) CHECK(out == text);
  }
}

}  // namespace cmoe::unicode_test
