// Texts that end a stream of text: they are never shown, and neither is what may be the beginning of one.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cmoe/core/error.hpp"

namespace cmoe {

// Looks for the strings while a text grows, and holds back what may be the beginning of one.
class StopStrings {
 public:
  // throws Error (config) for an empty one
  explicit StopStrings(std::vector<std::string> stops = {}) : stops_(std::move(stops)) {
    for (const std::string& stop : stops_) check(!stop.empty(), ErrorKind::config, "a stop string is empty");
  }

  // What may be shown now: all but a stop string that is complete, what follows it, and an end that may become one. The one that is
  // complete first ends the text, of those the longest: the result does not depend on how the text was cut into pieces.
  std::string add(std::string_view text) {
    if (stopped_) return {};
    pending_ += text;
    std::size_t begin = std::string::npos, end = std::string::npos;
    for (const std::string& stop : stops_) {
      const std::size_t found = pending_.find(stop);
      if (found == std::string::npos) continue;
      if (found + stop.size() < end || (found + stop.size() == end && found < begin)) begin = found, end = found + stop.size();
    }
    stopped_ = begin != std::string::npos;
    const std::string shown = pending_.substr(0, stopped_ ? begin : pending_.size() - withheld());
    pending_.erase(0, stopped_ ? pending_.size() : shown.size());
    return shown;
  }

  // The rest, once it is known that nothing follows.
  std::string finish() { return std::exchange(pending_, {}); }

  bool stopped() const { return stopped_; }

 private:
  // The length of the longest end that begins a stop string.
  std::size_t withheld() const {
    std::size_t most = 0;
    for (const std::string& stop : stops_)
      for (std::size_t length = std::min(stop.size() - 1, pending_.size()); length > most; --length)
        if (pending_.ends_with(std::string_view(stop).substr(0, length))) most = length;
    return most;
  }

  std::vector<std::string> stops_;
  std::string pending_;
  bool stopped_ = false;
};

}  // namespace cmoe
