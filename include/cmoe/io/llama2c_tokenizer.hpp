// The SentencePiece-BPE vocabulary of llama2.c's tokenizer.bin: pieces with scores, merged best score first, bytes as a last
// resort.
#pragma once

#include <cmath>
#include <cstring>
#include <optional>
#include <queue>
#include <span>
#include <unordered_map>
#include <vector>

#include "cmoe/core/shape.hpp"
#include "cmoe/io/file.hpp"
#include "cmoe/io/utf8.hpp"

namespace cmoe {

// File: int32 longest piece, then per token a float score, an int32 length and that many bytes. Tokens 0, 1, 2 are unknown,
// beginning and end; 3 to 258 are the bytes `<0x00>` to `<0xFF>`.
class Llama2cTokenizer {
 public:
  static Llama2cTokenizer open(const Path& path) { return parse(read_file(path), path.string()); }
  static Llama2cTokenizer parse(std::string_view contents, const std::string& name) {
    Llama2cTokenizer tokenizer;
    tokenizer.read(contents, name);
    return tokenizer;
  }

  // A space is put in front; then of all neighbours that form a piece the one with the best score is merged, the leftmost on
  // equal scores, until none is left. O(n log n): a heap of candidate pairs over a linked list of symbols.
  std::vector<Id> encode(std::string_view text) const {
    if (text.empty()) return {};
    const std::string spaced = " " + std::string(text);
    std::vector<Symbol> symbols = split(spaced);
    std::priority_queue<Pair> pairs;
    const auto offer = [&](std::size_t left) {
      const std::size_t right = left < symbols.size() ? symbols[left].next : none;
      if (right >= symbols.size() || symbols[left].id < first_piece || symbols[right].id < first_piece) return;
      const std::size_t length = symbols[left].length + symbols[right].length;
      if (length > longest_) return;
      const auto found = ids_.find(std::string(spaced, symbols[left].begin, length));
      if (found != ids_.end()) pairs.push({scores_[static_cast<std::size_t>(found->second)], left, right, length, found->second});
    };
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) offer(i);
    while (!pairs.empty()) {
      const Pair best = pairs.top();
      pairs.pop();
      Symbol& left = symbols[best.left];
      Symbol& right = symbols[best.right];
      const bool current = left.length > 0 && left.next == best.right && left.length + right.length == best.length;
      if (!current) continue;  // one of the two has been merged since
      left.id = best.id;
      left.length = best.length;
      left.next = right.next;
      if (right.next < symbols.size()) symbols[right.next].previous = best.left;
      right.length = 0;
      offer(left.previous);
      offer(best.left);
    }
    std::vector<Id> ids;
    for (std::size_t i = 0; i < symbols.size(); i = symbols[i].next) ids.push_back(symbols[i].id);
    return ids;
  }

  // Byte tokens become their byte, beginning and end nothing. The space that encode put in front is taken away at the start and
  // after a beginning, unless the ids continue an earlier text.
  std::string decode(std::span<const Id> ids, bool continues = false) const {
    std::string text;
    bool strip = !continues;
    for (Id id : ids) {
      std::string_view part = stored(id);
      char byte = 0;
      if (id == *bos() || id == sentence_end) {
        strip = strip || id == *bos();
        continue;
      }
      if (id >= first_byte && id < first_piece) {
        byte = static_cast<char>(id - first_byte);
        part = {&byte, 1};
        if (strip && byte == ' ' && !ids_.contains(" ")) part = {};  // a vocabulary without a space has it as a byte
      } else if (strip && part.starts_with(' ')) {
        part.remove_prefix(1);
      }
      strip = false;
      text += part;
    }
    return text;
  }

  std::string piece(Id id) const { return std::string(stored(id)); }
  float score(Id id) const { return stored(id), scores_[static_cast<std::size_t>(id)]; }
  Id size() const { return static_cast<Id>(pieces_.size()); }
  std::optional<Id> bos() const { return 1; }
  // What ends a text: llama2.c trains on texts that BOS opens one after another, the vocabulary's own end is never seen.
  std::optional<Id> eos() const { return *bos(); }
  std::optional<Id> separator() const { return std::nullopt; }
  std::optional<Id> pad() const { return std::nullopt; }

