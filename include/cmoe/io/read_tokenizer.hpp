// Any tokenizer file or folder as a Tokenizer: what is there is found and read.
#pragma once

#include "cmoe/io/sentencepiece_model.hpp"
#include "cmoe/io/tokenizer.hpp"
#include "cmoe/io/tokenizer_json.hpp"

namespace cmoe {

// vocab.json (GPT-2 calls it encoder.json) with merges.txt (vocab.bpe): token -> id, and "left right" a line, best first. The
// files do not name their pre-tokeniser: `pre` does. <|endoftext|>, where it is a token, begins and ends texts. throws Error
// format on an id that is missing or stands twice, or a line that is no merge
inline TokenizerArrays parse_vocabulary_and_merges(std::string_view vocabulary, std::string_view merges, const std::string& name,
                                                   const std::string& pre = "gpt-2") {
  TokenizerArrays arrays;
  arrays.name = name;
  arrays.pre = pre;
  const Json ids = parse_json(vocabulary, name, 2);
  check(ids.is_object(), ErrorKind::format, name, ": the vocabulary is no JSON object of tokens and ids");
  arrays.tokens.resize(ids.size());
  std::vector<bool> seen(ids.size(), false);
  for (const auto& [token, value] : ids.items()) {
    const auto id = detail::json_value<Id>(value);
    check(id && *id >= 0 && std::cmp_less(*id, seen.size()) && !seen[static_cast<std::size_t>(*id)], ErrorKind::format, name,
          ": token '", printable(token), "' has no id of its own below ", seen.size());
    seen[static_cast<std::size_t>(*id)] = true;
    arrays.tokens[static_cast<std::size_t>(*id)] = token;
    if (token != "<|endoftext|>") continue;
    arrays.added.push_back({.content = token, .id = *id, .special = true});
    arrays.bos = arrays.eos = *id;
  }
  for (bool first = true; !merges.empty(); first = false) {
    const std::size_t end = std::min(merges.find('\n'), merges.size());
    std::string_view line = merges.substr(0, end);
    merges.remove_prefix(std::min(end + 1, merges.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty() && !(first && line.starts_with("#version"))) arrays.merges.push_back(split_merge(line, name));
  }
  return arrays;
}

namespace detail {

inline std::optional<Json> json_beside(const Path& folder, const char* file) {
  const Path path = folder / file;
  if (!std::filesystem::exists(path)) return std::nullopt;
  Json json = read_json(path);
  check(json.is_object(), ErrorKind::format, path.string(), ": not a JSON object");
  return json;
}

// A token as tokenizer_config.json and special_tokens_map.json write it: a text, or an object with its content.
inline std::optional<std::string> named_token(const Json& config, const char* key, const std::string& name) {
  const auto found = config.find(key);
  if (found == config.end() || found->is_null()) return std::nullopt;
  return found->is_object() ? optional<std::string>(*found, "content", name) : optional<std::string>(config, key, name);
}

inline void append_added(TokenizerArrays& arrays, const AddedToken& token) {
  const auto at = static_cast<std::size_t>(token.id);
  if (token.id >= 0 && at == arrays.tokens.size()) {
    arrays.tokens.push_back(token.content);
    if (!arrays.scores.empty()) arrays.scores.push_back(0);
    if (!arrays.types.empty()) arrays.types.push_back(token.special ? TokenType::control : TokenType::user_defined);
  }
  const bool spelt = token.id >= 0 && at < arrays.tokens.size() && arrays.tokens[at] == token.content;
  check(spelt, ErrorKind::format, arrays.name, ": the added token '", printable(token.content), "' with the id ", token.id,
        " neither is in the vocabulary nor comes next after ", arrays.tokens.size(), " tokens");
  arrays.added.push_back(token);
}

// What the files beside a vocabulary say: further tokens (unless tokenizer.json has said it), and which tokens begin, end and
// pad.
inline void read_beside(const Path& folder, bool with_added, TokenizerArrays& arrays) {
  const auto config = json_beside(folder, "tokenizer_config.json"), map = json_beside(folder, "special_tokens_map.json");
  const std::string name = (folder / "tokenizer_config.json").string();
  std::vector<AddedToken> added;
  if (const auto list = with_added ? json_beside(folder, "added_tokens.json") : std::nullopt)
    for (const auto& [content, id] : list->items())
      added.push_back({.content = content, .id = required<Id>(*list, content, (folder / "added_tokens.json").string())});
  if (with_added && config && config->contains("added_tokens_decoder")) {
    const Json& list = (*config)["added_tokens_decoder"];
    check(list.is_object(), ErrorKind::format, name, ": 'added_tokens_decoder' is no object");
    added.clear();  // it holds them all
    for (const auto& [id, entry] : list.items()) {
      check(!id.empty() && id.size() < 9 && id.find_first_not_of("0123456789") == std::string::npos, ErrorKind::format, name,
            ": '", printable(id), "' is no id");
      added.push_back({required<std::string>(entry, "content", name), static_cast<Id>(std::stol(id)),
                       optional<bool>(entry, "special", name).value_or(false),
                       optional<bool>(entry, "lstrip", name).value_or(false),
                       optional<bool>(entry, "rstrip", name).value_or(false)});
    }
  }
  if (with_added && arrays.model == "t5" && config &&
      added.empty())  // T5's sentinels stand behind its file's pieces, last one first
    for (Index left = optional<std::int16_t>(*config, "extra_ids", name).value_or(0), next = std::ssize(arrays.tokens);
         left-- > 0; ++next)
      added.push_back({"<extra_id_" + std::to_string(left) + ">", static_cast<Id>(next), true});
  std::sort(added.begin(), added.end(), [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  for (const AddedToken& token : added) append_added(arrays, token);

  const auto find = [&](const char* key, std::optional<Id>& id) {
    std::optional<std::string> token;
    if (map) token = named_token(*map, key, (folder / "special_tokens_map.json").string());
    if (config && !token) token = named_token(*config, key, name);
    if (!token) return;
    const auto found = std::find(arrays.tokens.begin(), arrays.tokens.end(), *token);
    check(found != arrays.tokens.end(), ErrorKind::format, name, ": ", key, " '", printable(*token), "' is no token of ",
          arrays.name);
    id = static_cast<Id>(found - arrays.tokens.begin());
  };
  find("bos_token", arrays.bos);
  find("eos_token", arrays.eos);
  find("pad_token", arrays.pad);
}

// vocab.json and merges.txt hold no pre-tokeniser; the class in tokenizer_config.json, where there is one, tells it.
inline std::string pre_tokeniser_beside(const Path& folder) {
  const auto config = json_beside(folder, "tokenizer_config.json");
  const std::string name = (folder / "tokenizer_config.json").string();
  const std::string type =
      config ? optional<std::string>(*config, "tokenizer_class", name).value_or("GPT2Tokenizer") : "GPT2Tokenizer";
  if (type.starts_with("GPT2Tokenizer")) return "gpt-2";
  if (type.starts_with("Qwen2Tokenizer")) return "qwen2";
  fail(ErrorKind::format, name, ": the pre-tokeniser of '", printable(type), "' is not known without a tokenizer.json");
}

}  // namespace detail

// The arrays of a file, or of the first of these in a folder: tokenizer.json; tokenizer.model or spiece.model; vocab.json with
// merges.txt; encoder.json with vocab.bpe. tokenizer_config.json, special_tokens_map.json and added_tokens.json beside it are
// read too. throws Error file if nothing is found, Error format if what is found is damaged or not understood
inline TokenizerArrays read_tokenizer_arrays(const Path& folder_or_file) {
  namespace fs = std::filesystem;
  check(fs::exists(folder_or_file), ErrorKind::file, folder_or_file.string(), ": no such file or folder");
  const bool is_folder = fs::is_directory(folder_or_file);
  const Path folder = is_folder ? folder_or_file : folder_or_file.parent_path();
  const auto path_of = [&](const char* file) -> std::optional<Path> {
    if (is_folder) return fs::exists(folder / file) ? std::optional(folder / file) : std::nullopt;
    return folder_or_file.filename() == file ? std::optional(folder_or_file) : std::nullopt;
  };
  const bool json = folder_or_file.extension() == ".json", model = folder_or_file.extension() == ".model";
  TokenizerArrays arrays;
  const auto merged = [&](const char* vocabulary, const char* merges) {
    const auto one = path_of(vocabulary), other = path_of(merges);
    if (!one && !other) return false;
    const Path first = folder / vocabulary, second = folder / merges;
    for (const Path& needed : {first, second})
      check(fs::exists(needed), ErrorKind::file, (one ? first : second).string(), ": ", needed.filename().string(),
            " is missing beside it");
    arrays =
        parse_vocabulary_and_merges(read_file(first), read_file(second), first.string(), detail::pre_tokeniser_beside(folder));
    detail::read_beside(folder, true, arrays);
    return true;
  };
  if (const auto file = path_of("tokenizer.json")) {
    arrays = parse_tokenizer_json(read_file(*file), file->string());
    detail::read_beside(folder, false, arrays);
    return arrays;
  }
  for (const char* usual : {"tokenizer.model", "spiece.model"})
    if (const auto file = path_of(usual)) {
      arrays = parse_sentencepiece_model(read_file(*file), file->string());
      detail::read_beside(folder, true, arrays);
      return arrays;
    }
  if (merged("vocab.json", "merges.txt") || merged("encoder.json", "vocab.bpe")) return arrays;
  if (!is_folder && model) return parse_sentencepiece_model(read_file(folder_or_file), folder_or_file.string());
  if (!is_folder && json) return parse_tokenizer_json(read_file(folder_or_file), folder_or_file.string());
  fail(ErrorKind::file, folder_or_file.string(), is_folder ? " holds" : " is",
       " no tokenizer; looked for tokenizer.json, tokenizer.model, "
       "spiece.model, vocab.json with merges.txt, encoder.json with vocab.bpe");
}

// The same as a Tokenizer. A file whose name ends neither in .json, .model, .txt nor .bpe is read as llama2.c's.
inline Tokenizer read_tokenizer(const Path& folder_or_file) {
  const Path ending = folder_or_file.extension();
  const bool known = ending == ".json" || ending == ".model" || ending == ".txt" || ending == ".bpe";
  if (!known && std::filesystem::is_regular_file(folder_or_file)) return Llama2cTokenizer::open(folder_or_file);
  return make_tokenizer(read_tokenizer_arrays(folder_or_file));
}

}  // namespace cmoe
