// SentencePiece: pieces of a text whose spaces are ▁, found by merging (Llama 2) or by their scores (T5), bytes as a last resort.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <unordered_map>

#include "cmoe/io/merges.hpp"
#include "cmoe/io/sentencepiece_text.hpp"
#include "cmoe/io/unigram.hpp"
#include "cmoe/io/word_cache.hpp"

namespace cmoe {

// Kudo and Richardson, arXiv 1808.06226. `model` of the arrays says which of the two.
class SentencePieceTokenizer {
 public:
  // throws Error format if sizes differ, an id is out of range, a piece stands twice, a byte token is no byte, or a merge names
  // what is no token
  explicit SentencePieceTokenizer(const TokenizerArrays& arrays)
      : pieces_(arrays.tokens), bos_(arrays.bos), eos_(arrays.eos), pad_(arrays.pad), unknown_(arrays.unknown) {
    detail::check_arrays(arrays);
    check(arrays.model == "llama" || arrays.model == "t5", ErrorKind::format, arrays.name, ": the tokenizer model '",
          printable(arrays.model), "' is not known; gpt2, llama and t5 are");
    text_ = SentencePieceText(arrays);
    unigram_ = arrays.model == "t5";
    fuse_unknown_ = arrays.fuse_unknown;
    unknown_text_ = arrays.unknown_text;
    collect(arrays);
    if (unigram_)
      collect_unigram(arrays);
    else if (arrays.merges.empty())
      collect_scored(arrays);
    else
      collect_merges(arrays);
  }

  // Recognised tokens in the text are cut out, none is put in front or behind. Bytes that are no part of valid UTF-8 are read as
  // U+FFFD. Spaces may be lost where the vocabulary's rules say so.
  // throws Error format on an unknown character if the vocabulary has neither byte tokens nor an unknown token
  std::vector<Id> encode(std::string_view text) const {
    std::vector<Id> ids;
    ids.reserve(text.size() / 3 + 1);
    Work work;
    const auto word = [&](std::string_view part, std::vector<Id>& out) { append_word(part, out, work); };
    text_.split(
        text,
        [&](std::string_view normal) {
          if (cuts_ == Cuts::nowhere) return word(normal, ids);
          WordCache cache(normal.size());
          for (std::size_t begin = 0; begin < normal.size();) {
            const std::size_t end = end_of_word(normal, begin);
            cache.append(normal.substr(begin, end - begin), ids, word);
            begin = end;
          }
        },
        [&](const AddedToken& token) { ids.push_back(token.id); });
    return ids;
  }

  // ▁ becomes a space, byte tokens their bytes, control tokens nothing. Spaces that begin the text go as the vocabulary's rules
  // say, unless the ids continue an earlier text.
  std::string decode(std::span<const Id> ids, bool continues = false) const {
    using Strip = SpaceRules::Strip;
    std::string text;
    Strip strip = continues ? Strip::none : text_.rules().decode_strip;
    for (Id id : ids) {
      const std::size_t at = checked(id);
      switch (types_[at]) {
        case TokenType::control:
          break;
        case TokenType::unknown:
          text += unknown_text_;
          break;
        case TokenType::byte:
          text += byte_of(pieces_[at]);
          break;
        default: {
          std::string_view piece = pieces_[at];
          while (strip != Strip::none && text.empty() && piece.starts_with(piece_space)) {
            piece.remove_prefix(piece_space.size());
            if (strip == Strip::one) strip = Strip::none;
          }
          append_spaced(text, piece);
        }
      }
    }
    return text;
  }

  std::string piece(Id id) const { return pieces_[checked(id)]; }
  Id size() const { return static_cast<Id>(pieces_.size()); }
  std::optional<Id> bos() const { return bos_; }
  std::optional<Id> eos() const { return eos_; }
  std::optional<Id> separator() const { return std::nullopt; }
  std::optional<Id> pad() const { return pad_; }
  std::optional<Id> unknown() const { return unknown_; }
  const std::vector<AddedToken>& added() const { return text_.added(); }

 private:
  enum class Cuts { nowhere, before_run_of_spaces, before_every_space };  // what no piece reaches across

  struct Work {
    std::vector<Id> symbols, merged;
    Merges::Work merges;
    std::vector<Unigram::Node> nodes;
  };

