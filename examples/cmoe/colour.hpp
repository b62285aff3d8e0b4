// Colours where a person reads: on a terminal, unless NO_COLOR is set; never in what is piped into a file or another program.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <string>

namespace program {

inline bool coloured(int descriptor) {
  const char* none = std::getenv("NO_COLOR");  // https://no-color.org
  const char* kind = std::getenv("TERM");
  return isatty(descriptor) != 0 && (none == nullptr || *none == '\0') && !(kind != nullptr && std::string(kind) == "dumb");
}

inline std::string bold(const std::string& text, int descriptor) { return coloured(descriptor) ? "\033[1m" + text + "\033[0m" : text; }
inline std::string red(const std::string& text, int descriptor) { return coloured(descriptor) ? "\033[1;31m" + text + "\033[0m" : text; }

}  // namespace program
