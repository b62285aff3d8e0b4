// What the generated tasks do to a string: one short function a rule.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "cmoe/continual/words.hpp"

namespace cmoe::rules {

inline std::string reversed(std::string_view word) { return {word.rbegin(), word.rend()}; }

inline std::string spaced(std::string_view word) {  // kopa -> k o p a
  std::string out;
  for (char c : word) (out += out.empty() ? "" : " ") += c;
  return out;
}

inline std::string upper(std::string word) {
  std::ranges::transform(word, word.begin(), [](char c) { return words::is_letter(c) ? static_cast<char>(c - 'a' + 'A') : c; });
  return word;
}

// Every letter moved along the alphabet; z is followed by a.
inline std::string shifted(std::string word, int by) {
  for (char& c : word) c = static_cast<char>('a' + (c - 'a' + by + 26) % 26);
  return word;
}

inline std::string every_other(std::string_view word) {  // ebibap -> eia
  std::string out;
  for (std::size_t i = 0; i < word.size(); i += 2) out += word[i];
  return out;
}

inline std::string stuttered(std::string_view word) {  // tie -> ttiiee
  std::string out;
  for (char c : word) out.append(2, c);
  return out;
}

inline std::string vowels_only_shown(std::string word) {  // zomo -> .o.o
  std::ranges::replace_if(word, [](char c) { return !words::is_vowel(c); }, '.');
  return word;
}

inline std::string consonants(std::string word) {  // kopari -> kpr
  std::erase_if(word, words::is_vowel);
  return word;
}

inline std::string partners(std::string text) {  // each opening bracket becomes the closing one
  for (char& c : text)
    if (const std::size_t kind = words::opening.find(c); kind != std::string_view::npos) c = words::closing[kind];
  return text;
}

inline std::string sorted(std::string word) {
  std::ranges::sort(word);
  return word;
}

inline std::string plural_tavi(const std::string& word) {  // vowel harmony: lar after a, o, u, else ler
  const std::size_t last = word.find_last_of(words::vowels);
  return word + (last != std::string::npos && std::string_view("aou").find(word[last]) != std::string_view::npos ? "lar" : "ler");
}

inline std::string plural_moku(const std::string& word) {  // the first two letters twice, then n after a vowel, en after a consonant
  return word.substr(0, 2) + word + (words::is_vowel(word.back()) ? "n" : "en");
}

inline std::string iso(const words::Date& date) {  // 1968-04-06
  return std::to_string(date.year) + '-' + words::two_digits(date.month) + '-' + words::two_digits(date.day);
}

inline std::string american(const words::Date& date) {  // 04/06/1968
  return words::two_digits(date.month) + '/' + words::two_digits(date.day) + '/' + std::to_string(date.year);
}

}  // namespace cmoe::rules