  // <0x41> -> 'A'
  static char byte_of(std::string_view piece) {
    const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'A' + 10; };
    return static_cast<char>(static_cast<unsigned char>(digit(piece[3]) * 16 + digit(piece[4])));
  }
  static bool spells_byte(std::string_view piece) {
    const auto digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'); };
    return piece.size() == 6 && piece.starts_with("<0x") && piece[5] == '>' && digit(piece[3]) && digit(piece[4]);
  }

  static void append_spaced(std::string& text, std::string_view piece) {
    for (std::size_t at = 0; at < piece.size();) {
      const std::size_t mark = std::min(piece.find(piece_space, at), piece.size());
      text += piece.substr(at, mark - at);
      if (mark < piece.size()) text += ' ';
      at = mark + piece_space.size();
    }
  }

  // Types, bytes, and the ids of what a text can hold.
  void collect(const TokenizerArrays& arrays) {
    types_ = arrays.types.empty() ? std::vector<TokenType>(pieces_.size(), TokenType::normal) : arrays.types;
    for (const AddedToken& token : text_.added())
      if (TokenType& type = types_[static_cast<std::size_t>(token.id)]; type == TokenType::normal)
        type = token.special ? TokenType::control : TokenType::user_defined;
    byte_ids_.fill(-1);
    std::unordered_map<std::string_view, Id> seen;
    bool inner = false;
    for (std::size_t i = 0; i < pieces_.size(); ++i) {
      const auto id = static_cast<Id>(i);
      const auto [other, made] = seen.emplace(pieces_[i], id);
      check(made, ErrorKind::format, arrays.name, ": token ", id, " is spelt '", printable(pieces_[i]), "' like token ",
            other->second);
      if (types_[i] == TokenType::unknown) {
        check(!unknown_ || *unknown_ == id, ErrorKind::format, arrays.name, ": both ", id, " and ", *unknown_,
              " are the unknown token");
        unknown_ = id;
      } else if (types_[i] == TokenType::byte) {
        check(spells_byte(pieces_[i]), ErrorKind::format, arrays.name, ": token ", id, ", '", printable(pieces_[i]),
              "', is of the type byte but spells none");
        byte_ids_[static_cast<unsigned char>(byte_of(pieces_[i]))] = id;
      } else if (types_[i] == TokenType::normal) {
        check(!pieces_[i].empty(), ErrorKind::format, arrays.name, ": token ", id, " is empty");
        ids_.emplace(pieces_[i], id);
        for (std::size_t at = pieces_[i].find(piece_space, 1); at != std::string::npos; at = pieces_[i].find(piece_space, at + 1))
          inner = inner || !std::string_view(pieces_[i]).substr(0, at).ends_with(piece_space);
      }
    }
    byte_fallback_ = arrays.byte_fallback && std::find(byte_ids_.begin(), byte_ids_.end(), -1) == byte_ids_.end();
    if (text_.rules().every_space_begins_word)
      cuts_ = Cuts::before_every_space;
    else if (!inner && (!unigram_ || arrays.double_sums))  // sums in float depend on what stands before a word
      cuts_ = Cuts::before_run_of_spaces;
  }

  float score(const TokenizerArrays& arrays, Id id) const {
    check(!arrays.scores.empty(), ErrorKind::format, arrays.name, ": no scores and no merges");
    return arrays.scores[static_cast<std::size_t>(id)];
  }

  void collect_unigram(const TokenizerArrays& arrays) {
    if (arrays.double_sums) scored_.sum_in_double();
    for (const auto& [piece, id] : ids_) scored_.add(piece, id, score(arrays, id));
  }

  // Any two neighbours that spell a piece may merge, the best score first. Characters that are only parts of pieces get ids
  // behind the vocabulary's.
  void collect_scored(const TokenizerArrays& arrays) {
    std::map<float, Id, std::greater<>> ranks;
    for (const auto& [piece, id] : ids_) ranks[score(arrays, id)] = 0;
    Id rank = 0;
    for (auto& [value, place] : ranks) place = rank++;
    std::unordered_map<std::string, Id> all = ids_;
    for (const auto& [piece, id] : ids_)
      for (std::size_t at = 0, length = 0; at < piece.size(); at += length) {
        length = std::max<std::size_t>(1, utf8_length(piece, at));
        std::string character = piece.substr(at, length);
        if (all.emplace(character, size() + 1 + static_cast<Id>(parts_.size())).second)
          parts_.emplace(std::move(character), size() + 1 + static_cast<Id>(parts_.size()));
      }
    std::string left, right;
    for (const auto& [piece, id] : ids_) {
      const Id own = ranks.at(score(arrays, id));
      for (std::size_t at = std::max<std::size_t>(1, utf8_length(piece, 0)); at < piece.size();) {
        left.assign(piece, 0, at);
        right.assign(piece, at);
        const auto first = all.find(left), second = all.find(right);
        if (first != all.end() && second != all.end()) merges_.add(first->second, second->second, own, id);
        at += std::max<std::size_t>(1, utf8_length(piece, at));
      }
    }
  }

