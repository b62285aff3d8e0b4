// The raw material of the generated tasks: invented words, letters, symbols, dates, and which of them are held out for testing.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "cmoe/core/random.hpp"

namespace cmoe {

// The parts of a task's items.
enum class Split { train, dev, test };

// Where an input belongs: 79 % train, 8 % dev, 13 % test, by a hash of its text alone. A test word is a test word in every
// task and for every seed, and the pretraining skills never show one.                                   shares are ours
inline Split split_of(std::string_view input) {
  const std::uint64_t bucket = stable_hash(input, 1) % 100;
  return bucket < 13 ? Split::test : bucket < 21 ? Split::dev : Split::train;
}

namespace words {

inline constexpr std::string_view vowels = "aeiou", consonants = "bdfgklmnprstvz";
inline constexpr std::string_view opening = "([{<", closing = ")]}>", digits = "0123456789";
inline constexpr std::array<std::string_view, 12> months = {"jan", "feb", "mar", "apr", "may", "jun",
                                                            "jul", "aug", "sep", "oct", "nov", "dec"};

inline bool is_vowel(char c) { return vowels.find(c) != std::string_view::npos; }
inline bool is_letter(char c) { return c >= 'a' && c <= 'z'; }

template <class Values>
const auto& pick(const Values& values, Rng& rng) {
  return values[static_cast<std::size_t>(rng.below(static_cast<Index>(values.size())))];
}
inline bool chance(double probability, Rng& rng) { return rng.uniform() < probability; }

// Least to most characters, each from `alphabet`.
inline std::string characters(std::string_view alphabet, Index least, Index most, Rng& rng) {
  std::string out;
  for (Index left = least + rng.below(most - least + 1); left > 0; --left) out += pick(alphabet, rng);
  return out;
}

// Syllables of consonant and vowel; every second word gets a final consonant, then three in ten lose the first letter.
inline std::string pseudo_word(Index least_syllables, Index most_syllables, Rng& rng) {
  std::string word;
  for (Index left = least_syllables + rng.below(most_syllables - least_syllables + 1); left > 0; --left) {
    word += pick(consonants, rng);
    word += pick(vowels, rng);
  }
  if (chance(0.5, rng)) word += pick(consonants, rng);
  return chance(0.3, rng) ? word.substr(1) : word;
}
inline std::string pseudo_word(Rng& rng) { return pseudo_word(2, 3, rng); }  // kopari, evudo
inline std::string name(Rng& rng) { return pseudo_word(1, 2, rng); }         // gim, i, rilez
inline std::string letters(Rng& rng) { return characters("abcdefghijklmnopqrstuvwxyz", 3, 7, rng); }

inline std::string two_digits(Index n) { return {static_cast<char>('0' + n / 10 % 10), static_cast<char>('0' + n % 10)}; }

// A day that every month has.
struct Date {
  Index day, month, year;  // 1..28, 1..12, 1900..2029

  std::string text() const {  // "6 apr 1968"
    return std::to_string(day) + ' ' + std::string(months[static_cast<std::size_t>(month - 1)]) + ' ' + std::to_string(year);
  }
};
inline Date date(Rng& rng) {
  const Index day = 1 + rng.below(28), month = 1 + rng.below(12), year = 1900 + rng.below(130);
  return {day, month, year};
}

}  // namespace words
}  // namespace cmoe
