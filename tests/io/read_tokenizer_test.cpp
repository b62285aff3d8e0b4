#include "cmoe/io/read_tokenizer.hpp"

#include <doctest/doctest.h>

#include "io/samples.hpp"
#include "io/tokenizer_samples.hpp"

namespace cmoe::read_tokenizer_test {

using samples::field;
using samples::refusal;

namespace {

void refused(const Json& file, const char* word) {
  const auto got = refusal([&] { make_tokenizer(parse_tokenizer_json(file.dump(), "t.json")); });
  CHECK(got.kind == ErrorKind::format);
  CHECK_MESSAGE(got.text.find(word) != std::string::npos, got.text);
  CHECK(got.text.starts_with("t.json: "));
}

void refused_model(const std::string& bytes, const char* word) {
  const auto got = refusal([&] { make_tokenizer(parse_sentencepiece_model(bytes, "t.model")); });
  CHECK(got.kind == ErrorKind::format);
  CHECK_MESSAGE(got.text.find(word) != std::string::npos, got.text);
}

Json split(const char* pattern) {
  return {{"type", "Sequence"},
          {"pretokenizers",
           {{{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}},
            {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}}}};
}

}  // namespace

TEST_CASE("every source of the same vocabulary gives the same ids") {
  const samples::Folder folder;
  const TokenizerArrays arrays = samples::byte_level();
  folder.write("one/tokenizer.json", samples::byte_level_json().dump());
  folder.write("two/vocab.json", samples::vocabulary(arrays).dump());
  folder.write("two/merges.txt", samples::merge_lines(arrays));
  folder.write("two/added_tokens.json", R"({"<|end|>": 263})");
  folder.write("three/encoder.json", samples::vocabulary(arrays).dump());
  folder.write("three/vocab.bpe", samples::merge_lines(arrays));
  folder.write("three/tokenizer_config.json",
               R"({"added_tokens_decoder": {"263": {"content": "<|end|>", "special": true}, "264": {"content": "<|new|>"}},
    "bos_token": "<|end|>", "eos_token": {"content": "<|new|>"}, "pad_token": null})");
  const std::string text = "hello 123<|end|> x";
  const std::vector<Id> ids = make_tokenizer(arrays).encode(text);
  for (const char* source :
       {"one", "one/tokenizer.json", "two", "two/vocab.json", "two/merges.txt", "three", "three/vocab.bpe"}) {
    CAPTURE(source);
    CHECK(read_tokenizer(folder.path() / source).encode(text) == ids);
  }
  const Tokenizer three = read_tokenizer(folder.path() / "three");
  CHECK(three.bos() == 263);
  CHECK(three.eos() == 264);
  CHECK(!three.pad());
  CHECK(three.encode("<|new|>") == std::vector<Id>{264});
}

TEST_CASE("SentencePiece models are found by name or by ending, llama2.c's files by neither") {
  const samples::Folder folder;
  const TokenizerArrays arrays = samples::pieces("llama");
  const std::vector<Id> ids = make_tokenizer(arrays).encode("ab ba");
  folder.write("one/tokenizer.model", samples::sentencepiece_model(arrays));
  folder.write("two/my.model", samples::sentencepiece_model(arrays));
  folder.write("three/spiece.model", samples::sentencepiece_model(samples::pieces("t5", false)));
  folder.write("three/tokenizer_config.json", R"({"extra_ids": 2, "eos_token": "</s>", "pad_token": "<unk>"})");
  folder.write("tok.bin", samples::tokenizer());
  CHECK(read_tokenizer(folder.path() / "one").encode("ab ba") == ids);
  CHECK(read_tokenizer(folder.path() / "two/my.model").encode("ab ba") == ids);
  const Tokenizer three = read_tokenizer(folder.path() / "three");
  CHECK(three.size() == 9 + 2);
  CHECK(three.piece(9) == "<extra_id_1>");
  CHECK(three.encode("a<extra_id_0>").back() == 10);
  CHECK(three.pad() == 0);
  CHECK(read_tokenizer(folder.path() / "tok.bin").size() == 267);
}

TEST_CASE("unigram from tokenizer.json") {
  const Tokenizer tokenizer = make_tokenizer(parse_tokenizer_json(samples::unigram_json().dump(), "t.json"));
  CHECK(tokenizer.encode("ab   ba</s>") == make_tokenizer([] {
                                             TokenizerArrays arrays = samples::pieces("t5", false);
                                             arrays.spaces = SpaceRules::of_model(true, true);
                                             arrays.marks_in_text = true;
                                             return arrays;
                                           }())
                                               .encode("ab ba</s>"));
  CHECK(tokenizer.decode(tokenizer.encode("ab ba")) == "ab ba");
}

TEST_CASE("what is not there is named") {
  const samples::Folder folder;
  folder.write("half/vocab.json", "{}");
  folder.write("other.json", "[]");
  const auto fault = [&](const char* path) { return refusal([&] { read_tokenizer(folder.path() / path); }); };
  CHECK(fault("").kind == ErrorKind::file);
  CHECK(fault("").text.find("looked for tokenizer.json, tokenizer.model") != std::string::npos);
  CHECK(fault("absent").text.find("no such file or folder") != std::string::npos);
  CHECK(fault("half").text.find("merges.txt is missing beside it") != std::string::npos);
  CHECK(fault("other.json").text.find("not a tokenizer.json") != std::string::npos);
  folder.write("notes.txt", "x");
  CHECK(fault("notes.txt").kind == ErrorKind::file);
}

