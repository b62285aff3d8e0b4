#include "cmoe/continual/text_scores.hpp"

#include <doctest/doctest.h>

namespace cmoe::text_scores_test {

using doctest::Approx;

TEST_CASE("the stemmer gives Porter's own examples and NLTK's exceptions") {
  const std::pair<const char*, const char*> examples[] = {
      {"caresses", "caress"}, {"ponies", "poni"}, {"cats", "cat"}, {"feed", "feed"}, {"agreed", "agre"}, {"plastered", "plaster"},
      {"motoring", "motor"}, {"sing", "sing"}, {"conflated", "conflat"}, {"troubled", "troubl"}, {"sized", "size"},
      {"hopping", "hop"}, {"falling", "fall"}, {"hissing", "hiss"}, {"failing", "fail"}, {"filing", "file"}, {"happy", "happi"},
      {"relational", "relat"}, {"conditional", "condit"}, {"digitizer", "digit"}, {"radically", "radic"}, {"vietnamization", "vietnam"},
      {"operator", "oper"}, {"feudalism", "feudal"}, {"hopefulness", "hope"}, {"formality", "formal"}, {"sensibility", "sensibl"},
      {"triplicate", "triplic"}, {"formative", "form"}, {"electrical", "electr"}, {"goodness", "good"}, {"revival", "reviv"},
      {"adjustable", "adjust"}, {"replacement", "replac"}, {"adoption", "adopt"}, {"effective", "effect"}, {"probate", "probat"},
      {"rate", "rate"}, {"cease", "ceas"}, {"controlling", "control"}, {"roll", "roll"}, {"generalizations", "gener"},
      {"ties", "tie"}, {"died", "die"}, {"spied", "spi"}, {"skies", "sky"}, {"enjoy", "enjoy"}, {"by", "by"}, {"say", "say"},
      {"happily", "happili"}, {"skillfully", "skill"}, {"geology", "geolog"}, {"succeed", "succeed"}, {"happiness", "happi"}};
  for (const auto& [word, stem] : examples) CHECK_MESSAGE(cmoe::porter_stem(word) == stem, word);
}

TEST_CASE("ROUGE counts shared runs of words, clipped to the rarer count") {
  CHECK(cmoe::rouge_n("the the the cat", "the cat sat", 1) == Approx(2.0 * 2 / 7));  // 2 common of 4 and 3
  CHECK(cmoe::rouge_n("a b c d", "b c x a b", 2) == Approx(2.0 * 2 / 7));            // ab, bc of 3 and 4
  CHECK(cmoe::rouge_l("a x b y c", "a b c") == Approx(2 * 0.6 / 1.6));
  CHECK(cmoe::rouge_l("The U.S. cat!", "the u s CAT") == 1);
  CHECK(cmoe::rouge_l("running dogs", "run dog") == 0);
  CHECK(cmoe::rouge_l("running dogs", "runs dogged", cmoe::Stemming::porter) == 1);
  CHECK(cmoe::rouge_l("", "a") == 0);
  CHECK(cmoe::rouge_n("a", "a", 2) == 0);
  CHECK_THROWS_AS(cmoe::rouge_n("a", "a", 0), cmoe::Error);
}

TEST_CASE("edit similarity counts characters, not bytes") {
  CHECK(cmoe::edit_similarity("", "") == 100);
  CHECK(cmoe::edit_similarity("abc", "") == 0);
  CHECK(cmoe::edit_similarity("kitten", "sitting") == Approx(200.0 * 4 / 13));
  CHECK(cmoe::edit_similarity("\xC3\xA9t\xC3\xA9", "ete") == Approx(200.0 * 1 / 6));  // été, ete
  CHECK(cmoe::edit_similarity("\xA9", "\xA9") == 100);                                // broken UTF-8 is compared as it is
}

TEST_CASE("an answer is scored by its best reference, after trimming") {
  const cmoe::Item item{"question", " yes ", {"of course", "sure"}};
  CHECK(cmoe::answer_score(cmoe::Scoring::exact_match, "yes\n", item) == 100);
  CHECK(cmoe::answer_score(cmoe::Scoring::exact_match, "sure", item) == 100);
  CHECK(cmoe::answer_score(cmoe::Scoring::exact_match, "Yes", item) == 0);
  CHECK(cmoe::answer_score(cmoe::Scoring::rouge_l, "of courses", item) == 100);
  CHECK(cmoe::answer_score(cmoe::Scoring::rouge_l, "of courses", item, cmoe::Stemming::none) == 50);
  CHECK_THROWS_AS(cmoe::answer_score(cmoe::Scoring::next_token, "", item), cmoe::Error);
}

}  // namespace cmoe::text_scores_test
