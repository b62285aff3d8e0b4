// tokenizer.json: the file of Hugging Face's tokenizers library, as far as byte-level BPE and SentencePiece vocabularies use it.
#pragma once

#include "cmoe/io/base64.hpp"
#include "cmoe/io/json.hpp"
#include "cmoe/io/tokenizer_arrays.hpp"

namespace cmoe {

namespace detail {

class TokenizerJson {
 public:
  TokenizerJson(const Json& file, const std::string& name) : file_(file), name_(name) {
    check(file.is_object() && file.contains("model") && file["model"].is_object(), ErrorKind::format, name,
          ": not a tokenizer.json: 'model' is missing");
    arrays_.name = name;
  }

  TokenizerArrays read() {
    const Json& model = file_["model"];
    const bool pairs = model.contains("vocab") && model["vocab"].is_array();
    const std::string type = optional<std::string>(model, "type", name_).value_or(pairs ? "Unigram" : "BPE");
    check(type == "BPE" || type == "Unigram", ErrorKind::format, name_, ": the model type '", printable(type),
          "' is not understood; BPE and Unigram are");
    const std::vector<const Json*> steps = flattened("pre_tokenizer", "pretokenizers");
    const bool byte_level = type == "BPE" && !steps.empty() && kind(*steps.back()) == "ByteLevel";
    arrays_.model = byte_level ? "gpt2" : type == "BPE" ? "llama" : "t5";
    if (type == "BPE")
      read_vocabulary(model);
    else
      read_scores(model);
    read_added();
    check(!holes(), ErrorKind::format, name_, ": token ", first_hole(), " of ", arrays_.tokens.size(), " is missing");
    if (type == "BPE") read_merges(model);
    if (byte_level) {
      read_word_rule(steps);
      read_byte_level_normalizer();
    } else {
      read_piece_rules(model, steps);
    }
    return std::move(arrays_);
  }

 private:
  static std::string kind(const Json& step) {
    return step.is_object() && step.contains("type") && step["type"].is_string() ? step["type"].get<std::string>() : "?";
  }

  // The steps of `part`, Sequences opened; none for null.
  std::vector<const Json*> flattened(const char* part, const char* list) const {
    std::vector<const Json*> steps;
    if (const auto found = file_.find(part); found != file_.end() && !found->is_null()) flatten(*found, list, steps);
    return steps;
  }
  void flatten(const Json& step, const char* list, std::vector<const Json*>& steps) const {
    if (kind(step) != "Sequence") return steps.push_back(&step);
    check(step.contains(list) && step[list].is_array(), ErrorKind::format, name_, ": a Sequence without '", list, "'");
    for (const Json& inner : step[list]) flatten(inner, list, steps);  // as deep as the parser allows
  }
  [[noreturn]] void refuse(const char* part, const Json& step) const {
    fail(ErrorKind::format, name_, ": this ", part,
         " is not understood: ", printable(step.dump(-1, ' ', false, Json::error_handler_t::replace), 200));
  }
  bool flag(const Json& step, const char* key, bool usual) const { return optional<bool>(step, key, name_).value_or(usual); }

  void place(Id id, const std::string& token) {
    constexpr Id most = 1 << 24;
    check(id >= 0 && id < most, ErrorKind::format, name_, ": token '", printable(token), "' has the id ", id);
    const auto at = static_cast<std::size_t>(id);
    if (at >= seen_.size()) {
      check(at <= 2 * expected_ + 1024, ErrorKind::format, name_, ": token '", printable(token), "' has the id ", id,
            ", beyond all ", expected_, " tokens");
      seen_.resize(at + 1, false);
      arrays_.tokens.resize(at + 1);
    }
    check(!seen_[at] || arrays_.tokens[at] == token, ErrorKind::format, name_, ": both '", printable(token), "' and '",
          printable(arrays_.tokens[at]), "' have the id ", id);
    seen_[at] = true;
    arrays_.tokens[at] = token;
  }
  std::size_t first_hole() const {
    return static_cast<std::size_t>(std::find(seen_.begin(), seen_.end(), false) - seen_.begin());
  }
  bool holes() const { return first_hole() < seen_.size(); }

  void read_vocabulary(const Json& model) {
    check(model.contains("vocab") && model["vocab"].is_object(), ErrorKind::format, name_, ": 'vocab' is no object");
    expected_ = model["vocab"].size();
    for (const auto& [token, id] : model["vocab"].items()) {
      const auto number = json_value<Id>(id);
      check(number.has_value(), ErrorKind::format, name_, ": the id of token '", printable(token),
            "' is no whole number in range");
      place(*number, token);
    }
    for (const char* part : {"continuing_subword_prefix", "end_of_word_suffix"})
      check(optional<std::string>(model, part, name_).value_or("").empty(), ErrorKind::format, name_, ": '", part,
            "' is not understood");
    if (const auto unknown = optional<std::string>(model, "unk_token", name_)) {
      const auto found = model["vocab"].find(*unknown);
      if (found != model["vocab"].end()) arrays_.unknown = json_value<Id>(*found);
    }
  }

