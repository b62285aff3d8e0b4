// A tokenizer against the ids, pieces and texts that a reference wrote down.
#pragma once

#include "cmoe/io/read_tokenizer.hpp"
#include "shared_data.hpp"

inline void compare_tokenizer(const cmoe::Tokenizer& tokenizer, const cmoe::Path& expected_path) {
  const std::string name = expected_path.string();
  const auto* sentencepiece = std::get_if<cmoe::SentencePieceTokenizer>(&tokenizer.kind());
  std::size_t count = 0;
  for (const cmoe::Json& entry : cmoe::read_json(expected_path)) {
    const std::string text = cmoe::required<std::string>(entry, "text", name);
    CAPTURE(text);
    const std::vector<cmoe::Id> ids = tokenizer.encode(text);
    CHECK(ids == cmoe::required<std::vector<cmoe::Id>>(entry, "ids", name));
    CHECK(tokenizer.decode(ids) == cmoe::optional<std::string>(entry, "decoded", name).value_or(text));
    std::string joined;
    for (cmoe::Id id : ids) joined += tokenizer.decode_continuation({&id, 1});
    CHECK(joined == tokenizer.decode_continuation(ids));
    if (const auto pieces = cmoe::optional<std::vector<std::string>>(entry, "pieces", name)) {
      REQUIRE(pieces->size() == ids.size());
      for (std::size_t i = 0; i < ids.size(); ++i)  // an unknown token stands there as the text it was made of
        if (sentencepiece == nullptr || ids[i] != sentencepiece->unknown()) CHECK(tokenizer.piece(ids[i]) == (*pieces)[i]);
    }
    ++count;
  }
  CHECK(count > 0);
}
