// Progress on stderr: one line that is written over on a terminal, plain lines elsewhere, nothing when quiet.
#pragma once

#include <string>

namespace program {

class Progress {
 public:
  explicit Progress(bool quiet);
  ~Progress();
  void update(const std::string& line);  // may be written over by the next
  void keep(const std::string& line);    // stays
  double seconds() const;                // since construction

 private:
  bool quiet_, terminal_, open_ = false;
  double begun_, shown_ = -1e9;
};

double now();                        // seconds of a steady clock
std::string fixed(double value, int digits);
std::string padded(const std::string& text, std::size_t width);       // to the right
std::string left(const std::string& text, std::size_t width);

}  // namespace program
