// Thousands of damaged files of every format: each is read, or refused by an Error, and nothing else happens. Built with the
// address and undefined-behaviour sanitizers always. Damage knows the formats: random bytes alone would rarely get past the first
// field.
#include <doctest/doctest.h>
#include <sys/wait.h>

#include <chrono>
#include <limits>
#include <random>

#include "cmoe/io/llama2c.hpp"
#include "cmoe/io/stream.hpp"
#include "cmoe/io/tokenizer.hpp"
#include "io/samples.hpp"

// No damaged file of a few kilobytes may make a reader ask for much memory: the sanitizer ends the program then.
extern "C" const char* __asan_default_options();
extern "C" const char* __asan_default_options() { return "max_allocation_size_mb=64:allocator_may_return_null=0"; }

using namespace cmoe;

namespace {

using Random = std::mt19937;

// `inner` is what is damaged, `wrap` makes the file of it, `read` must read or refuse the file; `numbers` are positions in
// `inner` of stored 32-bit sizes.
struct Format {
  std::string name, inner;
  std::function<std::string(const std::string&)> wrap;
  std::function<void(const std::string&)> read;
  std::vector<std::size_t> numbers;
};

enum class Outcome { read, refused, fault };

// The heart of the harness: anything that is no Error is a fault of the reader.
Outcome outcome(const Format& format, const std::string& file, std::string& what) {
  try {
    format.read(file);
    return Outcome::read;
  } catch (const Error& error) {
    what = error.what();
    return what.empty() || what.find('\n') != std::string::npos || what.size() > 2000 ? Outcome::fault : Outcome::refused;
  } catch (const std::exception& error) {
    what = error.what();
  } catch (...) {
    what = "not even a std::exception";
  }
  return Outcome::fault;
}

std::size_t below(Random& random, std::size_t bound) { return bound == 0 ? 0 : random() % bound; }

template <class T>
void overwrite(std::string& bytes, std::size_t at, T value) {
  if (at + sizeof(T) <= bytes.size()) std::memcpy(bytes.data() + at, &value, sizeof(T));
}

std::string odd_number(Random& random) {
  static const std::vector<std::string> numbers = {"0",
                                                   "1",
                                                   "-1",
                                                   "2",
                                                   "3",
                                                   "8",
                                                   "255",
                                                   "65536",
                                                   "2147483647",
                                                   "2147483648",
                                                   "4294967295",
                                                   "4294967296",
                                                   "9223372036854775807",
                                                   "9223372036854775808",
                                                   "18446744073709551615",
                                                   "18446744073709551616",
                                                   "1e3",
                                                   "1.5",
                                                   "-0",
                                                   "01",
                                                   "1e999",
                                                   "null",
                                                   "true",
                                                   "[]",
                                                   "{}",
                                                   "\"\""};
  return numbers[below(random, numbers.size())];
}

std::int32_t odd_size(Random& random) {
  static const std::vector<std::int32_t> sizes = {0,
                                                  1,
                                                  -1,
                                                  2,
                                                  3,
                                                  4,
                                                  5,
                                                  7,
                                                  8,
                                                  16,
                                                  127,
                                                  128,
                                                  255,
                                                  4096,
                                                  65536,
                                                  1 << 24,
                                                  1 << 30,
                                                  std::numeric_limits<std::int32_t>::max(),
                                                  std::numeric_limits<std::int32_t>::min()};
  return sizes[below(random, sizes.size())];
}

// One piece of damage.
void damage(std::string& text, const Format& format, Random& random) {
  const std::size_t at = below(random, text.size());
  const std::size_t length = 1 + below(random, 24);
  switch (random() % 14) {
    case 0:  // one bit
      if (!text.empty()) text[at] = static_cast<char>(text[at] ^ (1 << (random() % 8)));
      break;
    case 1:  // one byte that means something somewhere
      if (!text.empty()) text[at] = std::string("\0\xFF\x80\x7F\"{}[],:\\ \t\n\r09-", 19)[below(random, 19)];
      break;
    case 2:
      text.resize(at);
      break;
    case 3:
      text.erase(at, length);
      break;
    case 4:
      text.insert(at, text.substr(below(random, text.size()), length));
      break;
    case 5:
      text += text.substr(at, length);
      break;
    case 6:
      overwrite(text, at, odd_size(random));
      break;
    case 7:
      overwrite(text, at, std::uint64_t{1} << (random() % 64));
      break;
    case 8:  // a stored size
      if (!format.numbers.empty()) overwrite(text, format.numbers[below(random, format.numbers.size())], odd_size(random));
      break;
    case 9: {  // a decimal number
      const std::size_t digit = text.find_first_of("0123456789", at);
      if (digit == std::string::npos) break;
      const std::size_t end = std::min(text.find_first_not_of("0123456789", digit), text.size());
      text.replace(digit, end - digit, odd_number(random));
      break;
    }
    case 10: {  // a member or an element a second time
      const std::size_t begin = text.find_first_of("\"{[", at), end = text.find_first_of(",}]", begin);
      if (end == std::string::npos) break;
      text.insert(end, "," + text.substr(begin, end - begin));
      break;
    }
    case 11: {  // two ranges change places
      const std::size_t other = below(random, text.size()), first = std::min(at, other), second = std::max(at, other);
      const std::size_t size = std::min({length, second - first, text.size() - second});
      std::swap_ranges(text.begin() + static_cast<std::ptrdiff_t>(first),
                       text.begin() + static_cast<std::ptrdiff_t>(first + size),
                       text.begin() + static_cast<std::ptrdiff_t>(second));
      break;
    }
    case 12: {  // a string's contents
      static const std::vector<std::string> odd = {
          "",        "\\u0000",      "\\ud800", "\\udc00\\ud800", "\xC0\xAF", "\xED\xA0\x80", "\\",
          "../../x", "__metadata__", "F4",      "BOOL",           "I64"};
      const std::size_t quote = text.find('"', at), end = quote == std::string::npos ? quote : text.find('"', quote + 1);
      if (end != std::string::npos) text.replace(quote + 1, end - quote - 1, odd[below(random, odd.size())]);
      break;
    }
    default: {  // deep
      static const std::vector<std::string> open = {"[", "{\"a\":", "[[{\"b\":["};
      std::string deep;
      const std::string& step = open[below(random, open.size())];
      for (std::size_t i = 0; i < 1 + 50 * length; ++i) deep += step;
      text.insert(at, deep);
    }
  }
}

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
  all.push_back({"safetensors", tensors, as_is, read_tensors, {0, 4}});
  all.push_back(
      {"safetensors header",
       tensors.substr(8, header_length),  // the length before the header is kept right
       [data = tensors.substr(8 + header_length)](const std::string& header) { return samples::container(header, data); },
       read_tensors,
       {}});

