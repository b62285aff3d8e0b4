// What the fuzzers share: an input is read, or refused by an Error of one line; all else ends the process, which libFuzzer reports.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "cmoe/core/error.hpp"

namespace fuzz {

inline int read_or_refuse(const std::uint8_t* data, std::size_t size, auto&& read) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  try {
    read(input);
  } catch (const cmoe::Error& error) {
    const std::string_view what = error.what();
    if (what.empty() || what.size() > 2000 || what.find('\n') != std::string_view::npos) std::abort();
  }
  return 0;
}

// What must hold of anything that was read.
inline void expect(bool holds) {
  if (!holds) std::abort();
}

}  // namespace fuzz
