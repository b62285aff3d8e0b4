#include "cmoe/continual/builtin_stream.hpp"

#include <doctest/doctest.h>

#include <cctype>
#include <map>

namespace cmoe::builtin_stream_test {

namespace {

using cmoe::Item;
using cmoe::Stream;
using cmoe::Task;

const Stream& stream() {
  static const Stream made = cmoe::builtin_stream(1);
  return made;
}
const Stream& further() {
  static const Stream made = cmoe::builtin_stream(1, cmoe::optional_task_names());
  return made;
}
std::vector<const Task*> all_tasks() {
  std::vector<const Task*> tasks;
  for (const Stream* each : {&stream(), &further()})
    for (const Task& task : *each) tasks.push_back(&task);
  return tasks;
}
std::vector<Item> all_items(const Task& task) {
  std::vector<Item> items = task.train;
  items.insert(items.end(), task.dev.begin(), task.dev.end());
  items.insert(items.end(), task.test.begin(), task.test.end());
  return items;
}
std::string input(const Item& item) { return item.prompt.substr(item.prompt.find(": ") + 2); }
std::vector<std::string> split_words(const std::string& text) {
  std::vector<std::string> out(1);
  for (char c : text) c == ' ' ? out.emplace_back() : out.back() += std::string(1, c);
  return out;
}
bool vowel(char c) { return c == 'a' || c == 'e' || c == 'i' || c == 'o' || c == 'u'; }

// The rules once more, in other words than the library's.
std::string expected(const std::string& task, const std::string& in) {
  std::string out;
  if (task == "reverse" || task == "flip")
    for (char c : in) out = static_cast<char>(task == "flip" ? std::toupper(c) : c) + out;
  if (task == "plural-tavi") {
    char last = ' ';
    for (char c : in) last = vowel(c) ? c : last;
    out = in + (last == 'e' || last == 'i' ? "ler" : "lar");
  }
  if (task == "plural-moku") out = std::string{in[0], in[1]} + in + (vowel(in[in.size() - 1]) ? "" : "e") + "n";
  if (task == "cipher")
    for (char c : in) out += c == 'z' ? 'a' : static_cast<char>(c + 1);
  if (task == "date-iso" || task == "date-us") {
    const std::map<std::string, std::string> months = {{"jan", "01"}, {"feb", "02"}, {"mar", "03"}, {"apr", "04"},
                                                       {"may", "05"}, {"jun", "06"}, {"jul", "07"}, {"aug", "08"},
                                                       {"sep", "09"}, {"oct", "10"}, {"nov", "11"}, {"dec", "12"}};
    const auto parts = split_words(in);
    const std::string day = (parts[0].size() == 1 ? "0" : "") + parts[0], month = months.at(parts[1]);
    out = task == "date-iso" ? parts[2] + "-" + month + "-" + day : month + "/" + day + "/" + parts[2];
  }
  if (task == "close")
    for (char c : in) out = std::string(1, c == '(' ? ')' : c == '[' ? ']' : c == '{' ? '}' : '>') + out;
  if (task == "max") {
    int most = -1;
    for (const std::string& n : split_words(in)) most = std::max(most, std::stoi(n));
    out = std::to_string(most);
  }
  if (task == "consonants")
    for (char c : in) out += vowel(c) ? "" : std::string(1, c);
  return out;
}

}  // namespace

TEST_CASE("the built-in stream has eight tasks of the sizes it promises") {
  std::vector<std::string> names;
  for (const Task& task : stream()) {
    names.push_back(task.name);
    CHECK(task.train.size() == (task.name.starts_with("say") ? 770 : 1600));
    CHECK(task.dev.size() == 50);
    CHECK(task.test.size() == 100);
    CHECK(task.scoring == cmoe::Scoring::exact_match);
  }
  CHECK(names == cmoe::builtin_task_names());
  for (const Task& task : further()) CHECK(task.train.size() + task.dev.size() + task.test.size() == 1750);
}

TEST_CASE("train, dev and test share no input, and translations no answer") {
  for (const Task* task : all_tasks()) {
    const bool say = task->name.starts_with("say");
    std::map<std::string, int> owner;
    std::set<std::string> inputs;
    int number = 0;
    for (const auto* items : {&task->train, &task->dev, &task->test}) {
      ++number;
      for (const Item& item : *items) {
        CHECK_MESSAGE(inputs.insert(input(item)).second, task->name, " repeats ", input(item));
        const auto [at, fresh] = owner.emplace(say ? item.answer : input(item), number);
        CHECK_MESSAGE((fresh || at->second == number), task->name, ": ", at->first, " stands in two splits");
      }
    }
  }
}

TEST_CASE("a test word of one task is no training word of another") {
  std::set<std::string> train;
  for (const Task* task : all_tasks())
    if (!task->name.starts_with("say"))
      for (const Item& item : task->train) train.insert(input(item));
  for (const Task* task : all_tasks())
    if (!task->name.starts_with("say"))
      for (const Item& item : task->test) CHECK(!train.contains(input(item)));
}

TEST_CASE("every answer follows the rule of its task") {
  for (const Task* task : all_tasks())
    if (!task->name.starts_with("say"))
      for (const Item& item : all_items(*task)) REQUIRE(item.answer == expected(task->name, input(item)));
}

TEST_CASE("translations are word by word, noun first in Tavi and verb first in Moku, without determiner") {
  std::vector<std::map<std::string, std::string>> lexicons;
  for (const char* name : {"say-tavi", "say-moku"}) {
    const auto& task = *std::ranges::find(stream(), name, &Task::name);
    std::map<std::string, std::string> lexicon;
    for (const Item& item : all_items(task)) {
      auto english = split_words(input(item)), spoken = split_words(item.answer);
      english.erase(english.begin());  // the determiner
      REQUIRE(english.size() == spoken.size());
      if (task.name == "say-moku") std::rotate(spoken.begin(), spoken.begin() + 1, spoken.end());  // now noun last
      const std::size_t noun = task.name == "say-tavi" ? 0 : spoken.size() - 2;
      if (english.size() == 3 && noun == 0) std::swap(english[0], english[1]);
      for (std::size_t i = 0; i < spoken.size(); ++i) REQUIRE(lexicon.emplace(english[i], spoken[i]).first->second == spoken[i]);
    }
    CHECK(lexicon.size() == 20);
    std::set<std::string> distinct;
    for (const auto& [english, spoken] : lexicon) {
      distinct.insert(spoken);
      CHECK((spoken.size() >= 2 && spoken.size() <= 4));
    }
    CHECK(distinct.size() == 20);
    lexicons.push_back(lexicon);
  }
  CHECK(lexicons[0] != lexicons[1]);
}

TEST_CASE("every item fits 64 byte tokens") {
  for (const Task* task : all_tasks())
    for (const Item& item : all_items(*task)) {
      REQUIRE(item.prompt.size() + item.answer.size() + 3 <= 64);
      REQUIRE(!item.answer.empty());
      for (char c : item.prompt + item.answer) REQUIRE((c >= ' ' && c <= '~'));
    }
}

TEST_CASE("the stream of a seed never changes") {
  const auto hash = [](const Stream& made) {
    std::uint64_t all = 0;
    for (const Task& task : made)
      for (const Item& item : all_items(task)) all = cmoe::stable_hash(item.prompt + '\n' + item.answer, all);
    return all;
  };
  CHECK(hash(stream()) == 6689945660082397812u);
  CHECK(hash(further()) == 13544874985084560406u);
  CHECK(hash(cmoe::builtin_stream(2)) != hash(stream()));
}

TEST_CASE("a task of the stream does not depend on which others are asked for") {
  const Stream pair = cmoe::builtin_stream(1, {"date-us", "reverse"});
  CHECK(pair[0].train[0].prompt == stream()[6].train[0].prompt);
  CHECK(pair[1].test[99].prompt == stream()[0].test[99].prompt);
}

TEST_CASE("an unknown or repeated task is refused by name") {
  CHECK_THROWS_WITH_AS(cmoe::builtin_stream(1, {"revers"}), doctest::Contains("'revers'"), cmoe::Error);
  CHECK_THROWS_WITH_AS(cmoe::builtin_stream(1, {"cipher", "cipher"}), doctest::Contains("listed twice"), cmoe::Error);
}

}  // namespace cmoe::builtin_stream_test
