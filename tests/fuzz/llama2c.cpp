// llama2.c's models and tokenizers.
#include "cmoe/io/llama2c.hpp"
#include "cmoe/io/tokenizer.hpp"
#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cmoe;
  fuzz::read_or_refuse(data, size, [](std::string_view input) { (void)parse_llama2c(as_bytes(input), "fuzz.bin"); });
  return fuzz::read_or_refuse(data, size, [](std::string_view input) {
    const Tokenizer tokenizer = Llama2cTokenizer::parse(std::string(input), "fuzz.tok");
    const std::string text = "abab \xC3\xA9 baab\n\xFF";
    fuzz::expect(tokenizer.decode(tokenizer.encode(text)) == text);
  });
}
