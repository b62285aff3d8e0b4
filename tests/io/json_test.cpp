#include "cmoe/io/json.hpp"

#include <doctest/doctest.h>

#include "io/samples.hpp"

namespace cmoe::json_test {

using samples::refusal;

TEST_CASE("a document is parsed as it stands") {
  const Json json = parse_json(R"({"a": [1, -2, 2.5, "é\u00e9", true, null, [], {}], "b": {"c": {"d": [[1], [2, 3]]}}})", "x");
  CHECK(json["a"].size() == 8);
  CHECK(json["a"][3] == "éé");
  CHECK(json["b"]["c"]["d"][1][1] == 3);
  CHECK(parse_json("7", "x") == 7);
}

TEST_CASE("what is not strictly JSON is refused with the name of the text") {
  const std::string deep_list(1'000'000, '['), nul("[1]\0[2]", 7);
  std::string deep_object;
  for (int i = 0; i < 100'000; ++i) deep_object += "{\"a\":";
  for (const std::string& text :
       {std::string(), std::string("{"), std::string("[1,]"), std::string("[1] x"), std::string("[01]"),
        std::string("{\"a\":1,\"a\":2}"), std::string("[{\"b\":{\"a\":1,\"c\":2,\"a\":3}}]"), deep_list, deep_object, nul,
        std::string("[\"\xFF\"]"), std::string("[\"\xC0\xAF\"]"), std::string("[\"\\ud800\"]"), std::string("[\"\xED\xA0\x80\"]"),
        std::string("[1e999]"), std::string("[\"a\nb\"]"), std::string("[NaN]")}) {
    const auto refused = refusal([&] { parse_json(text, "settings.json"); });
    CAPTURE(text.substr(0, 40));
    CHECK(refused.thrown);
    CHECK(refused.kind == ErrorKind::format);
    CHECK(refused.text.starts_with("settings.json: "));
    CHECK(refused.text.size() < 400);
    CHECK(refused.text.find('\n') == std::string::npos);
  }
}

TEST_CASE("the depth that is allowed is exact") {
  CHECK_NOTHROW(parse_json("[[[]]]", "x", 3));
  CHECK(refusal([] { parse_json("[[[[]]]]", "x", 3); }).text == "x: JSON nested deeper than 3");
}

TEST_CASE("members are fetched by type") {
  const Json json = parse_json(R"({"n": 7, "r": 2.5, "t": "text", "b": true, "l": [1, 2], "z": null, "big": 3000000000})", "x");
  CHECK(required<Index>(json, "n", "x") == 7);
  CHECK(required<double>(json, "n", "x") == 7.0);
  CHECK(required<double>(json, "r", "x") == 2.5);
  CHECK(required<std::string>(json, "t", "x") == "text");
  CHECK(required<bool>(json, "b", "x"));
  CHECK(required<std::vector<Index>>(json, "l", "x") == std::vector<Index>{1, 2});
  CHECK(!optional<Index>(json, "z", "x").has_value());
  CHECK(!optional<Index>(json, "absent", "x").has_value());
  CHECK(refusal([&] { required<Index>(json, "absent", "config.json"); }).text == "config.json: 'absent' is missing");
  CHECK(refusal([&] { required<Index>(json, "r", "x"); }).kind == ErrorKind::format);
  CHECK(refusal([&] { required<Id>(json, "big", "x"); }).text == "x: 'big' must be a whole number in range");
  CHECK(refusal([&] { required<bool>(json, "n", "x"); }).kind == ErrorKind::format);
  CHECK(refusal([&] { required<std::vector<Index>>(json, "t", "x"); }).kind == ErrorKind::format);
  CHECK(refusal([&] { required<Index>(json["l"], "n", "x"); }).kind == ErrorKind::format);
}

TEST_CASE("characters are found and broken ones told with their line") {
  CHECK(find_invalid_utf8("aé€😀") == std::string_view::npos);
  for (const char* bad : {"\x80", "\xC1\x81", "\xE0\x80\x80", "\xED\xA0\x80", "\xF0\x80\x80\x80", "\xF4\x90\x80\x80",
                          "\xF5\x80\x80\x80", "\xC3", "\xE2\x82", "\xF0\x9F\x98"})
    CHECK(find_invalid_utf8(bad) == 0);
  CHECK(refusal([] { check_utf8("one\ntwo \xFF", "a.txt"); }).text ==
        "a.txt: byte 8 (line 2) is not UTF-8; convert the file to UTF-8");
  CHECK(utf8_boundary("é", 1) == 0);
  CHECK(utf8_boundary("é", 2) == 2);
}

}  // namespace cmoe::json_test
