#include "progress.hpp"

#include <unistd.h>

#include <chrono>
#include <cstdio>

namespace program {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

std::string fixed(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string padded(const std::string& text, std::size_t width) {
  return text.size() >= width ? text : std::string(width - text.size(), ' ') + text;
}
std::string left(const std::string& text, std::size_t width) {
  return text.size() >= width ? text : text + std::string(width - text.size(), ' ');
}

Progress::Progress(bool quiet) : quiet_(quiet), terminal_(isatty(STDERR_FILENO) != 0), begun_(now()) {}

Progress::~Progress() {
  if (open_) std::fputs("\n", stderr);
}

double Progress::seconds() const { return now() - begun_; }

void Progress::update(const std::string& line) {
  if (quiet_) return;
  const double at = now();
  if (at - shown_ < (terminal_ ? 0.1 : 5.0)) return;  // a log is no place for every step
  shown_ = at;
  if (terminal_) std::fprintf(stderr, "\r\033[K%s", line.c_str());
  else std::fprintf(stderr, "%s\n", line.c_str());
  std::fflush(stderr);
  open_ = terminal_;
}

void Progress::keep(const std::string& line) {
  if (quiet_) return;
  std::fprintf(stderr, "%s%s\n", open_ ? "\r\033[K" : "", line.c_str());
  std::fflush(stderr);
  open_ = false;
}

}  // namespace program
