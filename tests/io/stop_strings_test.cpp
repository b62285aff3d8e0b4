#include <doctest/doctest.h>

#include "cmoe/io/stop_strings.hpp"

namespace cmoe::stop_strings_test {

namespace {

struct Shown {
  std::string text;
  bool stopped;
  bool operator==(const Shown&) const = default;
};

// The text in pieces of `size` bytes.
Shown shown(const std::vector<std::string>& stops, const std::string& text, std::size_t size) {
  StopStrings filter(stops);
  std::string out;
  for (std::size_t at = 0; at < text.size(); at += size) {
    out += filter.add(text.substr(at, size));
    for (const std::string& stop : stops) CHECK(out.find(stop) == std::string::npos);
  }
  return {out + filter.finish(), filter.stopped()};
}

}  // namespace

TEST_CASE("a text ends before the stop string that is complete first, however it comes in pieces") {
  for (std::size_t size = 1; size < 12; ++size) {
    CAPTURE(size);
    CHECK(shown({"END"}, "one END two", size) == Shown{"one ", true});
    CHECK(shown({"END"}, "one EN", size) == Shown{"one EN", false});
    CHECK(shown({"aab"}, "aaaab", size) == Shown{"aa", true});
    CHECK(shown({"abc", "b"}, "xabcx", size) == Shown{"xa", true});
    CHECK(shown({"bc", "abc"}, "xabcx", size) == Shown{"x", true});
    CHECK(shown({"abcd", "x"}, "abcabcabcd", size) == Shown{"abcabc", true});
    CHECK(shown({}, "abc", size) == Shown{"abc", false});
    CHECK(shown({"a"}, "a", size) == Shown{"", true});
    CHECK(shown({"\n\n"}, "one\ntwo\n\nthree", size) == Shown{"one\ntwo", true});
  }
}

TEST_CASE("what may begin a stop string is withheld, and nothing else is") {
  StopStrings filter({"stop", "\n"});
  CHECK(filter.add("a st") == "a ");
  CHECK(filter.add("ar") == "star");
  CHECK(filter.add("s") == "");
  CHECK(filter.finish() == "s");
  CHECK(filter.add("x\ny") == "x");
  CHECK(filter.stopped());
  CHECK(filter.add("more") == "");
  CHECK(filter.finish() == "");
  CHECK_THROWS_WITH_AS(StopStrings({"a", ""}), "a stop string is empty", Error);
}

}  // namespace cmoe::stop_strings_test
