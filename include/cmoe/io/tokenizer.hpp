// Tokenizers of every kind as one value: text to ids and back.
#pragma once

#include <variant>

#include "cmoe/io/byte_level_tokenizer.hpp"
#include "cmoe/io/byte_tokenizer.hpp"
#include "cmoe/io/llama2c_tokenizer.hpp"
#include "cmoe/io/sentencepiece_tokenizer.hpp"

namespace cmoe {

// A further kind is one more alternative with the same members.
class Tokenizer {
  auto ask(auto&& question) const { return std::visit(question, kind_); }  // first, for its deduced type

 public:
  using Kind = std::variant<ByteTokenizer, Llama2cTokenizer, ByteLevelTokenizer, SentencePieceTokenizer>;

  Tokenizer() = default;  // bytes
  Tokenizer(Kind kind) : kind_(std::move(kind)) {}
  template <class One>
  requires(!std::is_same_v<std::remove_cvref_t<One>, Tokenizer> && std::is_constructible_v<Kind, One>) Tokenizer(One&& one)
      : kind_(std::forward<One>(one)) {}

  // No special tokens are added. Those that a vocabulary recognises in a text are one token each; the text of a user who must not
  // write marks needs checking before.
  std::vector<Id> encode(std::string_view text) const {
    return ask([&](const auto& kind) { return kind.encode(text); });
  }
  // The bytes of the tokens; they may end within a character, see StreamDecoder. decode(encode(x)) == x for every x, unless the
  // vocabulary's own rules change a text: NFC (Qwen2), SentencePiece's spaces and replacements.
  // throws Error index on an id outside the vocabulary
  std::string decode(std::span<const Id> ids) const {
    return ask([&](const auto& kind) { return kind.decode(ids, false); });
  }
  // For ids that follow others: a space that begins the first of them is text.
  std::string decode_continuation(std::span<const Id> ids) const {
    return ask([&](const auto& kind) { return kind.decode(ids, true); });
  }
  // The token as the vocabulary spells it.
  std::string piece(Id id) const {
    return ask([&](const auto& kind) { return kind.piece(id); });
  }
  Id size() const {
    return ask([](const auto& kind) { return kind.size(); });
  }

  std::optional<Id> bos() const {
    return ask([](const auto& kind) { return kind.bos(); });
  }
  std::optional<Id> eos() const {
    return ask([](const auto& kind) { return kind.eos(); });
  }
  // Stands between a prompt and its answer.
  std::optional<Id> separator() const {
    return separator_ ? separator_ : ask([](const auto& kind) { return kind.separator(); });
  }
  // Another one than the vocabulary's, or one where it has none. throws Error index on an id outside the vocabulary
  void separate_by(Id id) {
    check(id >= 0 && id < size(), ErrorKind::index, "tokenizer: the separator ", id, " is not one of ", size(), " tokens");
    separator_ = id;
  }
  std::optional<Id> pad() const {
    return ask([](const auto& kind) { return kind.pad(); });
  }

  const Kind& kind() const { return kind_; }

 private:
  Kind kind_;
  std::optional<Id> separator_;
};

// From plain arrays, as GGUF metadata holds them.
// throws Error format on a `model` other than gpt2, llama and t5, and on all that the kinds refuse
inline Tokenizer make_tokenizer(const TokenizerArrays& arrays) {
  if (arrays.model == "gpt2") return ByteLevelTokenizer(arrays);
  return SentencePieceTokenizer(arrays);
}

}  // namespace cmoe
