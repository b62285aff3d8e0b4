// Damaged files: one piece of damage after another to a file of any format, and what its reader makes of it. For executables that
// are built with the sanitizers.
#pragma once

#include <doctest/doctest.h>

#include <cstring>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "cmoe/core/error.hpp"
#include "cmoe/io/split.hpp"

namespace damaged {

using cmoe::Error;

using Random = std::mt19937;

constexpr int mutants = 20'000;  // that each reader is given in a run of the tests; scripts/fuzz gives it many more

// `inner` is what is damaged, `wrap` makes the file of it, `read` must read or refuse the file; `numbers` are positions in
// `inner` of stored 32-bit sizes.
struct Format {
  std::string name, inner;
  std::function<std::string(const std::string&)> wrap;
  std::function<void(const std::string&)> read;
  std::vector<std::size_t> numbers;
  int mutations = mutants / 10;
};

enum class Outcome { read, refused, fault };

// The heart of the harness: anything that is no Error is a fault of the reader.
inline Outcome outcome(const Format& format, const std::string& file, std::string& what) {
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

inline std::size_t below(Random& random, std::size_t bound) { return bound == 0 ? 0 : random() % bound; }

template <class T>
void overwrite(std::string& bytes, std::size_t at, T value) {
  if (at + sizeof(T) <= bytes.size()) std::memcpy(bytes.data() + at, &value, sizeof(T));
}

inline std::string odd_number(Random& random) {
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

inline std::int32_t odd_size(Random& random) {
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
inline void damage(std::string& text, const Format& format, Random& random) {
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

struct Counts {
  int read = 0, refused = 0, faults = 0;
};

inline Counts run(const Format& format, bool report) {
  Random random(static_cast<unsigned>(cmoe::detail::text_hash(format.name)));
  Counts counts;
  for (int number = 0; number < format.mutations; ++number) {
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

}  // namespace damaged
