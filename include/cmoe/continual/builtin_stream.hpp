// The built-in stream: eight generated tasks, four prompt shapes with two conflicting rules each, and four further tasks.
#pragma once

#include <algorithm>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cmoe/continual/languages.hpp"
#include "cmoe/continual/string_rules.hpp"
#include "cmoe/continual/task.hpp"
#include "cmoe/core/error.hpp"

namespace cmoe {

// The tasks of the default stream, in the order in which they are learnt.
inline std::vector<std::string> builtin_task_names() {
  return {"reverse", "plural-tavi", "date-iso", "say-tavi", "cipher", "plural-moku", "date-us", "say-moku"};
}
// Further tasks that may be asked for by name.
inline std::vector<std::string> optional_task_names() { return {"flip", "close", "max", "consonants"}; }

namespace detail {

inline constexpr std::size_t train_items = 1600, say_train_items = 770, dev_items = 50, test_items = 100;

using Example = std::pair<std::string, std::string>;  // input and answer, without the instruction word

// Puts an item into the split that `key` belongs to, unless that split is full.
inline void place(Task& task, std::string_view key, Item item, std::size_t train_size) {
  const Split split = split_of(key);
  std::vector<Item>& items = split == Split::train ? task.train : split == Split::dev ? task.dev : task.test;
  const std::size_t most = split == Split::train ? train_size : split == Split::dev ? dev_items : test_items;
  if (items.size() < most) items.push_back(std::move(item));
}

// Distinct inputs until every split is full; an input belongs to the split that its own text hashes to.
inline Task open_task(std::string name, const std::string& instruction, const std::function<Example(Rng&)>& draw, Rng rng) {
  Task task;
  task.name = std::move(name);
  std::set<std::string> seen;
  while (task.train.size() < train_items || task.dev.size() < dev_items || task.test.size() < test_items) {
    auto [input, answer] = draw(rng);
    if (!seen.insert(input).second) continue;
    place(task, input, {instruction + ": " + input, std::move(answer), {}}, train_items);
  }
  return task;
}

// All 1008 clauses DET [ADJ] NOUN VERB, in random order, split by their answer: "a fox" and "the fox" have the same one.
inline Task say_task(std::string name, const std::string& instruction, const Language& language, Rng rng) {
  Task task;
  task.name = std::move(name);
  std::vector<Example> clauses;
  std::vector<std::string_view> adjectives(words::adjectives.begin(), words::adjectives.end());
  adjectives.emplace_back();
  for (std::string_view determiner : words::determiners)
    for (std::string_view adjective : adjectives)
      for (std::string_view noun : words::nouns)
        for (std::string_view verb : words::verbs) {
          const NounPhrase subject{determiner, adjective, noun};
          clauses.emplace_back(subject.text() + ' ' + std::string(verb), language.say(subject, verb));
        }
  rng.shuffle(clauses);
  for (const auto& [input, answer] : clauses) place(task, answer, {instruction + ": " + input, answer, {}}, say_train_items);
  return task;
}

template <class Rule>
std::function<Example(Rng&)> word_rule(Rule rule) {
  return [rule](Rng& rng) {
    const std::string word = words::pseudo_word(rng);
    return Example(word, rule(word));
  };
}
inline std::function<Example(Rng&)> date_rule(std::string (*rule)(const words::Date&)) {
  return [rule](Rng& rng) {
    const words::Date date = words::date(rng);
    return Example(date.text(), rule(date));
  };
}

inline Example largest_of_three(Rng& rng) {  // "60 71 7" -> "71", distinct numbers of 0..99
  std::vector<Index> numbers;
  while (numbers.size() < 3)
    if (const Index n = rng.below(100); std::ranges::find(numbers, n) == numbers.end()) numbers.push_back(n);
  return {std::to_string(numbers[0]) + ' ' + std::to_string(numbers[1]) + ' ' + std::to_string(numbers[2]),
          std::to_string(std::ranges::max(numbers))};
}

inline Task builtin_task(const std::string& name, const Rng& rng) {
  const Rng own = rng.fork(name), languages = Rng(0).fork("languages");  // every seed speaks the same languages
  const auto open = [&](const char* instruction, const auto& draw) { return open_task(name, instruction, draw, own); };
  const auto shift = [](const std::string& word) { return rules::shifted(word, 1); };
  const auto flip = [](const std::string& word) { return rules::upper(rules::reversed(word)); };
  if (name == "reverse") return open("REVERSE", word_rule(rules::reversed));
  if (name == "plural-tavi") return open("TAVI MANY", word_rule(rules::plural_tavi));
  if (name == "date-iso") return open("DATE ISO", date_rule(rules::iso));
  if (name == "say-tavi") return say_task(name, "TAVI SAY", Language("nav", languages.fork("tavi")), own);
  if (name == "cipher") return open("CIPHER", word_rule(shift));
  if (name == "plural-moku") return open("MOKU MANY", word_rule(rules::plural_moku));
  if (name == "date-us") return open("DATE US", date_rule(rules::american));
  if (name == "say-moku") return say_task(name, "MOKU SAY", Language("van", languages.fork("moku")), own);
  if (name == "flip") return open("FLIP", word_rule(flip));
  if (name == "consonants") return open("CONSONANTS", word_rule(rules::consonants));
  if (name == "max") return open("MAX", largest_of_three);
  if (name == "close")
    return open("CLOSE", [](Rng& draw) {
      const std::string brackets = words::characters(words::opening, 2, 6, draw);
      return Example(brackets, rules::reversed(rules::partners(brackets)));
    });
  std::string known;
  for (const auto& names : {builtin_task_names(), optional_task_names()})
    for (const std::string& each : names) known += ' ' + each;
  fail(ErrorKind::config, "builtin stream: no task is called '", name, "'; there are", known);
}

}  // namespace detail

// Generated tasks with exact-match scoring: 1600 train (say-*: 770), 50 dev and 100 test items each, a millisecond a task.
// Splits are disjoint by the input after the colon (say-*: by the answer) and the same for every seed, see split_of; the seed
// chooses the items and their order. Every item fits 64 byte tokens: BOS prompt SEP answer EOS.
// throws Error (config) for a name that is unknown or given twice
inline Stream builtin_stream(std::uint64_t seed, const std::vector<std::string>& names = builtin_task_names()) {
  const Rng rng = Rng(seed).fork("builtin stream");
  Stream stream;
  for (const std::string& name : names) {
    const bool repeated = std::ranges::any_of(stream, [&](const Task& task) { return task.name == name; });
    check(!repeated, ErrorKind::config, "builtin stream: task '", name, "' is listed twice");
    stream.push_back(detail::builtin_task(name, rng));
  }
  return stream;
}

}  // namespace cmoe
