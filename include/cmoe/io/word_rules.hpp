// Pre-tokenisers: how byte-level vocabularies cut a text into words before they merge within each.
#pragma once

#include <optional>

#include "cmoe/io/unicode.hpp"

namespace cmoe {

// The regular expressions of the published tokenizers, written out as scanners: every character belongs to exactly one word, and
// finding the words of a text costs one pass. L letters, N numbers, \s white space; case is ignored where (?i) stands.
enum class WordRule {
  gpt2,    // 's|'t|'re|'ve|'m|'ll|'d| ?L+| ?N+| ?[^\sLN]+|\s+(?!\S)|\s+
  llama3,  // (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\nLN]?L+|N{1,3}| ?[^\sLN]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
  qwen2,   // the same with N in place of N{1,3}
  smollm   // every N alone, and gpt2 on the stretches between them
};

// The names that GGUF files use; nothing for any other.
inline std::optional<WordRule> word_rule(std::string_view name) {
  if (name == "gpt-2") return WordRule::gpt2;
  if (name == "llama-bpe" || name == "llama3" || name == "llama-v3") return WordRule::llama3;
  if (name == "qwen2") return WordRule::qwen2;
  if (name == "smollm") return WordRule::smollm;
  return std::nullopt;
}

namespace detail {

class WordScanner {
 public:
  WordScanner(std::string_view text, WordRule rule) : text_(text), rule_(rule) {}

  // Where the word that begins at `at` ends; at < text.size().
  std::size_t end_of_word(std::size_t at) const {
    const bool first_rules = rule_ == WordRule::gpt2 || rule_ == WordRule::smollm;
    if (text_[at] == '\'')
      if (const std::size_t length = contraction(at, !first_rules); length > 0) return at + length;
    return first_rules ? gpt2_word(at) : llama3_word(at);
  }

 private:
  struct Seen {
    Category category;
    std::size_t end;  // of the character; its beginning at the end of the text
  };
  Seen look(std::size_t at) const {
    const CodePoint point = code_point(text_, at);
    return {point.length == 0 ? Category::space : category_of(point.code), at + point.length};
  }

  std::size_t run(Category category, std::size_t at, std::size_t most = static_cast<std::size_t>(-1)) const {
    for (std::size_t count = 0; at < text_.size() && count < most; ++count) {
      const Seen next = look(at);
      if (next.category != category) break;
      at = next.end;
    }
    return at;
  }

  bool line_break(std::size_t at) const { return at < text_.size() && (text_[at] == '\r' || text_[at] == '\n'); }

  // Length of 's 't 're 've 'm 'll 'd at an apostrophe, or 0. The long s, U+017F, is an s for those who ignore case.
  std::size_t contraction(std::size_t at, bool any_case) const {
    const auto letter = [&](std::size_t i) {
      const char c = at + i < text_.size() ? text_[at + i] : '\0';
      return any_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    };
    const char first = letter(1), second = letter(2);
    if (first == 's' || first == 't' || first == 'm' || first == 'd') return 2;
    if (any_case && first == '\xC5' && second == '\xBF') return 3;
    return ((first == 'r' || first == 'v') && second == 'e') || (first == 'l' && second == 'l') ? 3 : 0;
  }

  std::size_t gpt2_word(std::size_t at) const {
    const Seen here = look(at);
    if (here.category == Category::number && rule_ == WordRule::smollm) return here.end;
    const Seen next = text_[at] == ' ' ? look(here.end) : here;  // " ?"
    if (next.category == Category::space) return spaces(at);
    if (next.category == Category::number && rule_ == WordRule::smollm) return here.end;  // the stretch ends at the number
    return run(next.category, next.end);
  }

  std::size_t llama3_word(std::size_t at) const {
    const Seen here = look(at);
    if (here.category == Category::letter) return run(Category::letter, here.end);
    if (here.category == Category::number) return run(Category::number, here.end, rule_ == WordRule::llama3 ? 2 : 0);
    const Seen next = look(here.end);
    if (!line_break(at) && next.category == Category::letter) return run(Category::letter, next.end);
    if (here.category == Category::space && !(text_[at] == ' ' && next.category == Category::other)) return spaces(at);
    std::size_t end = run(Category::other, here.end);
    while (line_break(end)) ++end;
    return end;
  }

  // White space up to its last line break, where the rule says so; else up to the last one before a word, which it begins.
  std::size_t spaces(std::size_t at) const {
    std::size_t end = at, last = at, after_break = at;
    while (end < text_.size()) {
      const Seen next = look(end);
      if (next.category != Category::space) break;
      last = end;
      end = next.end;
      if (line_break(last)) after_break = end;
    }
    const bool breaks = rule_ == WordRule::llama3 || rule_ == WordRule::qwen2;
    if (breaks && after_break > at) return after_break;
    const bool at_end = end == text_.size() || (rule_ == WordRule::smollm && look(end).category == Category::number);
    return at_end || last == at ? end : last;
  }

  std::string_view text_;
  WordRule rule_;
};

}  // namespace detail

// Calls take(word) for every word in turn; joined they are the text.
template <class Take>
void for_each_word(WordRule rule, std::string_view text, Take&& take) {
  const detail::WordScanner scanner(text, rule);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = scanner.end_of_word(at);
    take(text.substr(at, end - at));
    at = end;
  }
}

}  // namespace cmoe
