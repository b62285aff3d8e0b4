// Byte-level BPE: words become bytes, and bytes are merged; the vocabularies of GPT-2, Llama 3, Qwen2 and SmolLM.
#pragma once

#include <array>
#include <span>
#include <unordered_map>

#include "cmoe/io/added_tokens.hpp"
#include "cmoe/io/compose.hpp"
#include "cmoe/io/merges.hpp"
#include "cmoe/io/word_cache.hpp"
#include "cmoe/io/word_rules.hpp"

namespace cmoe {

namespace detail {

// GPT-2's alphabet: bytes that print stand for themselves as code points, the others are 256, 257, ... in turn.
inline constexpr auto byte_letters = [] {
  std::array<std::uint16_t, 256> letters{};
  std::uint16_t next = 256;
  for (std::uint16_t byte = 0; byte < 256; ++byte) {
    const bool prints = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte != 0xAD);
    letters[byte] = prints ? byte : next++;
  }
  return letters;
}();

inline constexpr auto letter_bytes = [] {
  std::array<std::int16_t, 324> bytes{};
  for (auto& byte : bytes) byte = -1;
  for (std::int16_t byte = 0; byte < 256; ++byte) bytes[byte_letters[static_cast<std::size_t>(byte)]] = byte;
  return bytes;
}();

// The bytes that a spelling in that alphabet stands for; nothing when it holds other characters.
inline std::optional<std::string> bytes_of_letters(std::string_view spelling) {
  std::string bytes;
  for (std::size_t at = 0; at < spelling.size();) {
    const CodePoint letter = code_point(spelling, at);
    if (letter.code >= letter_bytes.size() || letter_bytes[letter.code] < 0) return std::nullopt;
    bytes += static_cast<char>(static_cast<unsigned char>(letter_bytes[letter.code]));
    at += letter.length;
  }
  return bytes;
}

}  // namespace detail

// Sennrich et al., arXiv 1508.07909, over bytes; the word rules are word_rules.hpp's.
class ByteLevelTokenizer {
 public:
  // throws Error format if sizes differ, an id is out of range, a spelling stands twice, or a merge names what is no token
  explicit ByteLevelTokenizer(const TokenizerArrays& arrays)
      : bos_(arrays.bos), eos_(arrays.eos), pad_(arrays.pad), space_in_front_(arrays.space_in_front) {
    detail::check_arrays(arrays);
    const auto rule = word_rule(arrays.pre);
    check(rule.has_value(), ErrorKind::format, arrays.name, ": the pre-tokeniser '", printable(arrays.pre),
          "' is not known; gpt-2, llama-bpe, qwen2 and smollm are");
    rule_ = *rule;
    ignore_merges_ = arrays.ignore_merges.value_or(rule_ == WordRule::llama3);
    compose_ = arrays.compose.value_or(rule_ == WordRule::qwen2);
    added_ = AddedTokens(arrays);
    fill(arrays);
  }

  // Added tokens in the text are recognised, none is put in front or behind. A byte that is no part of valid UTF-8 is a word
  // character of its own, so that decode(encode(x)) == x for all bytes where the text is not composed.
  // throws Error format on a byte for which the vocabulary has no token
  std::vector<Id> encode(std::string_view text) const {
    std::vector<Id> ids;
    ids.reserve(text.size() / 3 + 1);
    Merges::Work work;
    std::vector<Id> symbols;
    const auto encode_word = [&](std::string_view word, std::vector<Id>& out) { append_word(word, out, symbols, work); };
    const auto encode_text = [&](std::string_view part, std::size_t) {
      std::string changed;
      if (compose_ && needs_composition(part)) part = changed = composed(part);
      if (space_in_front_ && !part.starts_with(' ')) part = changed = ' ' + std::string(part);
      WordCache cache(part.size());
      for_each_word(rule_, part, [&](std::string_view word) { cache.append(word, ids, encode_word); });
    };
    added_.split(text, encode_text, [&](const AddedToken& token) { ids.push_back(token.id); });
    return ids;
  }

