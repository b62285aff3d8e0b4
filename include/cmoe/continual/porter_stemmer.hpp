// The Porter stemmer: cuts English words to their stems, as ROUGE with stemming expects.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "cmoe/core/compiler.hpp"

namespace cmoe {
namespace porter {

// The stem of a word before a suffix is [C](VC)^m[V]; most rules ask for its measure m.
inline bool is_consonant(std::string_view word, std::size_t i) {
  bool after_consonant = false;  // y is a consonant at the start and after a vowel
  for (std::size_t k = 0; k <= i; ++k) {
    const char c = word[k];
    const bool vowel = c == 'a' || c == 'e' || c == 'i' || c == 'o' || c == 'u' || (c == 'y' && after_consonant);
    after_consonant = !vowel;
  }
  return after_consonant;
}

inline int measure(std::string_view stem) {
  int m = 0;
  for (std::size_t i = 1; i < stem.size(); ++i) m += !is_consonant(stem, i - 1) && is_consonant(stem, i);
  return m;
}

inline bool has_vowel(std::string_view stem) {
  for (std::size_t i = 0; i < stem.size(); ++i)
    if (!is_consonant(stem, i)) return true;
  return false;
}

inline bool ends_double_consonant(std::string_view word) {
  const std::size_t n = word.size();
  return n >= 2 && word[n - 1] == word[n - 2] && is_consonant(word, n - 1);
}

// Consonant, vowel, consonant other than w, x, y: the stem of "hop(e)". The reference also lets vowel, consonant pass.
inline bool ends_short(std::string_view word) {
  const std::size_t n = word.size();
  if (n == 2) return !is_consonant(word, 0) && is_consonant(word, 1);
  return n >= 3 && is_consonant(word, n - 3) && !is_consonant(word, n - 2) && is_consonant(word, n - 1) &&
         std::string_view("wxy").find(word[n - 1]) == std::string_view::npos;
}

using Rule = std::pair<std::string_view, std::string_view>;  // suffix -> replacement

inline std::string_view without(std::string_view word, std::size_t length) { return word.substr(0, word.size() - length); }

// The first rule whose suffix fits decides: replaced if the stem's measure is above `least`, else the word stays.
template <std::size_t N>
std::string replace_first(const std::string& word, const std::array<Rule, N>& rules, int least) {
  for (const auto& [suffix, replacement] : rules) {
    if (!word.ends_with(suffix)) continue;
    const std::string_view stem = without(word, suffix.size());
    bool applies = measure(stem) > least;
    if (suffix == "ion") applies = applies && (stem.ends_with('s') || stem.ends_with('t'));
    if (suffix == "logi") applies = measure(without(word, 3)) > least;  // the l belongs to the stem
    return applies ? std::string(stem) + std::string(replacement) : word;
  }
  return word;
}

inline std::string plurals(const std::string& word) {
  if (word.ends_with("ies")) return std::string(without(word, word.size() == 4 ? 1 : 2));  // ties -> tie, flies -> fli
  if (word.ends_with("sses")) return std::string(without(word, 2));
  return word.ends_with('s') && !word.ends_with("ss") ? std::string(without(word, 1)) : word;
}

inline std::string past_and_progressive(const std::string& word) {
  if (word.ends_with("ied")) return std::string(without(word, word.size() == 4 ? 1 : 2));  // died -> die, spied -> spi
  if (word.ends_with("eed")) return measure(without(word, 3)) > 0 ? std::string(without(word, 1)) : word;
  std::string stem;
  if (word.ends_with("ed") && has_vowel(without(word, 2)))
    stem = without(word, 2);
  else if (word.ends_with("ing") && has_vowel(without(word, 3)))
    stem = without(word, 3);
  else
    return word;
  if (stem.ends_with("at") || stem.ends_with("bl") || stem.ends_with("iz")) return stem + "e";
  if (ends_double_consonant(stem)) {
    const bool kept = stem.ends_with('l') || stem.ends_with('s') || stem.ends_with('z');
    return kept ? stem : stem.substr(0, stem.size() - 1);
  }
  return measure(stem) == 1 && ends_short(stem) ? stem + "e" : stem;
}

inline std::string final_y(const std::string& word) {  // y after a consonant that is not the first letter
  const std::size_t n = word.size();
  return n > 2 && word[n - 1] == 'y' && is_consonant(word, n - 2) ? word.substr(0, n - 1) + "i" : word;
}

inline std::string double_suffixes(std::string word) {
  static constexpr std::array<Rule, 22> rules = {{{"ational", "ate"}, {"tional", "tion"}, {"enci", "ence"},  {"anci", "ance"},
                                                  {"izer", "ize"},    {"bli", "ble"},     {"alli", "al"},    {"entli", "ent"},
                                                  {"eli", "e"},       {"ousli", "ous"},   {"ization", "ize"}, {"ation", "ate"},
                                                  {"ator", "ate"},    {"alism", "al"},    {"iveness", "ive"}, {"fulness", "ful"},
                                                  {"ousness", "ous"}, {"aliti", "al"},    {"iviti", "ive"},  {"biliti", "ble"},
                                                  {"fulli", "ful"},   {"logi", "log"}}};
  if (word.ends_with("alli") && measure(without(word, 4)) > 0) word = without(word, 2);  // -ally, then once more
  return replace_first(word, rules, 0);
}

inline std::string single_suffixes(const std::string& word) {
  static constexpr std::array<Rule, 7> rules = {
      {{"icate", "ic"}, {"ative", ""}, {"alize", "al"}, {"iciti", "ic"}, {"ical", "ic"}, {"ful", ""}, {"ness", ""}}};
  return replace_first(word, rules, 0);
}

inline std::string remaining_suffixes(const std::string& word) {
  static constexpr std::array<Rule, 19> rules = {{{"al", ""},   {"ance", ""}, {"ence", ""}, {"er", ""},  {"ic", ""},
                                                  {"able", ""}, {"ible", ""}, {"ant", ""},  {"ement", ""}, {"ment", ""},
                                                  {"ent", ""},  {"ion", ""},  {"ou", ""},   {"ism", ""}, {"ate", ""},
                                                  {"iti", ""},  {"ous", ""},  {"ive", ""},  {"ize", ""}}};
  return replace_first(word, rules, 1);
}

inline std::string final_e_and_l(std::string word) {
  if (word.ends_with('e')) {
    const std::string_view stem = without(word, 1);
    if (measure(stem) > 1 || (measure(stem) == 1 && !ends_short(stem))) word.pop_back();
  }
  if (word.ends_with("ll") && measure(without(word, 1)) > 1) word.pop_back();
  return word;
}

}  // namespace porter

// The stem of a lower-case word: running -> run, happily -> happili.            M. F. Porter, An algorithm for suffix stripping, 1980
// With the extensions of NLTK's default mode, which rouge_score uses: words of one or two letters stay, a dozen irregular words,
// ties -> tie, spied -> spi, -ally, -fully, -logy, and y -> i only after a consonant.
inline std::string porter_stem(const std::string& word) {
  static constexpr std::array<porter::Rule, 16> irregular = {
      {{"sky", "sky"}, {"skies", "sky"}, {"dying", "die"}, {"lying", "lie"}, {"tying", "tie"}, {"news", "news"},
       {"innings", "inning"}, {"inning", "inning"}, {"outings", "outing"}, {"outing", "outing"}, {"cannings", "canning"},
       {"canning", "canning"}, {"howe", "howe"}, {"proceed", "proceed"}, {"exceed", "exceed"}, {"succeed", "succeed"}}};
  if (word.size() <= 2) return word;
  for (const auto& [form, stem] : irregular)
    if (word == form) return std::string(stem);
  using namespace porter;
  const std::string stem = final_y(past_and_progressive(plurals(word)));
  return final_e_and_l(remaining_suffixes(single_suffixes(double_suffixes(stem))));
}

}  // namespace cmoe
