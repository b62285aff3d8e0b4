// tokenizer.json: read, and used on a text.
#include "cmoe/io/read_tokenizer.hpp"
#include "tokenizers.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return fuzz::read_or_refuse(data, size, [](std::string_view input) { fuzz::use(cmoe::parse_tokenizer_json(input, "fuzz.json")); });
}
