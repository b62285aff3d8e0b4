// The byte tokenizer: every byte is a token, and four more mark padding, beginning, separation and end.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cmoe/core/shape.hpp"

namespace cmoe {

// Every byte is a token; behind the 256 stand the special ones.
class ByteTokenizer {
 public:
  std::vector<Id> encode(std::string_view text) const {
    std::vector<Id> ids;
    ids.reserve(text.size());
    for (char c : text) ids.push_back(static_cast<unsigned char>(c));
    return ids;
  }

  // The four marks decode to nothing.
  std::string decode(std::span<const Id> ids, bool /*continues*/ = false) const {
    std::string text;
    for (Id id : ids)
      if (checked(id) < 256) text += static_cast<char>(id);
    return text;
  }

  std::string piece(Id id) const {
    static constexpr std::string_view marks[] = {"<pad>", "<bos>", "<sep>", "<eos>"};
    return checked(id) < 256 ? std::string(1, static_cast<char>(id)) : std::string(marks[id - 256]);
  }

  Id size() const { return 260; }
  std::optional<Id> pad() const { return 256; }
  std::optional<Id> bos() const { return 257; }
  std::optional<Id> separator() const { return 258; }
  std::optional<Id> eos() const { return 259; }

 private:
  Id checked(Id id) const {
    check(id >= 0 && id < size(), ErrorKind::index, "byte tokenizer: token ", id, " of ", size());
    return id;
  }
};

}  // namespace cmoe
