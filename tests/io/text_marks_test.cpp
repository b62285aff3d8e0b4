#include <doctest/doctest.h>

#include "cmoe/io/text_marks.hpp"
#include "io/gguf_samples.hpp"

namespace cmoe::text_marks_test {

TEST_CASE("a GGUF file names up to three ids that end, and says whether texts begin with a token") {
  const auto marks = [](const samples::GgufFile& file) { return gguf_text_marks(Gguf::parse(file.build(), "m.gguf")); };
  CHECK(marks(samples::GgufFile()).ends.empty());
  CHECK_FALSE(marks(samples::GgufFile()).begins.has_value());
  samples::GgufFile file;
  file.add("tokenizer.ggml.eos_token_id", 2u).add("tokenizer.ggml.eot_token_id", 5u).add("tokenizer.ggml.eom_token_id", 7u);
  file.add("tokenizer.ggml.add_bos_token", GgufType::boolean, std::uint8_t{0});
  CHECK(marks(file).ends == std::vector<Id>{2, 5, 7});
  CHECK(marks(file).begins == false);
  samples::GgufFile gpt2, llama3, pieces;
  gpt2.add("tokenizer.ggml.model", std::string("gpt2")).add("tokenizer.ggml.pre", std::string("gpt-2"));
  llama3.add("tokenizer.ggml.model", std::string("gpt2")).add("tokenizer.ggml.pre", std::string("llama-bpe"));
  pieces.add("tokenizer.ggml.model", std::string("llama"));
  CHECK(marks(gpt2).begins == false);
  CHECK(marks(llama3).begins == true);
  CHECK_FALSE(marks(pieces).begins.has_value());
  samples::GgufFile large;
  large.add("tokenizer.ggml.eot_token_id", 4294967295u);
  CHECK(samples::refusal([&] { marks(large); }).kind == ErrorKind::format);
}

TEST_CASE("a folder's ends are those of generation_config.json, and its tokenizer's files say how texts begin") {
  const samples::Folder folder;
  const auto begins = [&] { return hf_text_marks(folder.path()).begins; };
  folder.write("config.json", R"({"eos_token_id": 1})");
  CHECK(hf_text_marks(folder.path()).ends == std::vector<Id>{1});
  CHECK_FALSE(begins().has_value());
  folder.write("generation_config.json", R"({"eos_token_id": [2, 3]})");
  CHECK(hf_text_marks(folder.path()).ends == std::vector<Id>{2, 3});

  folder.write("merges.txt", "");
  CHECK(begins() == false);

  const std::string first = R"({"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A"}}]})";
  const std::string none = R"({"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A"}}, {"SpecialToken": {"id": "</s>"}}]})";
  const auto processed = [&](const std::string& step) {
    folder.write("tokenizer.json", "{\"post_processor\": " + step + "}");
    return begins();
  };
  CHECK(processed(first) == true);
  CHECK(processed(none) == false);
  CHECK(processed("null") == false);
  CHECK(processed(R"({"type": "ByteLevel"})") == false);
  CHECK(processed(R"({"type": "Sequence", "processors": [{"type": "ByteLevel"}, )" + first + "]}") == true);
  CHECK(processed(R"({"type": "Sequence", "processors": [3, {"single": 3}, {"single": []}]})") == false);
  folder.write("tokenizer.json", "{}");
  CHECK(begins() == false);
  folder.write("tokenizer_config.json", R"({"add_bos_token": true})");  // comes first
  CHECK(begins() == true);
  folder.write("tokenizer_config.json", R"({"add_bos_token": "yes"})");
  CHECK(samples::refusal([&] { begins(); }).kind == ErrorKind::format);
}

}  // namespace cmoe::text_marks_test
