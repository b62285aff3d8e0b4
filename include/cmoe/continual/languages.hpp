// A tiny English grammar and invented languages that say the same things with other words in another order.
#pragma once

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cmoe/continual/words.hpp"

namespace cmoe {
namespace words {

inline constexpr std::array<std::string_view, 3> determiners = {"the", "a", "one"};
inline constexpr std::array<std::string_view, 6> adjectives = {"red", "big", "old", "sad", "wet", "new"};
inline constexpr std::array<std::string_view, 8> nouns = {"dog", "cat", "man", "hen", "fox", "boy", "cow", "bee"};
inline constexpr std::array<std::string_view, 6> verbs = {"sees", "likes", "hits", "finds", "eats", "wants"};

}  // namespace words

// DET [ADJ] NOUN
struct NounPhrase {
  std::string_view determiner, adjective, noun;  // no adjective: empty

  std::string text() const {
    return std::string(determiner) + ' ' + (adjective.empty() ? "" : std::string(adjective) + ' ') + std::string(noun);
  }
};

// One phrase out of 168, half of them with an adjective.
inline NounPhrase noun_phrase(Rng& rng) {
  const std::string_view determiner = words::pick(words::determiners, rng);
  const std::string_view adjective = words::chance(0.5, rng) ? words::pick(words::adjectives, rng) : std::string_view();
  return {determiner, adjective, words::pick(words::nouns, rng)};
}

// A word of an invented language for each of the 23 English words, and the order in which a clause says them.
class Language {
 public:
  // `order` names the parts said, from "d" determiner, "a" adjective, "n" noun, "v" verb: "nav" drops the determiner.
  Language(std::string order, Rng rng) : order_(std::move(order)) {
    std::vector<std::string> taken;
    const auto add = [&](const auto& english) {
      for (std::string_view word : english) {
        std::string invented = words::name(rng);
        while (invented.size() < 2 || invented.size() > 4 || std::ranges::find(taken, invented) != taken.end())
          invented = words::name(rng);
        taken.push_back(invented);
        lexicon_.emplace(word, std::move(invented));
      }
    };
    add(words::determiners), add(words::adjectives), add(words::nouns), add(words::verbs);
  }

  // "the big boy", "likes" -> "ub geto nid"
  std::string say(const NounPhrase& subject, std::string_view verb) const {
    std::string out;
    for (char part : order_) {
      const std::string_view english = part == 'd'   ? subject.determiner
                                       : part == 'a' ? subject.adjective
                                       : part == 'n' ? subject.noun
                                                     : verb;
      if (english.empty()) continue;
      if (!out.empty()) out += ' ';
      out += lexicon_.at(english);
    }
    return out;
  }

  const std::map<std::string_view, std::string>& lexicon() const { return lexicon_; }

 private:
  std::string order_;
  std::map<std::string_view, std::string> lexicon_;
};

}  // namespace cmoe