  for (int version : {0, 1, 2}) {
    Format format{"llama2.c " + std::to_string(version),
                  samples::llama2c(version),
                  as_is,
                  [](const std::string& file) { parse_llama2c(as_bytes(file), "damaged.bin"); },
                  {}};
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
                 {}});
  all.push_back({"Natural Instructions",
                 samples::instructions(),
                 as_is,
                 [](const std::string& file) { instruction_items(parse_json(file, "t.json"), false, "t.json"); },
                 {}});
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

constexpr int mutations_each = 3000;

struct Counts {
  int read = 0, refused = 0, faults = 0;
};

Counts run(const Format& format, int mutations, bool report) {
  Random random(static_cast<unsigned>(detail::text_hash(format.name)));
  Counts counts;
  for (int number = 0; number < mutations; ++number) {
    std::string inner = format.inner;
    for (std::size_t pieces = 1 + random() % 3; pieces > 0; --pieces) damage(inner, format, random);
    std::string what;
    switch (outcome(format, format.wrap(inner), what)) {
      case Outcome::read:
        ++counts.read;
        break;
      case Outcome::refused:
        ++counts.refused;
        break;
      case Outcome::fault:
        ++counts.faults;
        if (report && counts.faults <= 3) FAIL_CHECK(format.name << ", mutation " << number << ": " << what);
    }
  }
  return counts;
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
  const auto start = std::chrono::steady_clock::now();
  int total = 0;
  for (const Format& format : formats()) {
    CAPTURE(format.name);
    const Counts counts = run(format, mutations_each, true);
    CHECK(counts.faults == 0);
    CHECK(counts.refused > mutations_each / 20);
    total += mutations_each;
  }
  CHECK(total >= 10'000);
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(60));
}

TEST_CASE("the harness notices a reader that lets another exception through") {
  Format broken{"broken",
                samples::llama2c(1),
                [](const std::string& inner) { return inner; },
                [](const std::string& file) { parse_llama2c(as_bytes(file), "x"), std::stoi(file.substr(300)); },
                {0}};
  CHECK(run(broken, 100, false).faults > 0);
  broken.read = [](const std::string& file) { (void)file.at(1500); };
  CHECK(run(broken, 100, false).faults > 0);
  broken.read = [](const std::string&) { throw 7; };
  CHECK(run(broken, 1, false).faults == 1);
  broken.read = [](const std::string&) { throw Error(ErrorKind::format, "two\nlines"); };
  CHECK(run(broken, 1, false).faults == 1);
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
