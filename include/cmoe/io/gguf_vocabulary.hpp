// The tokenizer that a GGUF file carries, as plain arrays.
#pragma once

#include "cmoe/io/gguf.hpp"

namespace cmoe {

// tokenizer.ggml.* and tokenizer.chat_template. scores and types are empty or have one entry for each token.
struct GgufVocabulary {
  std::string model;                // gpt2: byte-level merges; llama: SentencePiece merges; t5: SentencePiece unigram
  std::string pre;                  // the pre-tokeniser of gpt2; empty: the file names none
  std::vector<std::string> tokens;  // id -> spelling
  std::vector<float> scores;
  std::vector<std::int32_t> types;  // 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte
  std::vector<std::string> merges;  // "left right", best first
  std::optional<Id> begin, end, end_of_turn, unknown, padding;
  std::optional<bool> add_begin, add_end, add_space, remove_extra_spaces;
  std::string charsmap;             // precompiled_charsmap of t5: how texts are normalised
  std::string chat_template;        // text of whoever made the file: interpreted by ChatTemplate, never executed
};

// throws Error (format) if the arrays' lengths differ, an id is no token or a type is unknown
inline GgufVocabulary gguf_vocabulary(const Gguf& file) {
  const std::string& name = file.name();
  const auto key = [](const char* rest) { return std::string("tokenizer.ggml.") + rest; };
  GgufVocabulary v;
  v.model = file.required<std::string>(key("model"));
  v.pre = file.optional<std::string>(key("pre")).value_or("");
  v.tokens = file.required<std::vector<std::string>>(key("tokens"));
  v.scores = file.optional<std::vector<float>>(key("scores")).value_or(std::vector<float>());
  v.types = file.optional<std::vector<std::int32_t>>(key("token_type")).value_or(std::vector<std::int32_t>());
  v.merges = file.optional<std::vector<std::string>>(key("merges")).value_or(std::vector<std::string>());
  const auto map = file.optional<std::vector<std::uint8_t>>(key("precompiled_charsmap")).value_or(std::vector<std::uint8_t>());
  v.charsmap.assign(map.begin(), map.end());
  v.chat_template = file.optional<std::string>("tokenizer.chat_template").value_or("");
  const std::size_t count = v.tokens.size();
  check(count > 0 && count <= std::size_t{1} << 24, ErrorKind::format, name, ": a vocabulary of ", count, " tokens");
  check(v.scores.empty() || v.scores.size() == count, ErrorKind::format, name, ": ", v.scores.size(), " scores for ", count, " tokens");
  check(v.types.empty() || v.types.size() == count, ErrorKind::format, name, ": ", v.types.size(), " token types for ", count, " tokens");
  for (std::size_t id = 0; id < v.types.size(); ++id)
    check(v.types[id] >= 1 && v.types[id] <= 6, ErrorKind::format, name, ": token ", id, " has the unknown type ", v.types[id]);
  for (std::size_t id = 0; id < v.scores.size(); ++id)
    check(std::isfinite(v.scores[id]), ErrorKind::numeric, name, ": the score of token ", id, " is not finite");
  const auto id = [&](const char* rest) {
    const auto found = file.optional<std::int64_t>(key(rest));
    if (!found) return std::optional<Id>();
    check(*found >= 0 && std::cmp_less(*found, count), ErrorKind::format, name, ": '", key(rest), "' is ", *found, ", not one of the ", count, " tokens");
    return std::optional<Id>(static_cast<Id>(*found));
  };
  v.begin = id("bos_token_id"), v.end = id("eos_token_id"), v.end_of_turn = id("eot_token_id");
  v.unknown = id("unknown_token_id"), v.padding = id("padding_token_id");
  const auto flag = [&](const char* rest) { return file.optional<bool>(key(rest)); };
  v.add_begin = flag("add_bos_token"), v.add_end = flag("add_eos_token");
  v.add_space = flag("add_space_prefix"), v.remove_extra_spaces = flag("remove_extra_whitespaces");
  return v;
}

}  // namespace cmoe
