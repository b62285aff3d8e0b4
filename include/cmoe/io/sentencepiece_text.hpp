// What SentencePiece does to a text before it looks for pieces: replacements, and ▁ for spaces.
#pragma once

#include "cmoe/io/added_tokens.hpp"
#include "cmoe/io/charsmap.hpp"

namespace cmoe {

inline constexpr std::string_view piece_space = "\xE2\x96\x81";  // ▁, U+2581

// A text as SentencePiece sees it before it is cut into tokens, and back.
class SentencePieceText {
 public:
  SentencePieceText() = default;
  explicit SentencePieceText(const TokenizerArrays& arrays)
      : charsmap_(arrays.charsmap, arrays.name), added_(arrays), rules_(arrays.spaces) {}

  // Calls text(normalised) for each part between recognised tokens that leaves something, and token(added) for these.
  // Bytes that are no part of valid UTF-8 become U+FFFD, one each. O(n).
  template <class Text, class Token>
  void split(std::string_view whole, Text&& text, Token&& token) const {
    const auto give = [&](std::string_view normal, std::size_t) { text(normal); };
    if (whole.empty()) return;
    if (!rules_.whole_text) {
      const auto part = [&](std::string_view raw, std::size_t at) {
        bool after_space = rules_.strip_left;
        std::string normal = normalised(raw, at == 0, after_space);
        if (rules_.strip_right) strip_end(normal);
        if (!normal.empty()) text(std::string_view(normal));
      };
      return added_.split(whole, part, token);
    }
    bool first = true, after_space = rules_.strip_left;
    std::string normal;  // tokens stand in it as they are, and are looked for again: some are spelt with ▁
    const auto part = [&](std::string_view raw, std::size_t) {
      normal += normalised(raw, first, after_space);
      first = normal.empty();
    };
    added_.split(whole, part, [&](const AddedToken& added) {
      if (first && rules_.front != SpaceRules::Front::none) normal += piece_space;
      for (char c : added.content) c == ' ' ? normal += piece_space : normal += c;
      first = false;
      after_space = added.content.ends_with(' ');
    });
    if (first && !rules_.strip_left && rules_.front != SpaceRules::Front::none)
      normal = piece_space;  // all was replaced by nothing
    if (rules_.strip_right) strip_end(normal);
    added_.split(normal, give, token);
  }

  const std::vector<AddedToken>& added() const { return added_.tokens(); }
  const SpaceRules& rules() const { return rules_; }

 private:
  std::string normalised(std::string_view part, bool first, bool& after_space) const {
    std::string out;
    out.reserve(part.size() + part.size() / 4 + 3);
    bool begun = false;
    const auto begin = [&](bool with_space) {  // only when something is there: a text of spaces that go is nothing
      begun = true;
      const bool wanted =
          rules_.front == SpaceRules::Front::every_part || (rules_.front == SpaceRules::Front::first_part && first);
      if (wanted && !(rules_.front_unless_space && with_space)) out += piece_space;
    };
    const auto put = [&](std::string_view piece) {
      for (std::size_t at = 0; at < piece.size();) {
        if (piece[at] == ' ') {
          if (!(after_space && rules_.collapse)) {
            if (!begun) begin(true);
            out += piece_space;
          }
          after_space = true;
          ++at;
          continue;
        }
        const std::size_t end = std::min(piece.find(' ', at), piece.size());
        if (!begun) begin(piece.substr(at).starts_with(piece_space));
        out += piece.substr(at, end - at);
        after_space = false;
        at = end;
      }
    };
    for (std::size_t at = 0; at < part.size();) {
      if (const auto match = charsmap_.longest(part, at)) {
        put(match->replacement);
        at += match->length;
        continue;
      }
      if (charsmap_.empty()) {  // as far as nothing happens at once
        const std::size_t plain = ascii_run(part, at);
        if (plain > at) {
          put(part.substr(at, plain - at));
          at = plain;
          continue;
        }
      }
      const std::size_t length = utf8_length(part, at);
      put(length > 0 ? part.substr(at, length) : std::string_view("\xEF\xBF\xBD"));
      at += std::max<std::size_t>(1, length);
    }
    return out;
  }

  static std::size_t ascii_run(std::string_view text, std::size_t at) {
    while (at < text.size() && static_cast<unsigned char>(text[at]) < 0x80) ++at;
    return at;
  }

  static void strip_end(std::string& text) {
    while (text.ends_with(piece_space)) text.resize(text.size() - piece_space.size());
  }

  Charsmap charsmap_;
  AddedTokens added_;
  SpaceRules rules_;
};

}  // namespace cmoe
