// Text that arrives in pieces which may end within a character: only whole characters go on.
#pragma once

#include <string>
#include <string_view>

#include "cmoe/io/utf8.hpp"

namespace cmoe {

// Whatever the bytes are, what comes out is valid UTF-8: a byte that can be no part of a character becomes U+FFFD.
class StreamDecoder {
 public:
  // What is complete now. Joined over all calls and finish() it is the whole text.
  std::string add(std::string_view bytes) {
    pending_ += bytes;
    return take(complete_utf8(pending_));
  }

  // The rest: each byte of a character that was never completed becomes U+FFFD.
  std::string finish() { return take(pending_.size()); }

 private:
  std::string take(std::size_t count) {
    std::string out;
    for (std::size_t at = 0; at < count;) {
      const std::size_t length = utf8_length(std::string_view(pending_).substr(0, count), at);
      out += length > 0 ? std::string_view(pending_).substr(at, length) : std::string_view("\xEF\xBF\xBD");
      at += length > 0 ? length : 1;
    }
    pending_.erase(0, count);
    return out;
  }

  std::string pending_;  // the beginning of a character
};

}  // namespace cmoe
