// The skills that the built-in backbone is pretrained on: 23 string skills of which the stream's tasks are new combinations.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cmoe/continual/languages.hpp"
#include "cmoe/continual/string_rules.hpp"
#include "cmoe/continual/task.hpp"
#include "cmoe/core/error.hpp"

namespace cmoe {

// An endless source of pretraining items. Of the items 5 % are sentences (no prompt, the answer is the sentence, all of it to
// be learnt); the others are drawn evenly from 29 entries, some skills standing twice or three times.
// Words, symbols and dates that the stream holds out for dev or test never occur as inputs (see split_of). The clauses to be
// translated are not held out: the stream translates them into other languages.
// ours: `bigger` is left out (it stays at chance), `field` stands twice, as in the second backbone that was measured
class Skills {
 public:
  explicit Skills(std::uint64_t seed)  // the seed makes up the two languages that only pretraining speaks
      : luzo_("danv", Rng(seed).fork("luzo")), peri_("navd", Rng(seed).fork("peri")) {}

  // A text item (5 %) or an item of a skill drawn by its share.
  Item draw(Rng& rng) const {
    if (words::chance(text_share, rng)) return {"", sentence(rng), {}};
    Index entries = 0;
    for (const Skill& skill : table()) entries += skill.entries;
    Index at = rng.below(entries);
    const Skill* drawn = table().data();
    for (; at >= drawn->entries; ++drawn) at -= drawn->entries;
    return (this->*drawn->make)(rng);
  }

  // An item of one skill. Throws Error (config) for an unknown name.
  Item draw(std::string_view name, Rng& rng) const {
    for (const Skill& skill : table())
      if (skill.name == name) return (this->*skill.make)(rng);
    fail(ErrorKind::config, "skills: no skill is called '", name, "'");
  }

  static std::vector<std::string> names() {
    std::vector<std::string> out;
    for (const Skill& skill : table()) out.emplace_back(skill.name);
    return out;
  }

  static constexpr double text_share = 0.05;

 private:
  struct Skill {
    std::string_view name;
    Index entries;  // how often it stands in the list that is drawn from
    Item (Skills::*make)(Rng&) const;
  };
  static const std::vector<Skill>& table() {
    static const std::vector<Skill> skills = {
        {"copy", 1, &Skills::copy},   {"back", 2, &Skills::back},     {"spell", 1, &Skills::spell},   {"upper", 1, &Skills::upper},
        {"next", 1, &Skills::next},   {"prev", 1, &Skills::prev},     {"odd", 1, &Skills::odd},       {"double", 1, &Skills::twice},
        {"hide", 1, &Skills::hide},   {"last", 1, &Skills::last},     {"tail", 1, &Skills::tail},     {"join", 1, &Skills::join},
        {"swap", 1, &Skills::swap},   {"suffix", 1, &Skills::suffix}, {"prefix", 1, &Skills::prefix}, {"count-on", 1, &Skills::count_on},
        {"pad", 1, &Skills::pad},     {"month", 1, &Skills::month},   {"field", 2, &Skills::field},   {"who", 2, &Skills::who},
        {"order", 2, &Skills::order}, {"pair", 1, &Skills::pair},     {"translate", 3, &Skills::translate}};
    return skills;
  }

  using Names = std::vector<std::string_view>;

  // "NAME: input" (70 %) or "NAME input", under one of the skill's names.
  static Item item(const Names& names, const std::string& input, std::string answer, Rng& rng) {
    const std::string name(words::pick(names, rng));
    return {name + (words::chance(0.7, rng) ? ": " : " ") + input, std::move(answer), {}};
  }

  template <class Draw>
  static auto not_held_out(Draw draw, Rng& rng) {
    auto drawn = draw(rng);
    while (split_of(drawn) != Split::train) drawn = draw(rng);
    return drawn;
  }
  static std::string word(Rng& rng) {  // 65 % invented words, 35 % any letters
    return not_held_out([](Rng& r) { return words::chance(0.65, r) ? words::pseudo_word(r) : words::letters(r); }, rng);
  }
  static std::string word_or_symbols(Rng& rng) {  // 25 % symbols of one kind
    if (!words::chance(0.25, rng)) return word(rng);
    const std::string_view kind = words::pick(std::vector{words::opening, words::closing, words::digits}, rng);
    return not_held_out([kind](Rng& r) { return words::characters(kind, 2, 6, r); }, rng);
  }
  static std::string name(Rng& rng) { return not_held_out([](Rng& r) { return words::name(r); }, rng); }
  static std::string sentence(Rng& rng) {
    const std::string subject = noun_phrase(rng).text(), verb(words::pick(words::verbs, rng));
    return subject + ' ' + verb + ' ' + noun_phrase(rng).text() + '.';
  }

