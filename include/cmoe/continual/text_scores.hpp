// Scores of generated text against references: exact match, ROUGE and edit similarity, equal to the usual Python packages.
#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cmoe/continual/porter_stemmer.hpp"
#include "cmoe/continual/task.hpp"
#include "cmoe/core/error.hpp"

namespace cmoe {

// Whether ROUGE compares words or their stems.
enum class Stemming { none, porter };

namespace detail {

inline std::string_view trimmed(std::string_view text) {
  constexpr std::string_view space = " \t\n\r\f\v";
  const std::size_t first = text.find_first_not_of(space);
  return first == std::string_view::npos ? std::string_view() : text.substr(first, text.find_last_not_of(space) - first + 1);
}

// Runs of a-z and 0-9 after lower-casing; stemming changes words of more than three letters.
inline std::vector<std::string> rouge_words(std::string_view text, Stemming stemming) {
  std::vector<std::string> words;
  std::string word;
  const auto finish = [&] {
    if (!word.empty()) words.push_back(stemming == Stemming::porter && word.size() > 3 ? porter_stem(word) : word);
    word.clear();
  };
  for (char c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
      word += c;
    else
      finish();
  }
  finish();
  return words;
}

// Code points of UTF-8, a broken byte counting as one: similarity is counted in characters.
inline std::vector<std::string> characters(std::string_view text) {
  std::vector<std::string> out;
  for (char c : text) {
    const bool continues = (static_cast<unsigned char>(c) & 0xC0u) == 0x80u && !out.empty() && out.back().size() < 4 &&
                           static_cast<unsigned char>(out.back()[0]) >= 0xC0u;
    if (continues)
      out.back() += c;
    else
      out.emplace_back(1, c);
  }
  return out;
}

// Length of the longest common subsequence. cost: O(|a| |b|) time, O(|b|) memory
inline std::size_t common_subsequence(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  std::vector<std::size_t> row(b.size() + 1, 0);
  for (const std::string& x : a) {
    std::size_t diagonal = 0;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t above = row[j + 1];
      row[j + 1] = x == b[j] ? diagonal + 1 : std::max(above, row[j]);
      diagonal = above;
    }
  }
  return row[b.size()];
}

inline double f_measure(std::size_t common, std::size_t predicted, std::size_t expected) {
  if (common == 0) return 0;
  const double precision = static_cast<double>(common) / static_cast<double>(predicted);
  const double recall = static_cast<double>(common) / static_cast<double>(expected);
  return 2 * precision * recall / (precision + recall);
}

}  // namespace detail

// 1 if the texts are equal after trimming white space at both ends, else 0.
inline bool exact_match(std::string_view prediction, std::string_view reference) {
  return detail::trimmed(prediction) == detail::trimmed(reference);
}

// ROUGE-N F (0..1): shared runs of n words, each counted as often as both texts have it.     as package rouge_score computes it
// ours: only ASCII letters are lower-cased (the package also turns the Kelvin sign into k and a dotted capital I into i)
// throws Error (config) if n < 1
inline double rouge_n(std::string_view prediction, std::string_view reference, int n, Stemming stemming = Stemming::none) {
  check(n >= 1, ErrorKind::config, "rouge_n: n is ", n, ", the least is 1");
  const auto runs = [&](std::string_view text, std::size_t& total) {
    const std::vector<std::string> words = detail::rouge_words(text, stemming);
    std::map<std::vector<std::string>, std::size_t> counts;
    for (auto first = words.begin(); words.end() - first >= n; ++first) ++counts[{first, first + n}];
    for (const auto& [run, count] : counts) total += count;
    return counts;
  };
  std::size_t predicted = 0, expected = 0, common = 0;
  const auto ours = runs(prediction, predicted), theirs = runs(reference, expected);
  for (const auto& [run, count] : ours)
    if (const auto found = theirs.find(run); found != theirs.end()) common += std::min(count, found->second);
  return detail::f_measure(common, predicted, expected);
}

// ROUGE-L F (0..1): the longest common subsequence of words.                                as package rouge_score computes it
inline double rouge_l(std::string_view prediction, std::string_view reference, Stemming stemming = Stemming::none) {
  const auto ours = detail::rouge_words(prediction, stemming), theirs = detail::rouge_words(reference, stemming);
  return detail::f_measure(detail::common_subsequence(ours, theirs), ours.size(), theirs.size());
}

// Edit similarity in percent: 100 (1 - d / (|a| + |b|)), d = insertions and deletions of characters; two empty texts give 100.
// as fuzz.ratio of package rapidfuzz
inline double edit_similarity(std::string_view a, std::string_view b) {
  const auto left = detail::characters(a), right = detail::characters(b);
  const std::size_t length = left.size() + right.size();
  return length == 0 ? 100 : 200 * static_cast<double>(detail::common_subsequence(left, right)) / static_cast<double>(length);
}

// The score (0..100) of a generated answer: the best over the item's answer and its further references.
// Stemming is for ROUGE-L only: SuperNI's scores are stemmed, TRACE's are not.
// throws Error (misuse) for scorings that need no generated text: label_accuracy, next_token
inline double answer_score(Scoring scoring, std::string_view generated, const Item& item, Stemming stemming = Stemming::porter) {
  check(scoring == Scoring::exact_match || scoring == Scoring::rouge_l, ErrorKind::misuse,
        "answer_score: this task is not scored by a generated answer");
  const auto score = [&](std::string_view reference) {
    return 100 * (scoring == Scoring::rouge_l         ? rouge_l(generated, reference, stemming)
                  : exact_match(generated, reference) ? 1.0
                                                      : 0.0);
  };
  double best = score(item.answer);
  for (const std::string& reference : item.references) best = std::max(best, score(reference));
  return best;
}

}  // namespace cmoe
