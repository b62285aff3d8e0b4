// adapter_config.json: which modules it adapts, in a decoder of two layers.
#include "cmoe/io/peft.hpp"
#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cmoe;
  return fuzz::read_or_refuse(data, size, [](std::string_view input) {
    const PeftConfig config = peft_config(parse_json(input, "fuzz.json"), "fuzz.json");
    fuzz::expect(config.prompt_length >= 0);
  });
}
