// A chat template cut into text and the words of its tags, white space treated as transformers has it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "cmoe/io/unicode.hpp"

namespace cmoe {

// A word of a template.
struct TemplateToken {
  enum class Kind { text, print_begin, print_end, tag_begin, tag_end, name, number, string, sign, end };
  Kind kind = Kind::end;
  std::string text;  // of a string: what it stands for
  std::int64_t number = 0;
  int line = 1;
};

// What Python's str.strip() and its \s take for white space.
inline bool is_python_space(std::uint32_t c) {
  return (c >= 9 && c <= 13) || (c >= 28 && c <= 32) || c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
         c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

// Where the text begins behind the white space in front, and where it ends before that behind.
inline std::size_t python_space_front(std::string_view text, std::size_t at = 0) {
  for (CodePoint next; is_python_space((next = code_point(text, at)).code) && next.length > 0;) at += next.length;
  return at;
}
inline std::size_t python_space_back(std::string_view text) {
  std::size_t end = text.size();
  while (end > 0) {
    const std::size_t before = utf8_boundary(text, end - 1);
    if (!is_python_space(code_point(text, before).code)) break;
    end = before;
  }
  return end;
}

namespace detail {

// Jinja's lexer with trim_blocks and lstrip_blocks: a tag {% %} or a comment takes the white space before it on its line and the line
// break behind it with it; `-` on either side takes all white space there, `+` keeps it. One line break at the end of the template goes.
class TemplateCutter {
 public:
  TemplateCutter(std::string_view source, const std::string& name) : name_(name) {
    for (std::size_t i = 0; i < source.size(); ++i) {  // line breaks of all systems become \n
      if (source[i] == '\r' && i + 1 < source.size() && source[i + 1] == '\n') continue;
      source_ += source[i] == '\r' ? '\n' : source[i];
    }
    if (source_.ends_with('\n')) source_.pop_back();
  }

  std::vector<TemplateToken> cut() {
    while (at_ < source_.size()) {
      const std::size_t tag = next_tag(at_);
      std::size_t end = std::min(tag, source_.size());
      if (tag < source_.size()) {
        const char sign = tag + 2 < source_.size() ? source_[tag + 2] : ' ';
        const std::string_view text = std::string_view(source_).substr(at_, tag - at_);
        if (sign == '-') end = at_ + python_space_back(text);
        else if (sign != '+' && source_[tag + 1] != '{') end = at_ + without_indent(text);
      }
      if (end > at_) put(Kind::text, source_.substr(at_, end - at_));
      advance(std::min(tag, source_.size()));
      if (at_ < source_.size()) read_tag();
    }
    put(Kind::end);
    return std::move(tokens_);
  }

 private:
  using Kind = TemplateToken::Kind;

  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    fail(ErrorKind::format, name_, ": line ", line_, ": ", parts...);
  }

  std::size_t next_tag(std::size_t from) const {
    for (std::size_t at = source_.find('{', from); at != std::string::npos; at = source_.find('{', at + 1))
      if (at + 1 < source_.size() && (source_[at + 1] == '{' || source_[at + 1] == '%' || source_[at + 1] == '#')) return at;
    return std::string::npos;
  }

  // The length of the text without the white space that stands alone before a tag on its line.
  std::size_t without_indent(std::string_view text) const {
    const std::size_t line = text.rfind('\n') + 1;  // npos + 1 is 0
    const bool begins_line = line > 0 || line_begins_;
    return begins_line && python_space_front(text, line) == text.size() ? line : text.size();
  }

  void put(Kind kind, std::string text = {}, std::int64_t number = 0) { tokens_.push_back({kind, std::move(text), number, line_}); }

  void advance(std::size_t to) {
    const auto begin = source_.begin();
    line_ += static_cast<int>(std::count(begin + static_cast<std::ptrdiff_t>(at_), begin + static_cast<std::ptrdiff_t>(to), '\n'));
    if (to > at_) line_begins_ = source_[to - 1] == '\n';
    at_ = to;
  }
  bool follows(std::string_view what) const { return std::string_view(source_).substr(at_).starts_with(what); }

  // Behind a closing sign: `-` takes white space, a tag or a comment one line break.
  void close(char sign, bool trims) {
    advance(at_ + (sign == ' ' ? 2 : 3));
    if (sign == '-') advance(python_space_front(source_, at_));
    else if (sign == ' ' && trims && follows("\n")) advance(at_ + 1);
  }

  void read_tag() {
    const char kind = source_[at_ + 1];
    const std::size_t signs = at_ + 2 < source_.size() && (source_[at_ + 2] == '-' || source_[at_ + 2] == '+') ? 3 : 2;
    if (kind == '#') {
      const std::size_t end = source_.find("#}", at_ + signs);
      if (end == std::string::npos) refuse("a comment is not closed");
      const bool sign = end > at_ + signs && (source_[end - 1] == '-' || source_[end - 1] == '+');
      const char which = sign ? source_[end - 1] : ' ';
      advance(end - (sign ? 1 : 0));
      return close(which, true);
    }
    put(kind == '%' ? Kind::tag_begin : Kind::print_begin);
    const int opened = line_;
    advance(at_ + signs);
    const std::string closing = kind == '%' ? "%}" : "}}";
    int depth = 0;  // of brackets: a tag does not end within
    while (true) {
      advance(python_space_front(source_, at_));
      if (at_ >= source_.size()) {
        line_ = opened;
        refuse(kind == '%' ? "the tag {% is not closed" : "the expression {{ is not closed");
      }
      for (const char sign : {' ', '-', '+'}) {
        if (depth > 0 || (sign == '+' && kind != '%') || !follows(sign == ' ' ? closing : sign + closing)) continue;
        put(kind == '%' ? Kind::tag_end : Kind::print_end);
        return close(sign, kind == '%');
      }
      depth += read_word();
    }
  }

  // One word of a tag; returns how it changes the depth of brackets.
  int read_word() {
    const char c = source_[at_];
    const auto letter = [](char x) { return (x >= 'a' && x <= 'z') || (x >= 'A' && x <= 'Z') || x == '_'; };
    const auto digit = [](char x) { return x >= '0' && x <= '9'; };
    std::size_t end = at_ + 1;
    if (letter(c)) {
      while (end < source_.size() && (letter(source_[end]) || digit(source_[end]))) ++end;
      put(Kind::name, source_.substr(at_, end - at_));
    } else if (digit(c)) {
      while (end < source_.size() && digit(source_[end])) ++end;
      const bool fraction = end + 1 < source_.size() && source_[end] == '.' && digit(source_[end + 1]);
      const bool zeros = c == '0' && end > at_ + 1;
      if (fraction || zeros || end - at_ > 15 || (end < source_.size() && letter(source_[end])))
        refuse("the number ", printable(source_.substr(at_, end - at_ + 2)), "; whole numbers of at most 15 digits without zeros in front are read");
      put(Kind::number, {}, std::stoll(source_.substr(at_, end - at_)));
    } else if (c == '\'' || c == '"') {
      read_string(c);
      return 0;
    } else {
      static constexpr std::string_view doubled[] = {"==", "!=", "<=", ">=", "//", "**"}, single = "+-*/%~|.,:()[]{}=<>";
      for (std::string_view two : doubled)
        if (follows(two)) end = at_ + 2;
      if (end == at_ + 1 && single.find(c) == std::string_view::npos) refuse("'", printable(source_.substr(at_, 1)), "' is no part of an expression");
      put(Kind::sign, source_.substr(at_, end - at_));
    }
    advance(end);
    return c == '(' || c == '[' || c == '{' ? 1 : c == ')' || c == ']' || c == '}' ? -1 : 0;
  }

  // Escapes as Python has them; octal and named ones are refused.
  void read_string(char quote) {
    std::string text;
    std::size_t at = at_ + 1;
    for (; at < source_.size() && source_[at] != quote; ++at) {
      if (source_[at] != '\\') {
        text += source_[at];
        continue;
      }
      const char c = ++at < source_.size() ? source_[at] : ' ';
      static constexpr std::string_view plain = "\\'\"abfnrtv", stands = "\\'\"\a\b\f\n\r\t\v";
      if (const std::size_t found = plain.find(c); found != std::string_view::npos) text += stands[found];
      else if (c == 'x' || c == 'u' || c == 'U') at = append_escaped(text, at, c == 'x' ? 2 : c == 'u' ? 4 : 8);
      else if ((c >= '0' && c <= '7') || c == 'N') refuse("the escape \\", c, " in a string is not read");
      else if (c != '\n') (text += '\\') += c;  // no escape: both stay
    }
    if (at >= source_.size()) refuse("a string is not closed");
    put(Kind::string, std::move(text));
    advance(at + 1);
  }

  std::size_t append_escaped(std::string& text, std::size_t at, int digits) {
    std::uint32_t code = 0;
    for (int i = 0; i < digits; ++i) {
      const char c = ++at < source_.size() ? source_[at] : ' ';
      const std::size_t value = std::string_view("0123456789abcdef").find(static_cast<char>(c >= 'A' && c <= 'F' ? c + 32 : c));
      if (value == std::string_view::npos || code > 0x10FFFF / 16) refuse("an escape in a string is no character");
      code = code * 16 + static_cast<std::uint32_t>(value);
    }
    if (code >= 0xD800 && code <= 0xDFFF) refuse("an escape in a string is half a character");
    append_utf8(text, code);
    return at;
  }

  const std::string& name_;
  std::string source_;
  std::vector<TemplateToken> tokens_;
  std::size_t at_ = 0;
  int line_ = 1;
  bool line_begins_ = true;  // nothing stands before at_ on its line
};

}  // namespace detail

// throws Error (format) naming the line: what is not closed, and signs that belong to no expression
inline std::vector<TemplateToken> template_tokens(std::string_view source, const std::string& name) {
  return detail::TemplateCutter(source, name).cut();
}

}  // namespace cmoe