 private:
  static constexpr Id sentence_end = 2, first_byte = 3, first_piece = 259;
  static constexpr std::size_t none = static_cast<std::size_t>(-1);

  struct Symbol {
    std::size_t begin, length, previous, next;  // length 0: merged into its left neighbour
    Id id;
  };
  struct Pair {
    float score;
    std::size_t left, right, length;
    Id id;
    bool operator<(const Pair& other) const { return score != other.score ? score < other.score : left > other.left; }
  };

  Llama2cTokenizer() = default;

  // One symbol a known character; the bytes of any other stand alone and never merge.
  std::vector<Symbol> split(const std::string& text) const {
    std::vector<Symbol> symbols;
    const auto add = [&](std::size_t begin, std::size_t length, Id id) {
      const std::size_t position = symbols.size();
      symbols.push_back({begin, length, position == 0 ? none : position - 1, position + 1, id});
    };
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t length = std::max<std::size_t>(1, utf8_length(text, at));
      const auto found = ids_.find(text.substr(at, length));
      if (found != ids_.end())
        add(at, length, found->second);
      else
        for (std::size_t i = at; i < at + length; ++i) add(i, 1, first_byte + static_cast<unsigned char>(text[i]));
      at += length;
    }
    return symbols;
  }

  void read(std::string_view contents, const std::string& name) {
    constexpr std::size_t most_tokens = std::size_t{1} << 24, most_bytes = 4096;
    const auto take = [&](auto& value) {
      check(contents.size() >= sizeof(value), ErrorKind::format, name, ": ends within token ", pieces_.size());
      std::memcpy(&value, contents.data(), sizeof(value));
      contents.remove_prefix(sizeof(value));
    };
    std::int32_t longest = 0;
    take(longest);
    check(longest >= 1 && std::cmp_less_equal(longest, most_bytes), ErrorKind::format, name,
          ": not a llama2.c tokenizer: longest piece ", longest);
    while (!contents.empty()) {
      float score = 0;
      std::int32_t length = 0;
      take(score);
      take(length);
      const std::size_t id = pieces_.size();
      check(id < most_tokens, ErrorKind::format, name, ": more than ", most_tokens, " tokens");
      check(length >= 0 && std::cmp_less_equal(length, most_bytes) && std::cmp_less_equal(length, contents.size()),
            ErrorKind::format, name, ": token ", id, " of ", length, " bytes, ", contents.size(), " left in the file");
      check(std::isfinite(score), ErrorKind::format, name, ": the score of token ", id, " is not finite");
      pieces_.emplace_back(contents.substr(0, static_cast<std::size_t>(length)));
      scores_.push_back(score);
      contents.remove_prefix(static_cast<std::size_t>(length));
    }
    check(size() >= first_piece, ErrorKind::format, name, ": ", size(), " tokens are fewer than the ", first_piece,
          " every vocabulary has");
    for (Id id = first_byte; id < first_piece; ++id) {
      constexpr std::string_view digits = "0123456789ABCDEF";
      const auto byte = static_cast<std::size_t>(id - first_byte);
      const std::string expected = std::string("<0x") + digits[byte / 16] + digits[byte % 16] + '>';
      check(stored(id) == expected, ErrorKind::format, name, ": token ", id, " is '", printable(stored(id)), "', not the byte ",
            expected);
    }
    for (Id id = first_piece; id < size(); ++id) {  // special and byte tokens cannot be spelt in a text
      ids_.emplace(stored(id), id);
      longest_ = std::max(longest_, stored(id).size());
    }
  }

  std::string_view stored(Id id) const {
    check(id >= 0 && id < size(), ErrorKind::index, "tokenizer: token ", id, " of ", size());
    return pieces_[static_cast<std::size_t>(id)];
  }

  std::vector<std::string> pieces_;
  std::vector<float> scores_;
  std::unordered_map<std::string, Id> ids_;
  std::size_t longest_ = 0;
};

}  // namespace cmoe