TEST_CASE("a tokenizer.json that asks for what is not understood is refused by name") {
  const Json good = samples::byte_level_json();
  const auto with = [&](const char* pointer, const Json& value) {
    Json changed = good;
    changed[Json::json_pointer(pointer)] = value;
    return changed;
  };
  refused(with("/pre_tokenizer", split("\\w+|\\s+")), "this pre_tokenizer is not understood");
  refused(with("/pre_tokenizer/type", "BertPreTokenizer"), "BertPreTokenizer");
  refused(with("/normalizer", {{"type", "Lowercase"}}), "Lowercase");
  refused(with("/model/type", "WordPiece"), "WordPiece");
  refused(with("/model/end_of_word_suffix", "</w>"), "end_of_word_suffix");
  refused(with("/added_tokens/0/single_word", true), "single_word");
  refused(with("/added_tokens/0/id", 5), "have the id 5");
  refused(with("/added_tokens/0/id", 264), "token 264 is spelt '<|end|>' like token 263");
  refused(with("/model/vocab/h", 270), "token 104 of 271 is missing");
  refused(with("/model/vocab/h", 5), "have the id 5");
  refused(with("/model/vocab/h", -1), "has the id -1");
  refused(with("/model/vocab/h", 5000000), "beyond all");
  refused(with("/model/vocab/h", "5"), "no whole number");
  refused(with("/model/merges/0", "h e x"), "not two tokens");
  refused(with("/model/merges/0", {"h", "z"}), "needs the token 'hz'");
  refused(with("/model/merges/0", 7), "no pair");
  refused(with("/model/vocab", Json::array()), "'vocab' is no object");
  refused(Json::array(), "not a tokenizer.json");
  const std::string deep(100000, '[');
  CHECK(refusal([&] { parse_tokenizer_json(deep, "t.json"); }).text.find("nested deeper") != std::string::npos);
  CHECK(refusal([&] { parse_tokenizer_json(R"({"model": {}, "model": {}})", "t.json"); }).text.find("stands twice") !=
        std::string::npos);
}

TEST_CASE("the pre-tokenisers are recognised by their patterns") {
  Json file = samples::byte_level_json();
  const auto pre = [&] { return parse_tokenizer_json(file.dump(), "t.json").pre; };
  CHECK(pre() == "gpt-2");
  file["pre_tokenizer"] = split(R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)");
  CHECK(pre() == "gpt-2");
  file["pre_tokenizer"] = split(
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)");
  CHECK(pre() == "llama-bpe");
  file["pre_tokenizer"] =
      split(R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)");
  CHECK(pre() == "qwen2");
  file["normalizer"] = {{"type", "NFC"}};
  CHECK(parse_tokenizer_json(file.dump(), "t.json").compose == true);
  file["pre_tokenizer"]["pretokenizers"][0]["behavior"] = "Removed";
  refused(file, "this pre_tokenizer is not understood");
}

TEST_CASE("a tokenizer.model with wrong fields is refused") {
  const std::string good = samples::sentencepiece_model(samples::pieces("llama"));
  refused_model("", "0 tokens");
  refused_model(good.substr(0, good.size() - 1), "are left");
  refused_model(good + '\x0A', "ends within a field");
  refused_model(good + "\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", "are left");  // a length of 2^64 - 1
  refused_model(good + "\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02", "more than 64 bits");
  refused_model(good + "\x0B", "wire type 3");
  refused_model(good + std::string("\x02\x00", 2), "field number 0");
  refused_model(good + field(1, std::uint64_t{5}), "has the wire type 0, not 2");
  refused_model(good + field(1, field(2, std::uint64_t{5})), "has the wire type 0, not 5");
  refused_model(good + field(1, field(1, "new") + field(3, std::uint64_t{77})), "unknown type 77");
  refused_model(good + field(1, field(1, "ab")), "is spelt 'ab' like token");
  refused_model(good + field(2, field(3, std::uint64_t{3})), "neither unigram");
  refused_model(good + field(3, field(5, std::uint64_t{0})), "escape_whitespaces");
  refused_model(good + field(2, field(24, std::uint64_t{1})), "treat_whitespace_as_suffix");
  refused_model(good + field(3, field(2, "junk of a map")), "charsmap");
}

TEST_CASE("base64 is strict") {
  CHECK(decode_base64("", "t") == "");
  CHECK(decode_base64("TWE=", "t") == "Ma");
  CHECK(decode_base64("TWFu/+8=", "t") == "Man\xFF\xEF");
  for (const char* bad : {"TWE", "T===", "TW=u", "TW u", "T-Fu"})
    CHECK(refusal([&] { decode_base64(bad, "t"); }).kind == ErrorKind::format);
}

}  // namespace cmoe::read_tokenizer_test
