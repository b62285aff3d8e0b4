#include "cmoe/continual/skills.hpp"

#include <doctest/doctest.h>

#include <map>
#include <set>

#include "cmoe/continual/builtin_stream.hpp"

namespace cmoe::skills_test {

using cmoe::Item;
using cmoe::Rng;
using cmoe::Skills;

namespace {

// The instruction word of a prompt: the leading words in upper case.
std::string instruction(const std::string& prompt) {
  std::size_t end = 0;
  while (end < prompt.size() && (prompt[end] == ' ' || (prompt[end] >= 'A' && prompt[end] <= 'Z'))) ++end;
  while (end > 0 && prompt[end - 1] == ' ') --end;
  return prompt.substr(0, end);
}
std::string input(const std::string& prompt) {
  if (prompt.empty()) return prompt;
  const std::size_t start = instruction(prompt).size();
  return prompt.substr(prompt.find_first_not_of(": ", start));
}

}  // namespace

TEST_CASE("pretraining mixes 5 percent of sentences with 23 skills, some drawn more often") {
  const Skills skills(0);
  CHECK(Skills::names().size() == 23);
  std::map<std::string, int> drawn;
  Rng rng(1);
  const int n = 60000;
  for (int i = 0; i < n; ++i) ++drawn[instruction(skills.draw(rng).prompt)];
  CHECK(drawn[""] == doctest::Approx(n * 0.05).epsilon(0.1));
  const double entry = n * 0.95 / 29;
  CHECK(drawn["LUZO SAY"] + drawn["PERI SAY"] == doctest::Approx(3 * entry).epsilon(0.1));
  CHECK(drawn["SPELL BACK"] + drawn["FROM END"] == doctest::Approx(2 * entry).epsilon(0.1));
  CHECK(drawn["FIRST FIELD"] + drawn["MID FIELD"] + drawn["THIRD FIELD"] == doctest::Approx(2 * entry).epsilon(0.1));
  CHECK(drawn["COPY"] == doctest::Approx(entry / 3).epsilon(0.2));
  CHECK(drawn["MONTH NO"] + drawn["WHICH MONTH"] == doctest::Approx(0.6 * entry).epsilon(0.15));
  CHECK(drawn.size() == 1 + 53);  // every synonym occurs
}

TEST_CASE("every pretraining item is printable and fits 64 byte tokens") {
  const Skills skills(0);
  Rng rng(2);
  for (int i = 0; i < 20000; ++i) {
    const Item item = skills.draw(rng);
    REQUIRE(item.prompt.size() + item.answer.size() + 3 <= 64);
    REQUIRE(!item.answer.empty());
    for (char c : item.prompt + item.answer) REQUIRE((c >= ' ' && c <= '~'));
  }
}

TEST_CASE("inputs that the stream tests on are never pretrained on") {
  std::set<std::string> tested;
  for (const auto& names : {cmoe::builtin_task_names(), cmoe::optional_task_names()})
    for (const auto& task : cmoe::builtin_stream(3, names))
      if (!task.name.starts_with("say"))
        for (const Item& item : task.test) tested.insert(item.prompt.substr(item.prompt.find(": ") + 2));
  CHECK(tested.size() > 900);
  const Skills skills(0);
  Rng rng(3);
  for (int i = 0; i < 20000; ++i) {
    const Item item = skills.draw(rng);
    REQUIRE(!tested.contains(input(item.prompt)));
  }
}

TEST_CASE("the examples of each skill follow its rule") {
  const Skills skills(0);
  Rng rng(4);
  const auto squeezed = [](std::string text) {
    std::erase(text, ' ');
    return text;
  };
  for (int i = 0; i < 200; ++i) {
    for (const char* name : {"copy", "spell"}) {
      const Item item = skills.draw(name, rng);
      REQUIRE(squeezed(item.answer) == input(item.prompt));
    }
    Item item = skills.draw("back", rng);
    std::string in = input(item.prompt), out = squeezed(item.answer);
    REQUIRE(std::string(out.rbegin(), out.rend()) == in);
    item = skills.draw("odd", rng), in = input(item.prompt);
    REQUIRE(item.answer.size() == (in.size() + 1) / 2);
    REQUIRE(item.answer.back() == in[in.size() - 1 - (in.size() + 1) % 2]);
    item = skills.draw("tail", rng), in = input(item.prompt);
    REQUIRE(in[0] + item.answer == in);
    item = skills.draw("last", rng);
    REQUIRE(item.answer == std::string(1, item.prompt.back()));
    item = skills.draw("count-on", rng);
    REQUIRE(std::stoi(item.answer) == std::stoi(input(item.prompt)) + 1);
    item = skills.draw("pad", rng);
    REQUIRE(item.answer.size() == 2);
    REQUIRE(std::stoi(item.answer) == std::stoi(input(item.prompt)));
    item = skills.draw("who", rng), in = input(item.prompt);
    REQUIRE((in.starts_with(item.answer) || in.ends_with(item.answer)));
    item = skills.draw("suffix", rng), in = input(item.prompt);
    REQUIRE(item.answer == in.substr(in.find(" to ") + 4) + in.substr(0, in.find(" to ")));
    item = skills.draw("field", rng), in = input(item.prompt);
    const std::size_t order = item.prompt.starts_with("FIRST") ? 0 : in.find(item.answer, 1);
    REQUIRE(in.substr(order, item.answer.size()) == item.answer);
    item = skills.draw("pair", rng);
    REQUIRE(item.answer.size() == input(item.prompt).size());
  }
  CHECK(cmoe::rules::shifted("adoz", 1) == "bepa");
  CHECK(cmoe::rules::shifted("bepa", -1) == "adoz");
  CHECK(cmoe::rules::stuttered("tie") == "ttiiee");
  CHECK(cmoe::rules::vowels_only_shown("zomo") == ".o.o");
  CHECK(cmoe::rules::spaced(cmoe::rules::sorted("yai")) == "a i y");
  CHECK(cmoe::rules::partners("{ [ <") == "} ] >");
  CHECK(cmoe::rules::plural_moku("rafu") == "rarafun");
  CHECK(cmoe::rules::plural_tavi("fazage") == "fazageler");
}

TEST_CASE("brackets and digits are seen before the stream asks for them") {
  const Skills skills(0);
  Rng rng(5);
  int brackets = 0, numbers = 0;
  for (int i = 0; i < 1000; ++i) {
    const std::string in = input(skills.draw("copy", rng).prompt);
    brackets += in.find_first_of("([{<)]}>") == 0;
    numbers += in.find_first_of("0123456789") == 0;
  }
  CHECK(brackets == doctest::Approx(1000 * 0.25 * 2 / 3).epsilon(0.25));
  CHECK(numbers == doctest::Approx(1000 * 0.25 / 3).epsilon(0.35));
}

TEST_CASE("the pretraining items of a seed never change, and unknown skills are refused") {
  const Skills skills(0);
  Rng rng(0);
  std::uint64_t all = 0;
  for (int i = 0; i < 1000; ++i) {
    const Item item = skills.draw(rng);
    all = cmoe::stable_hash(item.prompt + '\n' + item.answer, all);
  }
  CHECK(all == 13007954445182396179u);
  CHECK_THROWS_WITH_AS(skills.draw("bigger", rng), doctest::Contains("bigger"), cmoe::Error);
}

}  // namespace cmoe::skills_test
