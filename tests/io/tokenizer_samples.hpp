// Small vocabularies of every kind, as arrays and as the bytes of their files.
#pragma once

#include "cmoe/io/read_tokenizer.hpp"

namespace samples {

// The letters of all bytes by value, then "he", "ll", "hell", "hello", "Ġh", "12", "123", then <|end|>.
inline cmoe::TokenizerArrays byte_level(const std::string& pre = "gpt-2") {
  cmoe::TokenizerArrays arrays;
  arrays.name = "sample";
  arrays.pre = pre;
  for (std::size_t byte = 0; byte < 256; ++byte) {
    std::string letter;
    cmoe::append_utf8(letter, cmoe::detail::byte_letters[byte]);
    arrays.tokens.push_back(letter);
  }
  arrays.merges = {{"h", "e"}, {"l", "l"}, {"he", "ll"}, {"hell", "o"}, {"\xC4\xA0", "h"}, {"1", "2"}, {"12", "3"}};
  for (const auto& [left, right] : arrays.merges) arrays.tokens.push_back(left + right);
  arrays.tokens.push_back("<|end|>");
  arrays.added.push_back({.content = "<|end|>", .id = 263, .special = true});
  arrays.ignore_merges = arrays.compose = false;
  return arrays;
}

inline cmoe::Json vocabulary(const cmoe::TokenizerArrays& arrays) {
  cmoe::Json ids = cmoe::Json::object();
  for (std::size_t i = 0; i < arrays.tokens.size(); ++i) ids[arrays.tokens[i]] = i;
  return ids;
}

inline std::string merge_lines(const cmoe::TokenizerArrays& arrays) {
  std::string lines = "#version: 0.2\n";
  for (const auto& [left, right] : arrays.merges) lines += left + ' ' + right + '\n';
  return lines;
}

inline cmoe::Json byte_level_json() {
  const cmoe::TokenizerArrays arrays = byte_level();
  cmoe::Json merges = cmoe::Json::array();
  for (const auto& [left, right] : arrays.merges) merges.push_back({left, right});
  return {{"added_tokens", {{{"id", 263}, {"content", "<|end|>"}, {"special", true}}}},
          {"normalizer", nullptr},
          {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}}},
          {"decoder", {{"type", "ByteLevel"}}},
          {"model", {{"type", "BPE"}, {"vocab", vocabulary(arrays)}, {"merges", merges}}}};
}

// A charsmap that replaces single bytes: 1024 units, so that every link lies inside.
inline std::string charsmap(const std::vector<std::pair<char, std::string>>& replaced) {
  std::vector<std::uint32_t> units(1024, 0xFF);  // a label that no byte has here
  units[0] = 256u << 10;
  std::string texts;
  for (const auto& [key, text] : replaced) {
    const auto byte = static_cast<unsigned char>(key);
    units[256u ^ byte] = 512u << 10 | 1u << 8 | byte;
    units[256u ^ byte ^ 512u] = 0x80000000u | static_cast<std::uint32_t>(texts.size());
    texts += text + '\0';
  }
  std::string out;
  const auto put = [&](std::uint32_t value) {
    for (int i = 0; i < 4; ++i) out += static_cast<char>(static_cast<unsigned char>(value >> (8 * i)));
  };
  put(4096);
  for (std::uint32_t unit : units) put(unit);
  return out + texts;
}

// <unk> <s> </s>, the bytes, then pieces with their scores.
inline cmoe::TokenizerArrays pieces(const std::string& model, bool bytes = true,
                                    const std::vector<std::pair<std::string, float>>& list = {{"\xE2\x96\x81", -2},
                                                                                              {"a", -3},
                                                                                              {"b", -4},
                                                                                              {"ab", -1.5f},
                                                                                              {"\xE2\x96\x81"
                                                                                               "a",
                                                                                               -2.5f},
                                                                                              {"ba", -1}}) {
  using cmoe::TokenType;
  cmoe::TokenizerArrays arrays;
  arrays.name = "sample";
  arrays.model = model;
  arrays.spaces = cmoe::SpaceRules::of_model(true, false);
  arrays.marks_in_text = false;
  arrays.tokens = {"<unk>", "<s>", "</s>"};
  arrays.scores = {0, 0, 0};
  arrays.types = {TokenType::unknown, TokenType::control, TokenType::control};
  for (int byte = 0; bytes && byte < 256; ++byte) {
    constexpr char digits[] = "0123456789ABCDEF";
    arrays.tokens.push_back(std::string("<0x") + digits[byte / 16] + digits[byte % 16] + '>');
    arrays.scores.push_back(0);
    arrays.types.push_back(TokenType::byte);
  }
  for (const auto& [piece, score] : list) {
    arrays.tokens.push_back(piece);
    arrays.scores.push_back(score);
    arrays.types.push_back(TokenType::normal);
  }
  arrays.bos = 1;
  arrays.eos = 2;
  arrays.byte_fallback = bytes;
  return arrays;
}

// Protobuf.
inline std::string varint(std::uint64_t value) {
  std::string out;
  for (; value >= 128; value >>= 7) out += static_cast<char>(static_cast<unsigned char>(value | 128));
  return out + static_cast<char>(static_cast<unsigned char>(value));
}
inline std::string field(std::uint32_t number, std::uint64_t value) { return varint(number << 3) + varint(value); }
inline std::string field(std::uint32_t number, const std::string& bytes) {
  return varint(number << 3 | 2) + varint(bytes.size()) + bytes;
}
inline std::string field(std::uint32_t number, float value) {
  std::string out = varint(number << 3 | 5);
  const auto bits = std::bit_cast<std::uint32_t>(value);
  for (int i = 0; i < 4; ++i) out += static_cast<char>(static_cast<unsigned char>(bits >> (8 * i)));
  return out;
}

inline std::string sentencepiece_model(const cmoe::TokenizerArrays& arrays, bool remove_extra = false,
                                       const std::string& map = "") {
  std::string out;
  for (std::size_t i = 0; i < arrays.tokens.size(); ++i)
    out +=
        field(1, field(1, arrays.tokens[i]) + field(2, arrays.scores[i]) + field(3, static_cast<std::uint64_t>(arrays.types[i])));
  out += field(2, field(3, std::uint64_t{arrays.model == "t5" ? 1u : 2u}) + field(35, std::uint64_t{arrays.byte_fallback}));
  return out + field(3, field(2, map) + field(3, std::uint64_t{1}) + field(4, std::uint64_t{remove_extra}));
}

inline cmoe::Json unigram_json() {
  const cmoe::TokenizerArrays arrays = pieces("t5", false);
  cmoe::Json list = cmoe::Json::array();
  for (std::size_t i = 0; i < arrays.tokens.size(); ++i) list.push_back({arrays.tokens[i], arrays.scores[i]});
  return {
      {"added_tokens",
       {{{"id", 0}, {"content", "<unk>"}, {"special", true}}, {{"id", 2}, {"content", "</s>"}, {"special", true}}}},
      {"normalizer", {{"type", "Replace"}, {"pattern", {{"Regex", " {2,}"}}}, {"content", " "}}},
      {"pre_tokenizer", {{"type", "Metaspace"}, {"replacement", "\xE2\x96\x81"}, {"prepend_scheme", "always"}, {"split", true}}},
      {"decoder", {{"type", "Metaspace"}, {"replacement", "\xE2\x96\x81"}, {"prepend_scheme", "always"}}},
      {"model", {{"type", "Unigram"}, {"unk_id", 0}, {"vocab", list}}}};
}

}  // namespace samples