  void read_scores(const Json& model) {
    check(model.contains("vocab") && model["vocab"].is_array(), ErrorKind::format, name_, ": 'vocab' is no list");
    for (const Json& entry : model["vocab"]) {
      const bool pair = entry.is_array() && entry.size() == 2 && entry[0].is_string() && entry[1].is_number();
      check(pair, ErrorKind::format, name_, ": entry ", seen_.size(), " of 'vocab' is not [piece, score]");
      arrays_.tokens.push_back(entry[0].get<std::string>());
      arrays_.scores.push_back(static_cast<float>(entry[1].get<double>()));
      seen_.push_back(true);
    }
    expected_ = seen_.size();
    arrays_.unknown = optional<Id>(model, "unk_id", name_);
    arrays_.double_sums = true;
  }

  void read_added() {
    const auto list = file_.find("added_tokens");
    if (list == file_.end() || list->is_null()) return;
    check(list->is_array(), ErrorKind::format, name_, ": 'added_tokens' is no list");
    expected_ += list->size();
    for (const Json& entry : *list) {
      AddedToken token;
      token.content = required<std::string>(entry, "content", name_);
      token.id = required<Id>(entry, "id", name_);
      token.special = flag(entry, "special", false);
      token.strips_left = flag(entry, "lstrip", false);
      token.strips_right = flag(entry, "rstrip", false);
      check(!flag(entry, "single_word", false), ErrorKind::format, name_, ": added token '", printable(token.content),
            "' is a single_word, which is not understood");
      place(token.id, token.content);
      if (!arrays_.scores.empty()) arrays_.scores.resize(arrays_.tokens.size(), 0);
      arrays_.added.push_back(std::move(token));
    }
  }

  void read_merges(const Json& model) {
    check(model.contains("merges") && model["merges"].is_array(), ErrorKind::format, name_, ": 'merges' is no list");
    for (const Json& merge : model["merges"]) {
      if (merge.is_string()) {
        arrays_.merges.push_back(split_merge(merge.get_ref<const std::string&>(), name_));
        continue;
      }
      check(merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string(), ErrorKind::format, name_,
            ": merge ", arrays_.merges.size(), " is no pair of tokens");
      arrays_.merges.emplace_back(merge[0].get<std::string>(), merge[1].get<std::string>());
    }
    arrays_.ignore_merges = flag(model, "ignore_merges", false);
  }

  void read_word_rule(const std::vector<const Json*>& steps) {
    static constexpr std::pair<std::string_view, const char*> patterns[] = {
        {R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)", "gpt-2"},
        {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
         "llama-bpe"},
        {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
         "qwen2"}};
    const Json& last = *steps.back();
    const bool own_rule = flag(last, "use_regex", true);
    arrays_.space_in_front = flag(last, "add_prefix_space", true);
    arrays_.pre = "";
    if (steps.size() == 1 && own_rule) arrays_.pre = "gpt-2";
    const Json& first = *steps.front();
    if (steps.size() == 2 && own_rule && kind(first) == "Digits" && flag(first, "individual_digits", false) &&
        !arrays_.space_in_front)
      arrays_.pre = "smollm";
    const bool isolated =
        optional<std::string>(first, "behavior", name_).value_or("") == "Isolated" && !flag(first, "invert", false);
    if (steps.size() == 2 && !own_rule && kind(first) == "Split" && isolated && !arrays_.space_in_front &&
        first.contains("pattern")) {
      const std::string pattern = optional<std::string>(first["pattern"], "Regex", name_).value_or("");
      for (const auto& [text, pre] : patterns)
        if (pattern == text) arrays_.pre = pre;
    }
    if (arrays_.pre.empty()) refuse("pre_tokenizer", file_["pre_tokenizer"]);
  }

  void read_byte_level_normalizer() {
    arrays_.compose = false;
    for (const Json* step : flattened("normalizer", "normalizers")) {
      if (kind(*step) != "NFC") refuse("normalizer", *step);
      arrays_.compose = true;
    }
  }

