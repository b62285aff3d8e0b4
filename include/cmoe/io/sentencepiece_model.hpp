// tokenizer.model: SentencePiece's own file.
#pragma once

#include "cmoe/io/protobuf.hpp"
#include "cmoe/io/tokenizer_arrays.hpp"

namespace cmoe {

namespace detail {

inline void read_piece(ProtobufMessage message, TokenizerArrays& arrays) {
  std::string_view piece;
  float score = 0;
  auto type = TokenType::normal;
  while (const auto field = message.next()) {
    if (field->number == 1) piece = message.bytes(*field);
    if (field->number == 2) score = message.real(*field);
    if (field->number == 3) type = static_cast<TokenType>(message.whole(*field));  // checked with the arrays
  }
  arrays.tokens.emplace_back(piece);
  arrays.scores.push_back(score);
  arrays.types.push_back(type);
}

inline void read_trainer(ProtobufMessage message, TokenizerArrays& arrays) {
  const std::string& name = arrays.name;
  std::int32_t model = 1;
  bool space_behind = false;
  arrays.byte_fallback = false;
  while (const auto field = message.next()) {
    switch (field->number) {
      case 3:
        model = message.whole(*field);
        break;
      case 24:
        space_behind = message.flag(*field);
        break;
      case 35:
        arrays.byte_fallback = message.flag(*field);
        break;
      case 41:
        arrays.bos = message.whole(*field);
        break;
      case 42:
        arrays.eos = message.whole(*field);
        break;
      case 43:
        arrays.pad = message.whole(*field);
        break;
      case 44:
        arrays.unknown_text = message.bytes(*field);
        break;
      default:
        break;  // how it was trained
    }
  }
  check(model == 1 || model == 2, ErrorKind::format, name, ": SentencePiece model type ", model,
        " is neither unigram (1) nor BPE (2)");
  check(!space_behind, ErrorKind::format, name, ": treat_whitespace_as_suffix is not supported");
  arrays.model = model == 1 ? "t5" : "llama";
}

inline void read_normalizer(ProtobufMessage message, TokenizerArrays& arrays) {
  bool add_space = true, remove_extra = true, escape = true;
  while (const auto field = message.next()) {
    if (field->number == 2) arrays.charsmap = message.bytes(*field);
    if (field->number == 3) add_space = message.flag(*field);
    if (field->number == 4) remove_extra = message.flag(*field);
    if (field->number == 5) escape = message.flag(*field);
  }
  check(escape, ErrorKind::format, arrays.name, ": escape_whitespaces false is not supported");
  arrays.spaces = SpaceRules::of_model(add_space, remove_extra);
}

}  // namespace detail

// Fields: sentencepiece_model.proto of the SentencePiece project, numbers as in its release 0.2. Fields without meaning for
// encoding and decoding are passed over.
// throws Error format if the file is cut, a field has another type than it must have, or asks for what is not supported
inline TokenizerArrays parse_sentencepiece_model(std::string_view contents, const std::string& name) {
  TokenizerArrays arrays;
  arrays.name = name;
  arrays.model = "t5";  // what a file that does not say means
  arrays.marks_in_text = arrays.byte_fallback = false;
  arrays.bos = 1;
  arrays.eos = 2;
  arrays.spaces = SpaceRules::of_model(true, true);
  ProtobufMessage message(contents, name);
  while (const auto field = message.next()) {
    if (field->number == 1) detail::read_piece({message.bytes(*field), name}, arrays);
    if (field->number == 2) detail::read_trainer({message.bytes(*field), name}, arrays);
    if (field->number == 3) detail::read_normalizer({message.bytes(*field), name}, arrays);
  }
  const auto present = [&](std::optional<Id>& id) {
    const bool inside = id && *id >= 0 && std::cmp_less(*id, arrays.tokens.size());
    const bool control = inside && arrays.types[static_cast<std::size_t>(*id)] == TokenType::control;
    if (!control) id.reset();  // -1: the vocabulary has none
  };
  present(arrays.bos);
  present(arrays.eos);
  present(arrays.pad);
  return arrays;
}

}  // namespace cmoe
