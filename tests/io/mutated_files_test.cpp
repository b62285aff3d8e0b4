// Thousands of damaged files of every format: each is read, or refused by an Error, and nothing else happens. Built with the
// address and undefined-behaviour sanitizers always. Damage knows the formats: random bytes alone would rarely get past the first
// field.
#include <doctest/doctest.h>
#include <sys/wait.h>

#include "cmoe/io/llama2c.hpp"
#include "cmoe/io/stream.hpp"
#include "cmoe/io/tokenizer.hpp"
#include "io/damage.hpp"
#include "io/samples.hpp"

namespace cmoe::mutated_files_test {

using namespace damaged;

namespace {

std::vector<Format> formats() {
  const auto as_is = [](const std::string& inner) { return inner; };
  std::vector<Format> all;

  const std::string tensors = samples::safetensors();
  std::uint64_t header_length = 0;
  std::memcpy(&header_length, tensors.data(), 8);
  const auto read_tensors = [](const std::string& file) {
    const SafeTensors parsed = SafeTensors::parse(file, "damaged.safetensors");
    for (const StoredTensor& tensor : parsed.tensors()) {
      if (tensor.shape.size() > 1'000'000) continue;
      if (tensor.dtype == DType::i64)
        tensor.values<Id>();
      else
        tensor.values<float>();
    }
    parsed.at("absent");
  };
  all.push_back({"safetensors", tensors, as_is, read_tensors, {0, 4}, mutants / 2});
  all.push_back(
      {"safetensors header",
       tensors.substr(8, header_length),  // the length before the header is kept right
       [data = tensors.substr(8 + header_length)](const std::string& header) { return samples::container(header, data); },
       read_tensors,
       {},
       mutants / 2});

  for (int version : {0, 1, 2}) {
    Format format{"llama2.c " + std::to_string(version),
                  samples::llama2c(version),
                  as_is,
                  [](const std::string& file) { parse_llama2c(as_bytes(file), "damaged.bin"); },
                  {},
                  mutants / 3};
    for (std::size_t field = 0; field < (version == 0 ? 7u : 9u); ++field) format.numbers.push_back(4 * field);
    if (version == 2) format.numbers.push_back(37);
    all.push_back(format);
  }

  Format tokens{"tokenizer.bin",
                samples::tokenizer(),
                as_is,
                [](const std::string& file) {
                  const Tokenizer tokenizer = Llama2cTokenizer::parse(file, "damaged.bin");
                  const std::string text = "abab \xC3\xA9 baab\n\xFF";
                  const std::vector<Id> ids = tokenizer.encode(text);
                  // Nothing else may come back: a damaged vocabulary merges differently but spells the same bytes.
                  if (tokenizer.decode(ids) != text) throw std::logic_error("the text did not come back");
                },
                {0}};
  for (std::size_t at = 4; at + 8 <= tokens.inner.size();) {
    tokens.numbers.push_back(at);
    tokens.numbers.push_back(at + 4);
    std::int32_t length = 0;
    std::memcpy(&length, tokens.inner.data() + at + 4, 4);
    at += 8 + static_cast<std::size_t>(length);
  }
  all.push_back(tokens);

  all.push_back({"TRACE",
                 samples::trace(),
                 as_is,
                 [](const std::string& file) { trace_scoring(trace_items(parse_json(file, "t.json"), "t.json")); },
                 {},
                 mutants / 2});
  all.push_back({"Natural Instructions",
                 samples::instructions(),
                 as_is,
                 [](const std::string& file) { instruction_items(parse_json(file, "t.json"), false, "t.json"); },
                 {},
                 mutants / 2});
  const auto read_table = [](const std::string& file) {
    parse_labelled_text(gunzip(file, "t.tsv.gz", 1 << 20), "t", "t.tsv.gz");
  };
  all.push_back({"tsv.gz", samples::gzip(samples::table()), as_is, read_table, {}});
  all.push_back({"tsv in gz", samples::table(), samples::gzip, read_table, {}});
  all.push_back({"txt",
                 "A plain text with \xC3\xA9 and \xE2\x82\xAC, long enough to be split in three parts.",
                 as_is,
                 [](const std::string& file) { parse_plain_text(file, "t", "t.txt"); },
                 {}});
  return all;
}

}  // namespace

TEST_CASE("undamaged files are read") {
  for (const Format& format : formats()) {
    std::string what;
    CAPTURE(format.name);
    const Outcome got = outcome(format, format.wrap(format.inner), what);
    if (format.name.starts_with("safetensors"))
      CHECK(what.find("no tensor 'absent'") != std::string::npos);  // its last question has no answer
    else
      CHECK(got == Outcome::read);
  }
}

TEST_CASE("damaged files are read or refused by an Error, and nothing else happens") {
  for (const Format& format : formats()) {
    CAPTURE(format.name);
    const Counts counts = run(format, true);
    CHECK(counts.faults == 0);
    CHECK(counts.refused > format.mutations / 20);
  }
}

TEST_CASE("the harness notices a reader that lets another exception through") {
  Format broken{"broken",
                samples::llama2c(1),
                [](const std::string& inner) { return inner; },
                [](const std::string& file) { parse_llama2c(as_bytes(file), "x"), std::stoi(file.substr(300)); },
                {0},
                100};
  CHECK(run(broken, false).faults > 0);
  broken.read = [](const std::string& file) { (void)file.at(1500); };
  CHECK(run(broken, false).faults > 0);
  broken.mutations = 1;
  broken.read = [](const std::string&) { throw 7; };
  CHECK(run(broken, false).faults == 1);
  broken.read = [](const std::string&) { throw Error(ErrorKind::format, "two\nlines"); };
  CHECK(run(broken, false).faults == 1);
}

TEST_CASE("the sanitizers end a reader that trusts a length in the file") {
  const auto dies = [](const std::function<void()>& act) {
    const pid_t child = ::fork();
    if (child == 0) {
      const int nowhere = ::open("/dev/null", O_WRONLY);
      ::dup2(nowhere, STDERR_FILENO);
      act();
      ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  };
  std::string file;
  samples::put(file, std::int32_t{100});
  const std::vector<char> bytes(file.begin(), file.end());
  CHECK_FALSE(dies([] {}));
  CHECK(dies([&] {  // a read past the end
    std::int32_t length = 0;
    std::memcpy(&length, bytes.data(), 4);
    volatile char last = bytes.data()[length];
    (void)last;
  }));
  CHECK(dies([&] {  // an overflowing size
    volatile std::int32_t length = 1 << 30;
    length = length * 4;
  }));
  CHECK(dies([&] { std::vector<char> huge(std::size_t{1} << 30); }));  // an allocation by a length nobody checked
}

}  // namespace cmoe::mutated_files_test
