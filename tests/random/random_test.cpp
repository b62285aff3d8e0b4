#include "cmoe/core/random.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <limits>

namespace cmoe::random_test {

using cmoe::Index;
using cmoe::Rng;

namespace {
using Words = std::array<std::uint32_t, 4>;
}

TEST_CASE("philox gives the published known answers") {
  static_assert(cmoe::philox({0, 0, 0, 0}, {0, 0}) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  const std::uint32_t ones = 0xffffffff;
  CHECK(cmoe::philox({ones, ones, ones, ones}, {ones, ones}) == Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(cmoe::philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("the hash of a name never changes") {
  CHECK(cmoe::stable_hash("") == 0);
  CHECK(cmoe::stable_hash("layers.0.weight") == 0xa7aa5726636b2561);
  CHECK(cmoe::stable_hash("layers.0.weight", 1) == 0x7f6c15a5b5d0bc37);
}

TEST_CASE("a seek continues exactly where a sequence was left") {
  for (std::uint64_t at : {0u, 1u, 2u, 3u, 4u, 5u, 1023u}) {
    Rng walked(7), jumped(7);
    for (std::uint64_t i = 0; i < at; ++i) walked.next();
    jumped.seek(at);
    CHECK(walked.position() == at);
    for (int i = 0; i < 9; ++i) CHECK(walked.next() == jumped.next());
  }
}

TEST_CASE("random_bits are the words of the sequence without walking it") {
  Rng rng(42);
  for (std::uint64_t i = 0; i < 20; ++i) CHECK(rng.next() == cmoe::random_bits(42, i));
  rng.seek(std::uint64_t{1} << 40);
  CHECK(rng.next() == cmoe::random_bits(42, std::uint64_t{1} << 40));
}

TEST_CASE("a fork depends on seed and name, not on what was drawn") {
  Rng rng(3);
  Rng before = rng.fork("gate");
  rng.next();
  Rng after = rng.fork("gate");
  CHECK(before.next64() == after.next64());
  std::vector<std::uint64_t> first = {Rng(3).next64(), Rng(4).next64(), Rng(3).fork("").next64(), Rng(3).fork("a").next64(),
                                      Rng(3).fork("b").next64(), Rng(4).fork("a").next64(), Rng(3).fork(0).next64(),
                                      Rng(3).fork(1).next64(), Rng(3).fork("a").fork("b").next64(), Rng(3).fork("b").fork("a").next64(),
                                      Rng(3).fork(std::string_view("\0\0\0\0\0\0\0\0", 8)).next64()};
  std::ranges::sort(first);
  CHECK(std::ranges::adjacent_find(first) == first.end());
}

TEST_CASE("below is unbiased and refuses an empty range") {
  Rng rng(1);
  std::vector<int> counts(6);
  for (int i = 0; i < 60000; ++i) ++counts[static_cast<std::size_t>(rng.below(6))];
  for (int count : counts) CHECK(std::abs(count - 10000) < 400);  // over four standard deviations
  CHECK(rng.below(1) == 0);
  CHECK_THROWS_AS(rng.below(0), cmoe::Error);
  Index largest = 0;
  for (int i = 0; i < 100; ++i) largest = std::max(largest, rng.below(std::numeric_limits<Index>::max()));
  CHECK(largest > std::numeric_limits<Index>::max() / 2);
}

TEST_CASE("uniform and normal have their moments") {
  Rng rng(5);
  double sum = 0, square = 0, normal_sum = 0, normal_square = 0, normal_fourth = 0;
  const int n = 100000;
  for (int i = 0; i < n; ++i) {
    const double u = rng.uniform(), z = rng.normal();
    REQUIRE((u >= 0 && u < 1));
    sum += u, square += u * u, normal_sum += z, normal_square += z * z, normal_fourth += z * z * z * z;
  }
  CHECK(sum / n == doctest::Approx(0.5).epsilon(0.01));
  CHECK(square / n == doctest::Approx(1.0 / 3).epsilon(0.01));
  CHECK(std::abs(normal_sum / n) < 0.015);
  CHECK(normal_square / n == doctest::Approx(1).epsilon(0.02));
  CHECK(normal_fourth / n == doctest::Approx(3).epsilon(0.05));
}

TEST_CASE("a normal value takes two words and hides nothing") {
  Rng rng(9);
  rng.normal();
  CHECK(rng.position() == 2);
  Rng again(9);
  again.seek(2);
  CHECK(rng.normal() == again.normal());
}

TEST_CASE("a shuffle is a permutation and every place is equally likely") {
  Rng rng(2);
  std::vector<int> counts(4);
  for (int i = 0; i < 8000; ++i) {
    std::vector<int> values = {0, 1, 2, 3};
    rng.shuffle(values);
    ++counts[static_cast<std::size_t>(std::ranges::find(values, 0) - values.begin())];
    std::ranges::sort(values);
    REQUIRE(values == std::vector<int>{0, 1, 2, 3});
  }
  for (int count : counts) CHECK(std::abs(count - 2000) < 200);
}

}  // namespace cmoe::random_test