  void collect_merges(const TokenizerArrays& arrays) {
    std::unordered_map<std::string_view, Id> all;
    for (std::size_t i = 0; i < pieces_.size(); ++i) all.emplace(pieces_[i], static_cast<Id>(i));
    for (std::size_t rank = 0; rank < arrays.merges.size(); ++rank) {
      const auto& [left, right] = arrays.merges[rank];
      const auto find = [&](const std::string& spelling) {
        const auto found = all.find(spelling);
        check(found != all.end(), ErrorKind::format, arrays.name, ": merge ", rank, ", '", printable(left), "' with '",
              printable(right), "', needs the token '", printable(spelling), "', which the vocabulary lacks");
        return found->second;
      };
      const Id first = find(left), second = find(right);
      merges_.add(first, second, static_cast<Id>(rank), find(left + right));
    }
  }

  // Cut where ▁ follows something else, or at every ▁.
  std::size_t end_of_word(std::string_view text, std::size_t begin) const {
    std::size_t at = begin;
    if (cuts_ == Cuts::before_run_of_spaces)
      while (text.substr(at).starts_with(piece_space)) at += piece_space.size();
    return std::min(text.find(piece_space, std::max(at, begin + 1)), text.size());
  }

  void append_word(std::string_view word, std::vector<Id>& ids, Work& work) const {
    if (unigram_) {
      bool after_unknown = false;
      scored_.segment(word, work.nodes, [&](std::string_view piece, Id id) {
        if (id >= 0)
          ids.push_back(id);
        else
          append_unknown(piece, ids, after_unknown);
        after_unknown = id < 0;
      });
      return;
    }
    work.symbols.clear();
    for (std::size_t at = 0, length = 0; at < word.size(); at += length) {
      length = std::max<std::size_t>(1, utf8_length(word, at));
      work.symbols.push_back(symbol(word.substr(at, length)));
    }
    work.merged.clear();
    merges_.merge(work.symbols, work.merged, work.merges);
    std::size_t at = 0;
    bool after_unknown = false;
    for (Id id : work.merged) {
      const bool known = id < size();
      const std::size_t length =
          known ? pieces_[static_cast<std::size_t>(id)].size() : std::max<std::size_t>(1, utf8_length(word, at));
      if (known)
        ids.push_back(id);
      else
        append_unknown(word.substr(at, length), ids, after_unknown);
      after_unknown = !known;
      at += length;
    }
  }

  // The id of a character; behind the vocabulary: first the one that never merges, then parts of pieces.
  Id symbol(std::string_view character) const {
    const std::string key(character);  // short: no allocation
    if (const auto found = ids_.find(key); found != ids_.end()) return found->second;
    const auto part = parts_.find(key);
    return part == parts_.end() ? size() : part->second;
  }

  void append_unknown(std::string_view character, std::vector<Id>& ids, bool after_unknown) const {
    if (byte_fallback_) {
      for (char c : character) ids.push_back(byte_ids_[static_cast<unsigned char>(c)]);
      return;
    }
    check(unknown_.has_value(), ErrorKind::format, "tokenizer: U+", code_point(character, 0).code,
          " (decimal) is in no piece, and the vocabulary has neither byte tokens nor an unknown token");
    if (!(after_unknown && fuse_unknown_)) ids.push_back(*unknown_);
  }

  std::size_t checked(Id id) const {
    check(id >= 0 && id < size(), ErrorKind::index, "tokenizer: token ", id, " of ", size());
    return static_cast<std::size_t>(id);
  }

  std::vector<std::string> pieces_;
  std::vector<TokenType> types_;
  std::unordered_map<std::string, Id> ids_;    // what a text may hold
  std::unordered_map<std::string, Id> parts_;  // characters of pieces that are no pieces
  std::array<Id, 256> byte_ids_{};
  SentencePieceText text_;
  Merges merges_;
  Unigram scored_;
  std::optional<Id> bos_, eos_, pad_, unknown_;
  std::string unknown_text_;
  Cuts cuts_ = Cuts::nowhere;
  bool unigram_ = false, byte_fallback_ = false, fuse_unknown_ = true;
};

}  // namespace cmoe
