// A vocabulary as plain arrays: what every kind of tokenizer file is read into, and what GGUF metadata holds already.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cmoe/core/shape.hpp"
#include "cmoe/io/utf8.hpp"

namespace cmoe {

// The numbers are those of SentencePiece, which GGUF took over.
enum class TokenType : std::int32_t { normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };

// A token that a text may hold as it is spelt; it is cut out before anything else looks at the text.
struct AddedToken {
  std::string content;
  Id id = 0;
  bool special = false;      // a mark: SentencePiece kinds decode it to nothing
  bool strips_left = false;  // white space on that side belongs to it
  bool strips_right = false;
};

// What SentencePiece kinds do with spaces. The defaults are Llama 2's.
struct SpaceRules {
  enum class Front { none, first_part, every_part };              // parts: what lies between added tokens
  Front front = Front::every_part;                                // ▁ in front
  bool front_unless_space = false;                                // not where a space or ▁ stands already
  bool collapse = false;                                          // runs of spaces become one
  bool strip_left = false;                                        // those at the beginning go
  bool strip_right = false;                                       // and those at the end
  bool whole_text = false;                                        // beginning and end of the whole text, not of each part
  bool every_space_begins_word = false;                           // no piece holds ▁ but at its beginning
  enum class Strip { none, one, all } decode_strip = Strip::one;  // of the spaces that begin a decoded text

  // For GGUF metadata, add_space_prefix and remove_extra_whitespaces: every part between marks begins anew.
  static SpaceRules of_gguf(bool add_space, bool remove_extra) {
    SpaceRules rules = of_model(add_space, remove_extra);
    rules.front = add_space ? Front::every_part : Front::none;
    rules.whole_text = false;
    return rules;
  }

  // As a SentencePiece model says it.
  static SpaceRules of_model(bool add_space, bool remove_extra) {
    SpaceRules rules;
    rules.front = add_space ? Front::first_part : Front::none;
    rules.collapse = rules.strip_left = rules.strip_right = remove_extra;
    rules.whole_text = true;
    rules.decode_strip = remove_extra ? Strip::all : add_space ? Strip::one : Strip::none;
    return rules;
  }
};

// A vocabulary with its rules, before it is made into a tokenizer of its kind.
struct TokenizerArrays {
  std::string name = "tokenizer";  // how messages call it: a path, usually
  std::string model = "gpt2";      // gpt2: byte-level merges; llama: SentencePiece merges; t5: SentencePiece unigram
  std::string pre = "gpt-2";       // gpt2: the pre-tokeniser, see word_rule()

  std::vector<std::string> tokens;                          // id -> spelling: Ġ for a space with gpt2, ▁ with the others
  std::vector<float> scores;                                // empty, or one a token
  std::vector<TokenType> types;                             // empty, or one a token
  std::vector<std::pair<std::string, std::string>> merges;  // best first; `llama` without any merges by score
  std::vector<AddedToken> added;                            // user-defined tokens count as added even if not listed
  bool marks_in_text = true;                                // control tokens too: as tokenizer.json has it, tokenizer.model not

  std::optional<Id> bos, eos, unknown, pad;

  // gpt2. Absent: as the published tokenizer of that pre-tokeniser does it.
  std::optional<bool> ignore_merges;  // a word that is a token stays whole; llama-bpe does so
  std::optional<bool> compose;        // the text is brought to NFC; qwen2 does so
  bool space_in_front = false;        // a text that begins with no space gets one

  // llama, t5
  SpaceRules spaces;
  std::string charsmap;                         // precompiled_charsmap, empty for none
  bool byte_fallback = true;                    // unknown characters become byte tokens, if the vocabulary has them
  bool fuse_unknown = true;                     // neighbours that are unknown become one unknown token
  std::string unknown_text = " \xE2\x81\x87 ";  // what an unknown token decodes to: " ⁇ "
  bool double_sums = false;  // t5: sums of scores in double, as tokenizer.json's reader has them; else in float
};

// "left right" as files of merges have it, cut at its space.
inline std::pair<std::string, std::string> split_merge(std::string_view line, const std::string& name) {
  const std::size_t space = line.find(' ', 1);
  check(line.size() >= 3 && space != std::string_view::npos && space + 1 < line.size() &&
            line.find(' ', space + 1) == std::string_view::npos,
        ErrorKind::format, name, ": the merge '", printable(line), "' is not two tokens with a space between");
  return {std::string(line.substr(0, space)), std::string(line.substr(space + 1))};
}

namespace detail {

// Sizes agree, ids lie within, spellings of added tokens are those of the vocabulary.
inline void check_arrays(const TokenizerArrays& arrays) {
  constexpr std::size_t most_tokens = std::size_t{1} << 24, most_bytes = 1024;
  const std::string& name = arrays.name;
  const std::size_t count = arrays.tokens.size();
  check(count > 0 && count <= most_tokens, ErrorKind::format, name, ": ", count, " tokens; 1 to ", most_tokens, " are read");
  check(arrays.scores.empty() || arrays.scores.size() == count, ErrorKind::format, name, ": ", arrays.scores.size(),
        " scores for ", count, " tokens");
  check(arrays.types.empty() || arrays.types.size() == count, ErrorKind::format, name, ": ", arrays.types.size(), " types for ",
        count, " tokens");
  for (std::size_t id = 0; id < count; ++id) {
    check(arrays.tokens[id].size() <= most_bytes, ErrorKind::format, name, ": token ", id, " has ", arrays.tokens[id].size(),
          " bytes");
    if (!arrays.scores.empty())
      check(arrays.scores[id] - arrays.scores[id] == 0, ErrorKind::format, name, ": the score of token ", id, " is not finite");
    if (!arrays.types.empty()) {
      const auto type = static_cast<std::int32_t>(arrays.types[id]);
      check(type >= 1 && type <= 6, ErrorKind::format, name, ": token ", id, " has the unknown type ", type);
    }
  }
  const auto inside = [&](std::optional<Id> id, const char* what) {
    if (id)
      check(*id >= 0 && std::cmp_less(*id, count), ErrorKind::format, name, ": the ", what, " token ", *id, " is not one of ",
            count);
  };
  inside(arrays.bos, "beginning");
  inside(arrays.eos, "end");
  inside(arrays.unknown, "unknown");
  inside(arrays.pad, "padding");
  for (const AddedToken& token : arrays.added) {
    inside(token.id, "added");
    check(!token.content.empty(), ErrorKind::format, name, ": added token ", token.id, " is empty");
    check(token.content == arrays.tokens[static_cast<std::size_t>(token.id)], ErrorKind::format, name, ": added token ", token.id,
          " is '", printable(token.content), "', the vocabulary has '",
          printable(arrays.tokens[static_cast<std::size_t>(token.id)]), "'");
  }
}

}  // namespace detail

}  // namespace cmoe
