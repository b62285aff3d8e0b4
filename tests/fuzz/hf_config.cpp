// config.json and generation_config.json: the sizes of a decoder, back and forth, and the ids that begin and end texts.
#include "cmoe/io/hf_config.hpp"
#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cmoe;
  fuzz::read_or_refuse(data, size, [](std::string_view input) { (void)hf_special_ids(parse_json(input, "fuzz.json"), "fuzz.json"); });
  return fuzz::read_or_refuse(data, size, [](std::string_view input) {
    const DecoderConfig config = hf_decoder_config(parse_json(input, "fuzz.json"), "fuzz.json");
    config.validate();
    const DecoderConfig again = hf_decoder_config(parse_json(hf_config_json(config).dump(), "written.json"), "written.json");
    fuzz::expect(again.width == config.width && again.head() == config.head() && again.rotary_base == config.rotary_base);
  });
}
