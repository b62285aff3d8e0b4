// What a model's files say, beside its vocabulary, about how texts begin and end.
#pragma once

#include "cmoe/io/gguf_vocabulary.hpp"
#include "cmoe/io/hf_folder.hpp"
#include "cmoe/io/read_tokenizer.hpp"

namespace cmoe {

// What begins and ends a text, as the model's files say.
struct TextMarks {
  std::vector<Id> ends;        // any of them ends an answer
  std::optional<bool> begins;  // whether the beginning token is put in front of texts; nothing: the files do not say
};

// tokenizer.ggml.eos_token_id, eot_token_id, eom_token_id and add_bos_token; without the last, byte-level vocabularies but Llama 3's put
// nothing in front, as llama.cpp has it.
inline TextMarks gguf_text_marks(const Gguf& file) {
  TextMarks marks;
  for (const char* key : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"})
    if (const auto id = file.optional<Id>(key)) marks.ends.push_back(*id);
  marks.begins = file.optional<bool>("tokenizer.ggml.add_bos_token");
  const auto text = [&](const char* key) { return file.optional<std::string>(key).value_or(""); };
  if (!marks.begins && text("tokenizer.ggml.model") == "gpt2") marks.begins = text("tokenizer.ggml.pre") == "llama-bpe";
  return marks;
}

namespace detail {

// Whether the last step of a tokenizer.json puts a token in front of a text. Parts that are not as expected put none.
inline bool begins_texts(const Json& step) {
  const auto member = [](const Json& of, const char* key) { return of.is_object() && of.contains(key) ? of[key] : Json(); };
  if (const Json steps = member(step, "processors"); steps.is_array())
    return std::any_of(steps.begin(), steps.end(), [](const Json& inner) { return begins_texts(inner); });
  const Json single = member(step, "single");
  return single.is_array() && !single.empty() && single[0].is_object() && single[0].contains("SpecialToken");
}

}  // namespace detail

// Of a Hugging Face folder: the ends of read_hf_special_ids; add_bos_token of tokenizer_config.json, else what the post_processor of
// tokenizer.json does; vocabularies with merges put nothing in front. throws Error (format)
inline TextMarks hf_text_marks(const Path& folder) {
  TextMarks marks;
  marks.ends = read_hf_special_ids(folder).ends;
  const std::string name = (folder / "tokenizer_config.json").string();
  if (const auto config = detail::json_beside(folder, "tokenizer_config.json")) marks.begins = optional<bool>(*config, "add_bos_token", name);
  if (marks.begins) return marks;
  if (const auto tokenizer = detail::json_beside(folder, "tokenizer.json"))
    marks.begins = tokenizer->contains("post_processor") && detail::begins_texts((*tokenizer)["post_processor"]);
  else if (std::filesystem::exists(folder / "merges.txt") || std::filesystem::exists(folder / "vocab.bpe"))
    marks.begins = false;
  return marks;
}

}  // namespace cmoe
