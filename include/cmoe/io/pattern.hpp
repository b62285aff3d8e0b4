// Patterns: the part of regular expressions that names of modules are matched with, in time linear in the text.
#pragma once

#include <bitset>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cmoe/core/error.hpp"
#include "cmoe/io/utf8.hpp"

namespace cmoe {

// Characters, . [a-z] [^a-z] \d \w \s and escaped punctuation, groups ( ) and (?: ), |, the repetitions * + ? also when written lazy,
// ^ and $. What Python's re means by these; back references, look-ahead, counts {m,n} and flags are refused.
// throws Error (format) saying what is not understood; `name` is how messages call the text
class Pattern {
 public:
  Pattern(std::string_view text, const std::string& name) : text_(text), name_(name) {
    check(text.size() <= 4096, ErrorKind::format, name, ": a pattern of ", text.size(), " characters; at most 4096 are read");
    const Part whole = alternatives(0);
    check(at_ == text_.size(), ErrorKind::format, name_, ": the pattern '", printable(text_), "' closes a group that it did not open");
    first_ = whole.first;
    last_ = whole.last;
  }

  // Whether the pattern says the whole text, from its first character to its last.
  bool matches(std::string_view text) const {
    std::vector<std::size_t> seen(nodes_.size(), 0), open = {first_}, reached;  // seen: at which character, counted from 1
    for (std::size_t at = 0;; ++at) {
      reached.clear();
      while (!open.empty()) {  // what is reached without a character
        const std::size_t n = open.back();
        open.pop_back();
        if (std::exchange(seen[n], at + 1) == at + 1) continue;
        reached.push_back(n);
        const Node& node = nodes_[n];
        const bool passes = node.kind == Kind::empty || (node.kind == Kind::begin && at == 0) || (node.kind == Kind::end && at == text.size());
        if (passes) open.insert(open.end(), node.next.begin(), node.next.end());
      }
      if (at == text.size()) return seen[last_] == at + 1;
      for (const std::size_t n : reached)
        if (nodes_[n].kind == Kind::character && nodes_[n].set[static_cast<unsigned char>(text[at])])
          open.insert(open.end(), nodes_[n].next.begin(), nodes_[n].next.end());
      if (open.empty()) return false;
    }
  }

 private:
  enum class Kind { empty, character, begin, end };
  struct Node {
    Kind kind = Kind::empty;
    std::bitset<256> set;
    std::vector<std::size_t> next;
  };
  struct Part {  // a piece of the automaton between two nodes
    std::size_t first, last;
  };

  std::size_t node(Kind kind = Kind::empty) {
    nodes_.push_back({kind, {}, {}});
    return nodes_.size() - 1;
  }
  void join(std::size_t from, std::size_t to) { nodes_[from].next.push_back(to); }
  [[noreturn]] void refuse(const char* what) const {
    fail(ErrorKind::format, name_, ": the pattern '", printable(text_), "' has ", what, " at character ", at_, ", which is not understood");
  }
  bool ended() const { return at_ == text_.size(); }

  Part alternatives(int depth) {
    if (depth > 64) refuse("groups deeper than 64");
    const Part all = {node(), node()};
    for (;;) {
      const Part one = sequence(depth);
      join(all.first, one.first);
      join(one.last, all.last);
      if (ended() || text_[at_] != '|') return all;
      ++at_;
    }
  }

  Part sequence(int depth) {
    Part all = {node(), 0};
    all.last = all.first;
    while (!ended() && text_[at_] != '|' && text_[at_] != ')') {
      const Part one = repeated(depth);
      join(all.last, one.first);
      all.last = one.last;
    }
    return all;
  }

  Part repeated(int depth) {
    const Part one = item(depth);
    if (ended() || (text_[at_] != '*' && text_[at_] != '+' && text_[at_] != '?')) {
      if (!ended() && text_[at_] == '{') refuse("a count");
      return one;
    }
    const char how = text_[at_++];
    if (!ended() && text_[at_] == '?') ++at_;  // lazy: the same texts match
    if (!ended() && (text_[at_] == '*' || text_[at_] == '+' || text_[at_] == '?')) refuse("a repeated repetition");
    const Part all = {node(), node()};
    join(all.first, one.first);
    join(one.last, all.last);
    if (how != '+') join(all.first, all.last);
    if (how != '?') join(one.last, one.first);
    return all;
  }

  Part item(int depth) {
    const char c = text_[at_++];
    if (c == '(') {
      if (!ended() && text_[at_] == '?') {
        if (text_.substr(at_, 2) != "?:") refuse("a group of another kind than ( ) and (?: )");
        at_ += 2;
      }
      const Part group = alternatives(depth + 1);
      if (ended()) refuse("a group without its end");
      ++at_;
      return group;
    }
    if (c == '*' || c == '+' || c == '?' || c == '{') refuse("a repetition of nothing");
    const Part one = {node(c == '^' ? Kind::begin : c == '$' ? Kind::end : Kind::character), node()};
    join(one.first, one.last);
    std::bitset<256>& set = nodes_[one.first].set;
    if (c == '.') set.set().reset('\n');
    else if (c == '[') set = choice();
    else if (c == '\\') set = escaped();
    else set.set(static_cast<unsigned char>(c));
    return one;
  }

  // Behind a backslash.
  std::bitset<256> escaped() {
    if (ended()) refuse("a backslash alone");
    const char c = text_[at_++];
    const auto of = [](std::string_view characters) {
      std::bitset<256> set;
      for (const char each : characters) set.set(static_cast<unsigned char>(each));
      return set;
    };
    constexpr std::string_view digits = "0123456789", letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    if (c == 'd') return of(digits);
    if (c == 'w') return of(digits) | of(letters) | of("_");
    if (c == 's') return of(" \t\n\r\f\v");
    if (digits.find(c) != std::string_view::npos || letters.find(c) != std::string_view::npos) refuse("an escaped letter or digit");
    return of({&c, 1});
  }

  // Behind an opening bracket.
  std::bitset<256> choice() {
    std::bitset<256> set;
    const bool others = !ended() && text_[at_] == '^';
    if (others) ++at_;
    for (bool first = true; ended() || text_[at_] != ']' || first; first = false) {
      if (ended()) refuse("brackets without their end");
      const char low = text_[at_++];
      if (low == '\\') {
        set |= escaped();
      } else if (at_ + 1 < text_.size() && text_[at_] == '-' && text_[at_ + 1] != ']') {
        const char high = text_[at_ + 1];
        at_ += 2;
        if (high == '\\' || static_cast<unsigned char>(high) < static_cast<unsigned char>(low)) refuse("a range that is none");
        for (unsigned each = static_cast<unsigned char>(low); each <= static_cast<unsigned char>(high); ++each) set.set(each);
      } else {
        set.set(static_cast<unsigned char>(low));
      }
    }
    ++at_;
    return others ? ~set : set;
  }

  std::string text_, name_;
  std::size_t at_ = 0, first_ = 0, last_ = 0;
  std::vector<Node> nodes_;
};

}  // namespace cmoe
