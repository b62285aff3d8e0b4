// Random numbers that are a function of (seed, name, position) and of nothing else, so that any run can be repeated or resumed.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <string_view>
#include <utility>
#include <vector>

#include <xtl/xhash.hpp>

#include "cmoe/core/error.hpp"
#include "cmoe/core/shape.hpp"

namespace cmoe {

// xtl's hash reads eight bytes at a time: its values are the same on every 64-bit little-endian machine, and only there.
static_assert(sizeof(std::size_t) == 8 && std::endian::native == std::endian::little,
              "cmoe: names of random streams need a 64-bit little-endian machine");

// A hash of a name that is the same in every run and on every machine (MurmurHash 64A).
inline std::uint64_t stable_hash(std::string_view text, std::uint64_t seed = 0) {
  return xtl::hash_bytes(text.data(), text.size(), seed);
}

// One block of Philox4x32-10: four words from a counter and a key.   Salmon et al., Parallel random numbers: as easy as 1, 2, 3
// cost: 20 multiplications; usable in constant expressions and in kernels
constexpr std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t first = std::uint64_t{0xD2511F53u} * counter[0];
    const std::uint64_t second = std::uint64_t{0xCD9E8D57u} * counter[2];
    counter = {static_cast<std::uint32_t>(second >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(second),
               static_cast<std::uint32_t>(first >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(first)};
    key = {key[0] + 0x9E3779B9u, key[1] + 0xBB67AE85u};
  }
  return counter;
}

namespace detail {
constexpr std::uint32_t low_word(std::uint64_t x) { return static_cast<std::uint32_t>(x); }
constexpr std::uint32_t high_word(std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); }
constexpr std::array<std::uint32_t, 4> philox_block(std::uint64_t key, std::uint64_t stream, std::uint64_t block) {
  return philox({low_word(block), high_word(block), low_word(stream), high_word(stream)}, {low_word(key), high_word(key)});
}
}  // namespace detail

// Word number `position` of the sequence Rng(key), without any state: dropout masks are made and remade from it.
constexpr std::uint32_t random_bits(std::uint64_t key, std::uint64_t position) {
  return detail::philox_block(key, 0, position / 4)[position % 4];
}

// A sequence of random words, a small value. Copies continue alike; fork() gives sequences that share nothing with it.
//     word p = philox(counter = (p / 4, stream), key = seed)[p mod 4]
class Rng {
 public:
  explicit Rng(std::uint64_t seed) : seed_(seed) {}

  // The sequence that belongs to a name (or number) under this one; independent of how much was drawn here.
  Rng fork(std::string_view name) const { return Rng(seed_, stable_hash(name, stream_ + 0x9E3779B97F4A7C15u)); }
  Rng fork(std::uint64_t number) const {
    std::array<char, 8> bytes{};
    for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(number >> (8 * i) & 0xFFu);
    return Rng(seed_, stable_hash({bytes.data(), bytes.size()}, stream_ + 0xD1B54A32D192ED03u));
  }

  std::uint32_t next() {
    if (position_ % 4 == 0) block_ = detail::philox_block(seed_, stream_, position_ / 4);
    return block_[position_++ % 4];
  }
  std::uint64_t next64() {  // two words, the first one low
    const std::uint64_t low = next();
    return low | std::uint64_t{next()} << 32;
  }

  double uniform() { return static_cast<double>(next64() >> 11) * 0x1p-53; }                   // [0,1), two words
  double uniform(double low, double high) { return low + (high - low) * uniform(); }           // [low, high] after rounding
  double normal() {                                                                            // mean 0, variance 1, two words
    const double u = (next() + 1.0) * 0x1p-32, v = next() * 0x1p-32;                           // Box-Muller, |value| < 6.67
    return std::sqrt(-2 * std::log(u)) * std::cos(2 * std::numbers::pi * v);
  }

  // A whole number in 0..n-1, each equally likely. Throws Error (config) if n < 1.
  Index below(Index n) {
    check(n > 0, ErrorKind::config, "below: no number lies in 0..", n - 1);
    const auto count = static_cast<std::uint64_t>(n);
    const std::uint64_t uneven = (0 - count) % count;  // 2^64 mod n: words below it would favour small remainders
    std::uint64_t word = next64();
    while (word < uneven) word = next64();
    return static_cast<Index>(word % count);
  }

  // Every order equally likely (Fisher-Yates, from the end).
  template <class T>
  void shuffle(std::vector<T>& values) {
    using std::swap;
    for (std::size_t i = values.size(); i > 1; --i) swap(values[i - 1], values[static_cast<std::size_t>(below(static_cast<Index>(i)))]);
  }

  std::uint64_t position() const { return position_; }  // words drawn so far: what a checkpoint keeps
  void seek(std::uint64_t position) {
    position_ = position;
    if (position_ % 4 != 0) block_ = detail::philox_block(seed_, stream_, position_ / 4);
  }

 private:
  Rng(std::uint64_t seed, std::uint64_t stream) : seed_(seed), stream_(stream) {}

  std::uint64_t seed_, stream_ = 0, position_ = 0;
  std::array<std::uint32_t, 4> block_{};  // the block that position_ is in; follows from the three numbers above
};

}  // namespace cmoe
