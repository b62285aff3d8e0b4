// Thousands of damaged tokenizer files of every format, and chat templates: each is read and used, or refused by an Error. Built with
// the sanitizers.
#include <doctest/doctest.h>

#include "cmoe/io/chat_template.hpp"
#include "io/damage.hpp"
#include "io/samples.hpp"
#include "io/tokenizer_samples.hpp"

namespace cmoe::mutated_tokenizers_test {

using namespace damaged;

namespace {

const std::string text = "hello  ab<|end|>A\tb 123 \xC3\xA9\xE7\x8C\xAB e\xCC\x81 </s>\xFF\n'S";

void use(const TokenizerArrays& arrays) {
  const Tokenizer tokenizer = make_tokenizer(arrays);
  for (Id id : tokenizer.encode(text)) {
    if (id < 0 || id >= tokenizer.size()) throw std::logic_error("an id outside the vocabulary");
    (void)tokenizer.piece(id);
  }
  std::vector<Id> all(static_cast<std::size_t>(tokenizer.size()));
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<Id>(i);
  (void)tokenizer.decode(all);
}

std::vector<Format> formats() {
  const auto as_is = [](const std::string& inner) { return inner; };
  const auto read_json = [](const std::string& file) { use(parse_tokenizer_json(file, "damaged.json")); };
  const auto read_model = [](const std::string& file) { use(parse_sentencepiece_model(file, "damaged.model")); };
  const TokenizerArrays words = samples::byte_level();
  const std::string vocabulary = samples::vocabulary(words).dump(), merges = samples::merge_lines(words);
  std::vector<Format> all;
  all.push_back({"tokenizer.json byte level", samples::byte_level_json().dump(), as_is, read_json, {}, mutants / 3});
  all.push_back({"tokenizer.json unigram", samples::unigram_json().dump(), as_is, read_json, {}, mutants / 3});
  Json parts = samples::byte_level_json();
  parts["model"].erase("vocab");
  all.push_back({"tokenizer.json but its vocabulary",
                 parts.dump(),
                 [vocabulary](const std::string& inner) {
                   std::string file = inner;
                   const std::size_t at = file.find("\"merges\"");
                   if (at != std::string::npos) file.insert(at, "\"vocab\":" + vocabulary + ",");
                   return file;
                 },
                 read_json,
                 {},
                 mutants / 3});
  for (const char* model : {"t5", "llama"}) {
    const std::string name = std::string("tokenizer.model ") + model;
    all.push_back({name, samples::sentencepiece_model(samples::pieces(model, false)), as_is, read_model, {}, mutants / 4});
    all.push_back({name + " with charsmap",
                   samples::sentencepiece_model(samples::pieces(model), true, samples::charsmap({{'A', "a"}, {'\t', " "}})),
                   as_is,
                   read_model,
                   {},
                   mutants / 4});
  }
  const std::string map = samples::charsmap({{'A', "a"}, {'\t', " "}, {'b', ""}});
  all.push_back({"charsmap",
                 map.substr(4 + 4 * 256, 4 * 512),
                 [map](const std::string& inner) {
                   std::string changed = map;
                   return changed.replace(4 + 4 * 256, 4 * 512, inner);
                 },
                 [](const std::string& file) {
                   TokenizerArrays arrays = samples::pieces("t5");
                   arrays.charsmap = file;
                   use(arrays);
                 },
                 {4 * ('A' ^ 0), 4 * ('A' ^ 256u), 4 * '\t'}});
  all.push_back({"vocab.json",
                 vocabulary,
                 as_is,
                 [merges](const std::string& file) { use(parse_vocabulary_and_merges(file, merges, "vocab.json")); },
                 {}});
  all.push_back(
      {"merges.txt",
       merges,
       as_is,
       [vocabulary](const std::string& file) { use(parse_vocabulary_and_merges(vocabulary, file, "merges.txt", "qwen2")); },
       {}});
  all.push_back({"chat template",
                 "{%- set ns = namespace(n=0, last=messages|length - 1) %}\n{%- for m in messages[::-1] if m.role is string %}\n  {%- set ns.n = ns.n + "
                 "loop.index0 %}\n{%- endfor %}\n{%- for message in messages %}{# c #}\n  {%- if message.role == 'user' or loop.last and not x is "
                 "defined %}\n{{- '<|' ~ message['role'] ~ '|>\\n' + message.content.split('a', 2)[-1].strip() | trim + eos_token | default('') }}"
                 "\n  {%- elif 'b' in message.content %}{{ (range(3)|join('-')) ~ message | tojson }}{% else %}{{ [1, 'a'][0] // 2 * 3 % 2 }}\n"
                 "  {%- endif %}{% for k, v in message.items() %}{{ k[1:] ~ v[::2] }}{% endfor %}\n{%- endfor %}",
                 as_is,
                 [](const std::string& file) { ChatTemplate(file).write({{"user", "ab a \xC3\xA9"}, {"assistant", "cb"}, {"user", "aa"}}); },
                 {},
                 mutants});
  return all;
}

}  // namespace

TEST_CASE("undamaged tokenizer files are read and used") {
  for (const Format& format : formats()) {
    std::string what;
    CAPTURE(format.name);
    CHECK(outcome(format, format.wrap(format.inner), what) == Outcome::read);
    CAPTURE(what);
  }
}

TEST_CASE("damaged tokenizer files are read or refused by an Error, and nothing else happens") {
  for (const Format& format : formats()) {
    CAPTURE(format.name);
    const Counts counts = run(format, true);
    CHECK(counts.faults == 0);
    CHECK(counts.read + counts.refused == format.mutations);
    if (format.name != "charsmap") CHECK(counts.refused > format.mutations / 25);  // a charsmap's links are checked when they are followed
  }
}

TEST_CASE("a tokenizer.model cut anywhere is read or refused, and never read past its end") {
  const std::string whole =
      samples::sentencepiece_model(samples::pieces("t5", false), true, samples::charsmap({{'A', "a"}}).substr(0, 200));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const std::vector<char> bytes(whole.begin(),
                                  whole.begin() + static_cast<std::ptrdiff_t>(size));  // ends where the heap block ends
    try {
      use(parse_sentencepiece_model({bytes.data(), bytes.size()}, "cut.model"));
    } catch (const Error&) {
    }
  }
}

}  // namespace cmoe::mutated_tokenizers_test
