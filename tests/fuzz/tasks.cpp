// Streams of tasks in files: TRACE and Natural-Instructions, which are JSON.
#include "cmoe/io/stream.hpp"
#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cmoe;
  fuzz::read_or_refuse(data, size, [](std::string_view input) { trace_scoring(trace_items(parse_json(input, "fuzz.json"), "fuzz.json")); });
  return fuzz::read_or_refuse(data, size, [](std::string_view input) {
    for (const bool classification : {false, true}) (void)instruction_items(parse_json(input, "fuzz.json"), classification, "fuzz.json");
  });
}
