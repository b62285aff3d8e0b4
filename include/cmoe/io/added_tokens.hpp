// Added tokens: the spellings that are cut out of a text before it is tokenized.
#pragma once

#include <algorithm>
#include <array>

#include "cmoe/io/tokenizer_arrays.hpp"
#include "cmoe/io/unicode.hpp"

namespace cmoe {

// Of all that begin at a place the longest is taken, the search goes on behind it.
class AddedTokens {
 public:
  AddedTokens() = default;
  // Those listed, the user-defined tokens and, where the arrays say so, the control tokens.
  explicit AddedTokens(const TokenizerArrays& arrays) : tokens_(arrays.added) {
    for (std::size_t id = 0; id < arrays.types.size(); ++id) {
      const bool control = arrays.types[id] == TokenType::control;
      if ((arrays.types[id] == TokenType::user_defined || (control && arrays.marks_in_text)) && !arrays.tokens[id].empty())
        tokens_.push_back({arrays.tokens[id], static_cast<Id>(id), control});
    }
    const auto before = [](const AddedToken& a, const AddedToken& b) { return a.content < b.content; };
    std::stable_sort(tokens_.begin(), tokens_.end(), before);
    const auto same = [](const AddedToken& a, const AddedToken& b) { return a.content == b.content && a.id == b.id; };
    tokens_.erase(std::unique(tokens_.begin(), tokens_.end(), same), tokens_.end());
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      check(i == 0 || tokens_[i - 1].content != tokens_[i].content, ErrorKind::format, arrays.name, ": the added token '",
            printable(tokens_[i].content), "' has two ids");
      begins_[static_cast<unsigned char>(tokens_[i].content[0])] = true;
    }
  }

  // Calls text(part, at) for what lies between added tokens, where it is not empty, and token(added) for these.
  template <class Text, class Token>
  void split(std::string_view whole, Text&& text, Token&& token) const {
    std::size_t begin = 0;
    for (std::size_t at = 0; at < whole.size() && !tokens_.empty();) {
      const AddedToken* found = begins_[static_cast<unsigned char>(whole[at])] ? longest(whole.substr(at)) : nullptr;
      if (found == nullptr) {
        ++at;
        continue;
      }
      std::size_t left = at, right = at + found->content.size();
      if (found->strips_left) left = spaces_before(whole, begin, left);
      if (found->strips_right)
        for (CodePoint next; is_space(next = code_point(whole, right));) right += next.length;
      if (left > begin) text(whole.substr(begin, left - begin), begin);
      token(*found);
      begin = at = right;
    }
    if (begin < whole.size()) text(whole.substr(begin), begin);
  }

  const std::vector<AddedToken>& tokens() const { return tokens_; }

 private:
  static bool is_space(const CodePoint& point) { return point.length > 0 && category_of(point.code) == Category::space; }

  // Where the white space that ends at `at` begins.
  static std::size_t spaces_before(std::string_view text, std::size_t from, std::size_t at) {
    while (at > from) {
      std::size_t before = at - 1;
      while (before > from && (static_cast<unsigned char>(text[before]) & 0xC0u) == 0x80u) --before;
      const CodePoint last = code_point(text, before);
      if (before + last.length != at || !is_space(last)) break;
      at = before;
    }
    return at;
  }

  // The range of sorted spellings that agree with the text is narrowed byte by byte.
  const AddedToken* longest(std::string_view text) const {
    auto first = tokens_.begin(), last = tokens_.end();
    const AddedToken* found = nullptr;
    for (std::size_t length = 0; first != last; ++length) {
      if (first->content.size() == length) found = &*first++;  // the shortest of the range comes first
      if (length == text.size()) break;
      const auto wanted = static_cast<unsigned char>(text[length]);
      const auto byte = [&](const AddedToken& token) { return static_cast<unsigned char>(token.content[length]); };
      first = std::partition_point(first, last, [&](const AddedToken& token) { return byte(token) < wanted; });
      last = std::partition_point(first, last, [&](const AddedToken& token) { return byte(token) == wanted; });
    }
    return found;
  }

  std::vector<AddedToken> tokens_;  // sorted by content
  std::array<bool, 256> begins_{};  // some content's first byte
};

}  // namespace cmoe
