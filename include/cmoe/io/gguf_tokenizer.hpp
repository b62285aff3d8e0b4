// The tokenizer that a GGUF file brings with it.
#pragma once

#include "cmoe/io/gguf_vocabulary.hpp"
#include "cmoe/io/tokenizer.hpp"

namespace cmoe {

// As transformers reads such files: it cuts words of SmolLM as GPT-2 does, where the model's own tokenizer.json (and llama.cpp) let every
// numeral stand alone. SmolLM's vocabulary has no token of two digits, so ids differ only at numerals like ½ that follow a space.
// throws Error (format) for a kind that is not understood, or a vocabulary that contradicts itself
inline Tokenizer gguf_tokenizer(const Gguf& file) {
  GgufVocabulary vocabulary = gguf_vocabulary(file);
  TokenizerArrays arrays;
  arrays.name = file.name();
  arrays.model = vocabulary.model;
  if (!vocabulary.pre.empty() && vocabulary.pre != "smollm") arrays.pre = vocabulary.pre;
  arrays.tokens = std::move(vocabulary.tokens);
  arrays.scores = std::move(vocabulary.scores);
  for (const std::int32_t type : vocabulary.types) arrays.types.push_back(static_cast<TokenType>(type));
  for (const std::string& merge : vocabulary.merges) arrays.merges.push_back(split_merge(merge, file.name()));
  arrays.bos = vocabulary.begin;
  arrays.eos = vocabulary.end;
  arrays.unknown = vocabulary.unknown;
  arrays.pad = vocabulary.padding;
  arrays.spaces = SpaceRules::of_gguf(vocabulary.add_space.value_or(true), vocabulary.remove_extra_spaces.value_or(false));
  arrays.charsmap = std::move(vocabulary.charsmap);
  return make_tokenizer(std::move(arrays));
}

}  // namespace cmoe