  void read_piece_rules(const Json& model, const std::vector<const Json*>& steps) {
    using Front = SpaceRules::Front;
    SpaceRules& rules = arrays_.spaces;
    rules = {};
    rules.front = Front::none;
    for (const Json* step : flattened("normalizer", "normalizers")) read_normalizer_step(*step);
    bool words = false;
    for (const Json* step : steps) {
      if (kind(*step) == "WhitespaceSplit" && !words) {
        words = rules.collapse = rules.strip_left = rules.strip_right = true;
        continue;
      }
      if (kind(*step) != "Metaspace" || required<std::string>(*step, "replacement", name_) != "\xE2\x96\x81")
        refuse("pre_tokenizer", *step);
      const auto scheme = optional<std::string>(*step, "prepend_scheme", name_)
                              .value_or(flag(*step, "add_prefix_space", true) ? "always" : "never");
      if (scheme == "always" || scheme == "first") {
        rules.front = scheme == "always" ? Front::every_part : Front::first_part;
        rules.front_unless_space = true;
      }
      rules.every_space_begins_word = flag(*step, "split", true);
    }
    const bool mapped = !arrays_.charsmap.empty();  // then every white space is a space
    if ((words || rules.strip_right) && !mapped)
      refuse(words ? "pre_tokenizer" : "normalizer", file_[words ? "pre_tokenizer" : "normalizer"]);
    check(!words || (rules.front == Front::every_part && steps.size() == 2), ErrorKind::format, name_,
          ": WhitespaceSplit is understood before a Metaspace that always prepends");
    arrays_.byte_fallback = flag(model, "byte_fallback", false);
    arrays_.fuse_unknown = flag(model, "fuse_unk", arrays_.model == "t5");
    rules.decode_strip = SpaceRules::Strip::none;
    for (const Json* step : flattened("decoder", "decoders")) read_decoder_step(*step);
    read_types();
  }

  void read_normalizer_step(const Json& step) {
    SpaceRules& rules = arrays_.spaces;
    const std::string type = kind(step);
    if (type == "Precompiled") {
      if (!arrays_.charsmap.empty()) refuse("normalizer", step);
      arrays_.charsmap = decode_base64(optional<std::string>(step, "precompiled_charsmap", name_).value_or(""), name_);
    } else if (type == "Prepend" && required<std::string>(step, "prepend", name_) == "\xE2\x96\x81") {
      rules.front = SpaceRules::Front::every_part;
    } else if (type == "Strip" && !flag(step, "strip_left", false)) {
      rules.strip_right = flag(step, "strip_right", false);
    } else if (type == "Replace" && step.contains("pattern")) {
      const std::string content = required<std::string>(step, "content", name_);
      const bool space = content == " " || content == "\xE2\x96\x81";
      if (space && optional<std::string>(step["pattern"], "Regex", name_) == " {2,}") {
        rules.collapse = true;
      } else if (!space || optional<std::string>(step["pattern"], "String", name_) != " ") {
        refuse("normalizer", step);
      }
    } else {
      refuse("normalizer", step);
    }
  }

  void read_decoder_step(const Json& step) {
    const std::string type = kind(step);
    const bool strips =
        type == "Strip" && optional<std::string>(step, "content", name_) == " " && optional<Index>(step, "start", name_) == 1;
    const bool metaspace = type == "Metaspace" && optional<std::string>(step, "prepend_scheme", name_) != "never" &&
                           flag(step, "add_prefix_space", true);
    if (strips || metaspace) arrays_.spaces.decode_strip = SpaceRules::Strip::one;
    if (type != "Strip" && type != "Metaspace" && type != "Replace" && type != "ByteFallback" && type != "Fuse")
      refuse("decoder", step);
  }

  void read_types() {
    arrays_.types.assign(arrays_.tokens.size(), TokenType::normal);
    const auto byte_like = [](std::string_view token) {
      return token.size() == 6 && token.starts_with("<0x") && token.ends_with('>');
    };
    for (std::size_t id = 0; id < arrays_.tokens.size(); ++id)
      if (arrays_.byte_fallback && byte_like(arrays_.tokens[id])) arrays_.types[id] = TokenType::byte;
    const auto& unknown = arrays_.unknown;
    if (!unknown) return;
    check(*unknown >= 0 && std::cmp_less(*unknown, arrays_.tokens.size()), ErrorKind::format, name_, ": the unknown token ",
          *unknown, " is not one of ", arrays_.tokens.size());
    arrays_.types[static_cast<std::size_t>(*unknown)] = TokenType::unknown;
    arrays_.unknown_text = arrays_.tokens[static_cast<std::size_t>(*unknown)];
  }

  const Json& file_;
  const std::string& name_;
  TokenizerArrays arrays_;
  std::vector<bool> seen_;    // ids that have a token
  std::size_t expected_ = 0;  // tokens listed
};

}  // namespace detail

// Understood are the parts that published tokenizers of these kinds have; anything else is named and refused, since it could
// change ids. Not part of the file: which tokens begin and end a text. Truncation, padding and post-processing are passed over.
// throws Error format on what is not understood, on an id that is missing or stands twice, and on JSON that is not valid
// ours: Precompiled replaces the longest stretch at each place, as SentencePiece does; the library looks at whole grapheme clusters
// first, which gives other ids for some clusters of letters and marks that have no composed form.
inline TokenizerArrays parse_tokenizer_json(std::string_view contents, const std::string& name) {
  const Json file = parse_json(contents, name);
  return detail::TokenizerJson(file, name).read();
}

}  // namespace cmoe
