// GGUF's number types against gguf-py's numbers.
#include "cmoe/io/gguf.hpp"
#include "golden.hpp"

namespace cmoe::gguf_test {

TEST_CASE("every GGUF type gives exactly gguf-py's numbers") {
  const auto folder = shared_data("golden/gguf");
  if (!folder) return;
  const Gguf file = Gguf::open(*folder / "dtypes.gguf");
  const SafeTensors expected = SafeTensors::open(*folder / "dtypes.safetensors");
  CHECK(file.tensors().size() == expected.tensors().size());
  for (const StoredTensor& wanted : expected.tensors()) {
    CAPTURE(wanted.name);
    const GgufTensor& tensor = file.at(wanted.name);
    CHECK(tensor.type->name == wanted.name);
    CHECK(tensor.shape == wanted.shape);
    CHECK(tensor.values() == wanted.values<float>());
  }
  CHECK(file.optional<std::vector<std::string>>("test.strings") == std::vector<std::string>{"a", "b\xC3\xA9", ""});
  CHECK(file.optional<std::vector<double>>("test.floats") == std::vector<double>{1.5, -2.25});
  CHECK(file.optional<bool>("test.flag") == true);
  CHECK(file.optional<std::uint64_t>("test.big") == 1152921504606846977u);
  CHECK(file.optional<int>("test.neg") == -7);
}

}  // namespace cmoe::gguf_test