  // The bytes of the tokens; added tokens as they are spelt.
  std::string decode(std::span<const Id> ids, bool /*continues*/ = false) const {
    std::string text;
    for (Id id : ids) text += bytes_[checked(id)];
    return text;
  }

  std::string piece(Id id) const {
    const std::string& bytes = bytes_[checked(id)];
    if (literal_[checked(id)]) return bytes;
    std::string spelling;
    for (char c : bytes) append_utf8(spelling, detail::byte_letters[static_cast<unsigned char>(c)]);
    return spelling;
  }

  Id size() const { return static_cast<Id>(bytes_.size()); }
  std::optional<Id> bos() const { return bos_; }
  std::optional<Id> eos() const { return eos_; }
  std::optional<Id> separator() const { return std::nullopt; }
  std::optional<Id> pad() const { return pad_; }
  const std::vector<AddedToken>& added() const { return added_.tokens(); }

 private:
  void fill(const TokenizerArrays& arrays) {
    const std::string& name = arrays.name;
    literal_.assign(arrays.tokens.size(), false);
    for (const AddedToken& token : added_.tokens()) literal_[static_cast<std::size_t>(token.id)] = true;
    byte_ids_.fill(-1);
    std::unordered_map<std::string_view, Id> ids;
    ids.reserve(arrays.tokens.size());
    for (std::size_t i = 0; i < arrays.tokens.size(); ++i) {
      const auto id = static_cast<Id>(i);
      const auto [other, made] = ids.emplace(arrays.tokens[i], id);
      check(made, ErrorKind::format, name, ": token ", id, " is spelt '", printable(arrays.tokens[i]), "' like token ",
            other->second);
      std::optional<std::string> bytes;
      if (!literal_[i]) bytes = detail::bytes_of_letters(arrays.tokens[i]);
      if (!bytes) literal_[i] = true;
      bytes_.push_back(bytes ? *bytes : arrays.tokens[i]);
      if (bytes && bytes->size() == 1) byte_ids_[static_cast<unsigned char>(bytes->front())] = id;
    }
    for (std::size_t rank = 0; rank < arrays.merges.size(); ++rank) {
      const auto& [left, right] = arrays.merges[rank];
      const auto find = [&](const std::string& spelling) {
        const auto found = ids.find(spelling);
        check(found != ids.end(), ErrorKind::format, name, ": merge ", rank, ", '", printable(left), "' with '", printable(right),
              "', needs the token '", printable(spelling), "', which the vocabulary lacks");
        return found->second;
      };
      const Id first = find(left), second = find(right);
      merges_.add(first, second, static_cast<Id>(rank), find(left + right));
    }
    if (ignore_merges_)
      for (std::size_t i = 0; i < bytes_.size(); ++i)
        if (!literal_[i]) whole_.emplace(bytes_[i], static_cast<Id>(i));
  }

  void append_word(std::string_view word, std::vector<Id>& ids, std::vector<Id>& symbols, Merges::Work& work) const {
    if (ignore_merges_)
      if (const auto found = whole_.find(std::string(word)); found != whole_.end()) return ids.push_back(found->second);
    symbols.clear();
    for (char c : word) {
      const Id id = byte_ids_[static_cast<unsigned char>(c)];
      check(id >= 0, ErrorKind::format, "tokenizer: the vocabulary has no token for byte ",
            static_cast<int>(static_cast<unsigned char>(c)));
      symbols.push_back(id);
    }
    merges_.merge(symbols, ids, work);
  }

  std::size_t checked(Id id) const {
    check(id >= 0 && id < size(), ErrorKind::index, "tokenizer: token ", id, " of ", size());
    return static_cast<std::size_t>(id);
  }

  std::vector<std::string> bytes_;
  std::vector<bool> literal_;  // spelt as it is, not in letters for bytes
  std::array<Id, 256> byte_ids_{};
  Merges merges_;
  std::unordered_map<std::string, Id> whole_;  // bytes of a token -> id, where words that are tokens stay whole
  AddedTokens added_;
  std::optional<Id> bos_, eos_, pad_;
  WordRule rule_ = WordRule::gpt2;
  bool ignore_merges_ = false, compose_ = false, space_in_front_ = false;
};

}  // namespace cmoe
