// Safetensors files: the header, and the numbers of every tensor.
#include "cmoe/io/safetensors.hpp"
#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cmoe;
  return fuzz::read_or_refuse(data, size, [](std::string_view input) {
    const SafeTensors file = SafeTensors::parse(std::string(input), "fuzz.safetensors");
    for (const StoredTensor& tensor : file.tensors()) {
      if (tensor.dtype == DType::i64) (void)tensor.values<Id>();
      else (void)tensor.values<float>();
    }
  });
}
