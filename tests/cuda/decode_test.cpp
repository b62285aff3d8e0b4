// The blocks of files as threads decode them: every number of every type, bit by bit as the CPU decodes the whole block.
#include <doctest/doctest.h>

#include <cstring>

#include "cmoe/core/random.hpp"
#include "cmoe/io/gguf_blocks.hpp"
#include "decode.cuh"

namespace cmoe::cuda_decode_test {

TEST_CASE("each number of a block is the CPU's, for every type and random bytes") {
  Rng rng(3);
  for (const BlockType& type : detail::block_types) {
    CHECK(cuda::decodes(type.id));
    for (int block = 0; block < 200; ++block) {
      std::vector<std::uint8_t> bytes(static_cast<std::size_t>(type.bytes));
      for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(rng.next());
      std::vector<float> expected(static_cast<std::size_t>(type.numbers));
      type.decode(bytes.data(), expected.data());
      std::size_t different = 0;
      for (std::size_t i = 0; i < expected.size(); ++i) {
        const float found = cuda::decoded(type.id, bytes.data(), static_cast<int>(i));
        different += !(found == expected[i] || (found != found && expected[i] != expected[i]));
      }
      CHECK_MESSAGE(different == 0, std::string(type.name), ": ", different, " of ", expected.size());
    }
  }
}

TEST_CASE("a type that no kernel decodes is known as such") {
  for (const std::uint32_t id : {4u, 5u, 9u, 15u, 29u, 31u, 1000u}) CHECK_FALSE(cuda::decodes(id));
}

}  // namespace cmoe::cuda_decode_test