  Item copy(Rng& rng) const {
    const std::string w = word_or_symbols(rng);
    return item({"COPY", "SAY", "SAME"}, w, w, rng);
  }
  Item back(Rng& rng) const {
    const std::string w = word_or_symbols(rng);
    return item({"SPELL BACK", "FROM END"}, w, rules::spaced(rules::reversed(w)), rng);
  }
  Item spell(Rng& rng) const {
    const std::string w = word_or_symbols(rng);
    return item({"SPELL", "LETTERS"}, w, rules::spaced(w), rng);
  }
  Item upper(Rng& rng) const {
    const std::string w = word(rng);
    return item({"UPPER", "LOUD", "CAPS"}, w, rules::upper(w), rng);
  }
  Item next(Rng& rng) const {
    const std::string w = word(rng);
    return item({"NEXT OF EACH", "UP ONE"}, w, rules::spaced(rules::shifted(w, 1)), rng);
  }
  Item prev(Rng& rng) const {
    const std::string w = word(rng);
    return item({"BEFORE EACH", "DOWN ONE"}, w, rules::spaced(rules::shifted(w, -1)), rng);
  }
  Item odd(Rng& rng) const {
    const std::string w = word_or_symbols(rng);
    return item({"ODD LETTERS", "SKIP"}, w, rules::every_other(w), rng);
  }
  Item twice(Rng& rng) const {
    const std::string w = word_or_symbols(rng);
    return item({"DOUBLE", "STUTTER"}, w, rules::stuttered(w), rng);
  }
  Item hide(Rng& rng) const {
    const std::string w = word(rng);
    return item({"HIDE", "MASK"}, w, rules::vowels_only_shown(w), rng);
  }
  Item last(Rng& rng) const {
    const std::string w = word_or_symbols(rng);
    return item({"LAST", "END LETTER"}, w, w.substr(w.size() - 1), rng);
  }
  Item tail(Rng& rng) const {
    const std::string w = word_or_symbols(rng);
    return item({"TAIL", "CUT FIRST"}, w, w.substr(1), rng);
  }
  Item join(Rng& rng) const {
    const std::string first = name(rng), second = name(rng);
    return item({"JOIN", "GLUE"}, first + ' ' + second, first + second, rng);
  }
  Item swap(Rng& rng) const {
    const std::string first = name(rng), second = name(rng);
    return item({"SWAP", "TURN"}, first + ' ' + second, second + ' ' + first, rng);
  }
  Item suffix(Rng& rng) const {
    const std::string part = name(rng), whole = name(rng);
    return item({"ADD", "PUT"}, part + " to " + whole, whole + part, rng);
  }
  Item prefix(Rng& rng) const {
    const std::string part = name(rng), whole = name(rng);
    return item({"LEAD", "FRONT"}, part + " to " + whole, part + whole, rng);
  }
  Item count_on(Rng& rng) const {
    const Index n = rng.below(1000);
    return item({"COUNT ON", "AFTER"}, std::to_string(n), std::to_string(n + 1), rng);
  }
  Item pad(Rng& rng) const {
    const Index n = rng.below(100);
    return item({"TWO DIGITS", "PAD"}, std::to_string(n), words::two_digits(n), rng);
  }
  Item month(Rng& rng) const {
    const Index n = 1 + rng.below(12);
    const std::string spoken(words::months[static_cast<std::size_t>(n - 1)]);
    if (words::chance(0.6, rng)) return item({"MONTH NO", "WHICH MONTH"}, spoken, words::two_digits(n), rng);
    return item({"MONTH NAME", "NAME IT"}, words::two_digits(n), spoken, rng);
  }
  Item field(Rng& rng) const {
    const std::string date = not_held_out([](Rng& r) { return words::date(r).text(); }, rng);
    const std::size_t first = date.find(' '), second = date.rfind(' ');
    switch (rng.below(3)) {
      case 0: return item({"FIRST FIELD"}, date, date.substr(0, first), rng);
      case 1: return item({"MID FIELD"}, date, date.substr(first + 1, second - first - 1), rng);
      default: return item({"THIRD FIELD"}, date, date.substr(second + 1), rng);
    }
  }
  Item who(Rng& rng) const {
    const std::string subject = noun_phrase(rng).text(), verb(words::pick(words::verbs, rng)), object = noun_phrase(rng).text();
    const std::string clause = subject + ' ' + verb + ' ' + object;
    if (words::chance(0.5, rng)) return item({"WHO", "SUBJECT"}, clause, subject, rng);
    return item({"WHOM", "OBJECT"}, clause, object, rng);
  }
  Item order(Rng& rng) const {
    const auto distinct = [](Rng& r) {
      std::vector<char> alphabet;
      for (char c = 'a'; c <= 'z'; ++c) alphabet.push_back(c);
      r.shuffle(alphabet);
      return std::string(alphabet.begin(), alphabet.begin() + 2 + r.below(3));
    };
    const std::string w = not_held_out(distinct, rng);
    return item({"ORDER", "RANK"}, w, rules::spaced(rules::sorted(w)), rng);
  }
  Item pair(Rng& rng) const {
    const std::string brackets = rules::spaced(words::characters(words::opening, 1, 4, rng));
    return item({"PAIR", "PARTNER"}, brackets, rules::partners(brackets), rng);
  }
  Item translate(Rng& rng) const {
    const NounPhrase subject = noun_phrase(rng);
    const std::string verb(words::pick(words::verbs, rng)), clause = subject.text() + ' ' + verb;
    if (words::chance(0.5, rng)) return item({"LUZO SAY"}, clause, luzo_.say(subject, verb), rng);
    return item({"PERI SAY"}, clause, peri_.say(subject, verb), rng);
  }

  Language luzo_, peri_;
};

}  // namespace cmoe
