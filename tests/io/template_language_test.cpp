// The language of chat templates: every construct with the value that jinja2 gives, every refusal with its words, and hostile templates.
#include <doctest/doctest.h>

#include <chrono>

#include "cmoe/io/chat_template.hpp"
#include "io/samples.hpp"

namespace cmoe::template_language_test {

namespace {

const std::vector<ChatMessage> messages = {{"user", "Hi \xC3\xA9"}, {"assistant", "yo"}, {"user", "ok"}};

std::string made(const std::string& source) { return ChatTemplate(source, "t").write(messages); }
std::string value(const std::string& expression) { return made("{{ " + expression + " }}"); }

void refused(const std::string& source, const std::string& words) {
  const auto got = samples::refusal([&] { made(source); });
  CHECK_MESSAGE((got.thrown && got.kind == ErrorKind::format), source);
  CHECK_MESSAGE(got.text.find(words) != std::string::npos, source << ": " << got.text);
}

std::string times(std::size_t count, const std::string& text) {
  std::string all;
  while (count-- > 0) all += text;
  return all;
}

}  // namespace

TEST_CASE("white space around tags goes as trim_blocks and lstrip_blocks have it, and as - and + say") {
  CHECK(made("a\n") == "a");
  CHECK(made("a\n\n") == "a\n");
  CHECK(made("  {% if true %}\n x\n  {% endif %}\n y") == " x\n y");
  CHECK(made("x {% if true %}\n y{% endif %}") == "x  y");
  CHECK(made("  {# c #}\n z") == " z");
  CHECK(made("a  {#- c -#}  b") == "ab");
  CHECK(made("{%+ if true %}\n a {%+ endif +%}\n b") == " a \n b");
  CHECK(made("{% if true +%}\n a{% endif %}") == "\n a");
  CHECK(made("{{ 1 }}\n\n{{- 2 -}}\n 3") == "123");
  CHECK(made("  {{ 1 }}") == "  1");
  CHECK(made("a\r\nb\rc") == "a\nb\nc");
  CHECK(made("x\xE3\x80\x80{%- if true -%}\xE2\x80\xA8 y{% endif %}") == "xy");
  CHECK(made("}} %} #} { { a") == "}} %} #} { { a");
}

TEST_CASE("operators bind and compute as in Python") {
  CHECK(value("7 // 2 ~ ' ' ~ -7 // 2 ~ ' ' ~ 7 % -3 ~ ' ' ~ -7 % 3") == "3 -4 -2 2");
  CHECK(value("2 * 3 + 4") == "10");
  CHECK(value("10 - 3 - 2") == "5");
  CHECK(value("'a' + 'b' ~ 1 ~ none ~ true ~ nothing") == "ab1NoneTrue");
  CHECK(value("1 < 2 < 3") == "True");
  CHECK(value("1 < 3 < 2") == "False");
  CHECK(value("'a' < 'b'") == "True");
  CHECK(value("1 == true") == "True");
  CHECK(value("[1, 2] == [1, true]") == "False");
  CHECK(value("messages[0] == messages[0]") == "True");
  CHECK(value("nothing == none") == "False");
  CHECK(value("not true or true") == "True");
  CHECK(value("1 and 0 or 'z'") == "z");
  CHECK(value("'a' if false else 'b' if false else 'c'") == "c");
  CHECK(value("'a' if false") == "");
  CHECK(value("'b' in 'abc' and 'x' not in 'abc' and 'a' in ['a', 'b'] and 1 in (1, 2) and 'role' in messages[0]") == "True");
  CHECK(value("'a' in nothing") == "False");
  CHECK(value("messages|length - 1") == "2");
  CHECK(value("not nothing is defined") == "True");
  CHECK(value("(1, 2)|length ~ (1,)|length ~ (1)") == "211");
}

TEST_CASE("strings have Python's escapes, and stand beside each other as one") {
  CHECK(value(R"('x\ty\\z\x41\u00e9\q' "\"")") == "x\ty\\zA\xC3\xA9\\q\"");
  CHECK(value("'a\\\nb'") == "ab");
  CHECK(value("'a\nb'") == "a\nb");
  CHECK(value("'}}' ~ '%}'") == "}}%}");
}

TEST_CASE("parts are taken by name, by number from either end, and by Python's slices") {
  CHECK(value("messages[0]['role'] ~ messages[0].role ~ messages[-1]['content'] ~ messages[0].role[0]") == "useruserok" "u");
  CHECK(value("'h\xC3\xA9llo'[1] ~ 'h\xC3\xA9llo'[::-1] ~ 'h\xC3\xA9llo'|length") == "\xC3\xA9oll\xC3\xA9h5");
  CHECK(value("'abcdef'[1:5:2] ~ 'abc'[5:] ~ 'abc'[-2:] ~ 'abc'[:-5] ~ 'abcdef'[4:1:-1] ~ 'abcdef'[-100:100:3]") == "bdbcedcad");
  CHECK(value("messages[1:]|length ~ messages[:-1][0].role ~ messages[::-1][0].content") == "2userok");
  CHECK(value("messages[5] ~ messages[0].nothing ~ messages['a'] ~ none.x") == "");
  CHECK(value("messages[5] is defined") == "False");
}

TEST_CASE("loops know where they are, choose, unpack and say when there was nothing") {
  CHECK(made("{% for m in messages %}{{ loop.index }}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}{{ loop.revindex }}{{ loop.length }} {% endfor %}") ==
        "10TrueFalse33 21FalseFalse23 32FalseTrue13 ");
  CHECK(made("{% for m in messages %}{{ loop.previtem.role if not loop.first }}{{ loop.nextitem.content if not loop.last }};{% endfor %}") ==
        "yo;userok;assistant;");
  CHECK(made("{% for m in messages if m.role == 'user' %}{{ loop.index }}/{{ loop.length }}{{ m.content }}{% else %}no{% endfor %}") == "1/2Hi \xC3\xA9" "2/2ok");
  CHECK(made("{% for x in nothing %}a{% else %}none{% endfor %}") == "none");
  CHECK(made("{% for k, v in messages[1].items() %}{{ k }}={{ v }};{% endfor %}") == "role=assistant;content=yo;");
  CHECK(made("{% for i in range(1, 4) %}{{ i }}{% endfor %}{% for c in 'a\xC3\xA9' %}{{ c }},{% endfor %}") == "123a,\xC3\xA9,");
  CHECK(made("{% for m in messages %}{% for n in messages %}{{ loop.index }}{% endfor %}{{ loop.index }} {% endfor %}") == "1231 1232 1233 ");
}

TEST_CASE("what a loop sets ends with its turn, a branch has no scope, a namespace stays") {
  CHECK(made("{% set a = 1 %}{% for m in messages %}{% set a = a + 1 %}{{ a }}{% endfor %}{{ a }}") == "2221");
  CHECK(made("{% if true %}{% set a = 1 %}{% endif %}{{ a }}") == "1");
  CHECK(made("{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% set ns.last = m.role %}{% endfor %}{{ ns.n ~ ns.last }}") == "3user");
  CHECK(made("{% set messages = messages[1:] %}{{ messages|length }}") == "2");
  CHECK(made("{% generation %}x{% endgeneration %}") == "x");
}

TEST_CASE("filters, tests and methods give what Python and Jinja give") {
  CHECK(value("' x '|trim ~ 'xxaxx'|trim('x') ~ 'x'|upper ~ 'AbC'|lower ~ 'ab cd'|title ~ 'aB'|capitalize") == "xaXabcAb CdAb");
  CHECK(value("[1, 2, 'a']|join('-') ~ 'abc'|first ~ 'abc'|last ~ 5|string ~ 'abab'|replace('a', 'c') ~ 'ab'|list|length") == "1-2-aac5cbcb2");
  CHECK(value("(messages|selectattr('role', 'equalto', 'user')|list)[1].content ~ messages|rejectattr('role', '==', 'user')|list|length") == "ok1");
  CHECK(value("messages|selectattr('content')|list|length ~ messages|selectattr('tools', 'defined')|list|length ~ "
              "messages|rejectattr('tools', 'defined')|list|length ~ messages|rejectattr('tools')|list|length") == "3033");
  CHECK(value("nothing|default('d') ~ ''|default('e') ~ ''|default('f', true) ~ none|d('g') ~ ''|default('h', boolean=true)") == "dfNoneh");
  CHECK(value("messages[1]|tojson ~ [1, true, none, 'a\"\\\\\\n']|tojson") == "{\"role\": \"assistant\", \"content\": \"yo\"}[1, true, null, \"a\\\"\\\\\\n\"]");
  CHECK(value("' a b '.strip() ~ '|' ~ ' a '.lstrip() ~ '|' ~ ' a '.rstrip() ~ '|' ~ 'xxaxx'.strip('x')") == "a b|a | a|a");
  CHECK(value("'\xC2\xA0x\xE3\x80\x80'.strip() ~ 'a,b,c'.split(',')[1] ~ ' a  b '.split()|length ~ 'a b c'.split(' ', 1)[1]") == "xb2b c");
  CHECK(value("'abc'.startswith('ab') ~ 'abc'.endswith('ab') ~ 'aXa'.replace('a', 'bb') ~ 'aB c-d'.title()") == "TrueFalsebbXbbAb C-D");
  CHECK(value("messages[0].get('role') ~ messages[0].get('q') ~ messages[0].get('q', 'd') ~ messages[0].keys()|list|length") == "userNoned2");
  CHECK(value("('a' is string) ~ (1 is string) ~ (true is number) ~ (true is integer) ~ (true is boolean) ~ (1 is true) ~ (none is none)") ==
        "TrueFalseTrueFalseTrueFalseTrue");
  CHECK(value("(messages is mapping) ~ (messages[0] is mapping) ~ (messages is sequence) ~ ('a' is iterable) ~ (3 is odd) ~ (x is undefined)") ==
        "FalseTrueTrueTrueTrueTrue");
  CHECK(value("(x is sequence) ~ (x is iterable) ~ (x is mapping)") == "TrueTrueFalse");
}

TEST_CASE("what the subset does not have is refused by its name and line when the template is read") {
  const auto unread = [](const std::string& source, const std::string& words) {
    const auto got = samples::refusal([&] { ChatTemplate(source, "t"); });
    CHECK_MESSAGE((got.thrown && got.kind == ErrorKind::format && got.text.find(words) != std::string::npos), source << ": " << got.text);
  };
  unread("a\nb\n{% macro x() %}{% endmacro %}", "t: line 3: the tag {% macro %} is not read");
  for (const char* tag : {"include 'a'", "import 'a' as b", "extends 'a'", "block a", "raw", "filter upper", "call x()", "with", "break"})
    unread("{% " + std::string(tag) + " %}", "is not read");
  unread("{% set x %}a{% endset %}", "{% set x ... %} without '='");
  unread("{% set a, b = 1, 2 %}", "is not read");
  unread("{% for x in y recursive %}{% endfor %}", "a recursive loop");
  unread("{{ 1 / 2 }}", "the operator /");
  unread("{{ 2 ** 3 }}", "the operator **");
  unread("{{ 1.5 }}", "the number 1.5");
  unread("{{ 01 }}", "the number 01");
  unread("{{ {'a': 1} }}", "an object { }");
  unread("{{ 'a\\101' }}", "the escape \\1");
  unread("{{ '\\ud800' }}", "half a character");
  unread("{{ '\\U00110000' }}", "no character");
  unread("{{ a is divisibleby 3 }}", "the test 'divisibleby' with an argument");
  unread("{{ a()() }}", "only functions and methods by their names");
  unread("{{ ; }}", "is no part of an expression");
  unread("{% for none in messages %}{% endfor %}", "'none' is no variable");
  unread("{% set true = 1 %}", "'true' is no variable");
}

TEST_CASE("templates that are not whole are refused") {
  for (const char* source : {"{% if true %}", "{% endif %}", "{% else %}", "{% for %}", "{% for x in %}", "{% if true %}{% endfor %}", "{{ ", "{{ 'a }}",
                             "{# a", "{% if", "{{}}", "{% %}", "{{ a b }}", "{{ a. }}", "{{ a[ }}", "{{ a[] }}", "{{ (a }}", "{{ a|}}", "{{ a is }}",
                             "{{ a = 1 }}", "{{ 1 if }}", "{{ f(a=1, 2) }}", "{% set = 1 %}", "{% for m in messages %}{% else %}", "{{ not }}",
                             "{% if true %}{% else %}{% elif true %}{% endif %}", "{%", "{{", "{#", "{{ \"\\", "{% generation %}"})
    refused(source, "t: line 1: ");
}

TEST_CASE("what cannot be computed, or is not known, is refused where it is reached, and not before") {
  CHECK(made("{% if false %}{{ strftime_now('%Y')|nothing }}{{ messages|groupby('role') }}{% endif %}x") == "x");
  refused("{{ messages|groupby('role') }}", "the filter 'groupby' is not read");
  refused("{{ messages|selectattr('role', 'sameas', 1) }}", "the test 'sameas' with an argument in selectattr");
  refused("{{ messages|selectattr('role.x') }}", "an attribute of an attribute in selectattr");
  refused("{{ messages|rejectattr('role', 'sameas') }}", "the test 'sameas' is not read");
  refused("{{ messages|map(attribute='role') }}", "arguments with names in the filter map");
  refused("{{ 'a' is upper }}", "the test 'upper' is not read");
  refused("{{ 'a'.format() }}", "the method .format() of a text is not read");
  refused("{{ messages.append(1) }}", "the method .append() of a list");
  refused("{{ messages[0].pop('role') }}", "the method .pop() of an object");
  refused("{{ strftime_now('%Y') }}", "the function strftime_now()");
  refused("{{ ''.__class__.__mro__ }}", "it has no __mro__");
  refused("{{ nothing.role }}", "'nothing' is undefined, it has no role");
  refused("\n\n{{ nothing['a'] }}", "line 3");
  refused("{{ nothing + 'a' }}", "undefined is 'nothing'");
  refused("{{ 'a' + 1 }}", "a text + a number cannot be computed");
  refused("{{ 'a' * 3 }}", "a text * a number");
  refused("{{ none < 1 }}", "cannot be compared");
  refused("{{ 1 // 0 }}", "a division by 0");
  refused("{{ 999999999999999 * 999999999999999 }}", "is too large");
  refused("{{ messages }}", "a list is written");
  refused("{{ messages[0].items }}", "the method items is not called");
  refused("{{ 'a'.strip }}", "the method strip is not called");
  refused("{{ namespace }}", "the function namespace is not called");
  refused("{{ 'a'[::0] }}", "[::0] goes nowhere");
  refused("{{ 'a'['b':] }}", "in the bounds [:]");
  refused("{{ '\xC3\xA9'|upper }}", "outside of ASCII");
  refused("{% for a, b in messages %}{% endfor %}", "for 2 names of a loop");
  refused("{% for x in 3 %}{% endfor %}", "a number has no elements");
  refused("{% set x = 1 %}{% set x.y = 2 %}", "'x' is no namespace");
  refused("{% set ns = namespace() %}{% set ns.a = ns %}", "a namespace is no part of another value");
  refused("{{ [namespace()]|length }}", "a namespace is no part of another value");
  refused("{{ 'a'.split('') }}", "split at an empty text");
  refused("{{ 'a'.split('b', 'c') }}", "split takes a number");
  refused("{{ 'a'.replace('', 'b') }}", "replace of an empty text");
  refused("{{ 'a'.strip('" + std::string(257, 'b') + "') }}", "strip of more than 256 bytes");
  refused("{{ 'a'.strip(1) }}", "a number where strip needs a text");
  refused("{{ 'a'.upper(1) }}", "upper with 1 arguments");
  refused("{{ 'a'|trim(chars='a') }}", "arguments with names in the filter trim");
  refused("{{ 'a'.split(sep='a') }}", "arguments with names in the method split");
  refused("{{ range(end=1) }}", "arguments with names in the function range");
  refused("{{ range('a') }}", "a text in range()");
  refused("{{ messages|tojson(4) }}", "tojson with arguments");
  refused("{{ 3|length }}", "a number has no length");
  refused("{{ 3|items }}", "a number has no items");
  refused("{{ 'a' is odd }}", "neither odd nor even");
  refused("{{ 1 in 'a' }}", "a number where 'in' needs a text");
  refused("{{ none.strip() }}", "the method .strip() of none");
  refused("{{ nothing|tojson }}", "an undefined value as JSON");
}

TEST_CASE("hostile templates end soon, with an Error") {
  const auto begun = std::chrono::steady_clock::now();
  const std::string warrant = "does more than its messages warrant";
  refused("{% for i in range(1000000000) %}{% endfor %}", warrant);
  const std::string deep = times(8, "{% for i in range(999) %}");
  refused(deep + times(8, "{% endfor %}"), warrant);
  refused("{% set ns = namespace(x='aaaaaaaa') %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}", warrant);
  refused("{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}", warrant);
  refused("{% set ns = namespace(x=[]) %}{% for i in range(9999) %}{% set ns.x = [ns.x] %}{% endfor %}", "lists are nested deeper than 32");
  const std::string wide = times(20, "{% set a = a ~ a ~ a ~ a %}");
  refused("{% set a = 'aaaaaaaaaaaaaaaa' %}" + wide, warrant);
  refused("{% set a = 'a' ~ messages[0].content %}" + times(20, "{% set a = a|replace('a', a) ~ a %}"), warrant);
  refused("{% set a = 'aa' %}" + times(20, "{% set a = a|join(a) %}"), warrant);
  refused(times(100, "{{ (((") + "1", "t: line 1: ");
  refused("{{ " + times(70, "(") + "1" + times(70, ")") + " }}", "nested deeper than 64");
  refused("{{ " + times(70, "[") + "1" + times(70, "]") + " }}", "nested deeper than 64");
  refused("{{ " + times(70, "1 if 1 else ") + "1 }}", "nested deeper than 64");
  refused("{{ " + times(300, "not ") + "1 }}", "nested deeper than 256");
  refused("{{ 1" + times(300, " + 1") + " }}", "nested deeper than 256");
  refused("{{ a" + times(300, "|trim") + " }}", "nested deeper than 256");
  refused("{{ a" + times(300, ".a") + " }}", "nested deeper than 256");
  refused(times(70, "{% if true %}") + times(70, "{% endif %}"), "statements are nested deeper than 64");
  refused(times(70, "{% generation %}") + times(70, "{% endgeneration %}"), "statements are nested deeper than 64");
  refused(std::string(300000, 'a'), "at most 262144 are read");
  CHECK(made(std::string(200000, 'a')).size() == 200000);
  CHECK(made("{{ " + times(200, "1 + ") + "1 }}") == "201");
  CHECK(std::chrono::steady_clock::now() - begun < std::chrono::seconds(5));
}

TEST_CASE("a long conversation is written, however long it is") {
  const std::string source = "{% for m in messages %}{{ '<' + m.role + '>' + m.content.strip() + '\n' }}{% endfor %}";
  std::vector<ChatMessage> long_one(2000, {"user", std::string(500, 'x')});
  CHECK(ChatTemplate(source).write(long_one).size() == 2000 * 507);
}

}  // namespace cmoe::template_language_test
