// One number of a block of a file, by its place: the number types of GGUF files as threads read them.
#pragma once

#include <bit>
#include <cstdint>

#include "cmoe/core/shape.hpp"

namespace cmoe::cuda {

constexpr std::uint32_t word16(const std::uint8_t* at) { return at[0] | static_cast<std::uint32_t>(at[1]) << 8; }
constexpr std::uint32_t word32(const std::uint8_t* at) { return word16(at) | word16(at + 2) << 16; }

// The number of 16 bits that lies there; exact, infinities and NaN included.
constexpr float half_at(const std::uint8_t* at) {
  const std::uint32_t bits = word16(at), rest = bits & 0x7fffu, sign = (bits & 0x8000u) << 16;
  const float small = std::bit_cast<float>(rest << 13) * 0x1p112F;  // moves the exponent's bias, subnormal numbers become normal
  return std::bit_cast<float>((rest >= 0x7c00u ? rest << 13 | 0x7f800000u : std::bit_cast<std::uint32_t>(small)) | sign);
}

constexpr float real(unsigned q) { return static_cast<float>(static_cast<int>(q)); }
constexpr float signed_at(const std::uint8_t* at) { return static_cast<float>(static_cast<std::int8_t>(*at)); }

// Four bits of 32 numbers in 16 bytes, low halves first; and the fifth, all 32 in one word.
constexpr unsigned nibble(const std::uint8_t* q, int i) { return i < 16 ? q[i] & 15u : q[i - 16] >> 4u; }
constexpr unsigned five_bits(const std::uint8_t* fifth, const std::uint8_t* q, int i) { return nibble(q, i) | (word32(fifth) >> i & 1u) << 4; }

// 256 numbers of 2 bits in groups of 16: scales and minima of 4 bits each, quants, scale, minimum.
constexpr float q2_k(const std::uint8_t* b, int i) {
  const int group = i / 16;
  const unsigned q = b[16 + i / 128 * 32 + i % 32] >> i % 128 / 32 * 2 & 3u;
  return half_at(b + 80) * real(b[group] & 15u) * real(q) - half_at(b + 82) * real(b[group] >> 4u);
}

// 256 numbers of 3 bits in groups of 16: the third bits, the first two, scales of 6 bits in 12 bytes, scale.
constexpr float q3_k(const std::uint8_t* b, int i) {
  const int group = i / 16;
  const std::uint8_t* const s = b + 96;
  const unsigned low = group < 8 ? s[group] & 15u : s[group - 8] >> 4u, high = s[8 + group % 4] >> group / 4 * 2 & 3u;
  const unsigned two = b[32 + i / 128 * 32 + i % 32] >> i % 128 / 32 * 2 & 3u, third = b[i % 32] >> i / 32 & 1u;
  return half_at(b + 108) * (real(low | high << 4) - 32) * (real(two | third << 2) - 4);
}

// 256 numbers of 4 bits, or of 5 if `fifth` is not null, in groups of 32: scale, minimum, eight pairs of 6 bits in 12 bytes.
constexpr float q45_k(const std::uint8_t* b, const std::uint8_t* fifth, const std::uint8_t* quants, int i) {
  const int group = i / 32;
  const std::uint8_t* const s = b + 4;
  const unsigned scale = group < 4 ? s[group] & 63u : (s[group + 4] & 15u) | (s[group - 4] & 192u) >> 2;
  const unsigned least = group < 4 ? s[group + 4] & 63u : s[group + 4] >> 4u | (s[group] & 192u) >> 2;
  const unsigned byte = quants[group / 2 * 32 + i % 32], low = group % 2 == 0 ? byte & 15u : byte >> 4u;
  const unsigned high = fifth ? fifth[i % 32] >> group & 1u : 0u;
  return half_at(b) * real(scale) * real(low | high << 4) - half_at(b + 2) * real(least);
}

// 256 numbers of 6 bits in groups of 16: the low four bits, the high two, signed scales, scale.
constexpr float q6_k(const std::uint8_t* b, int i) {
  const int half = i / 128, line = i % 128 / 32;
  const unsigned low = b[half * 64 + line % 2 * 32 + i % 32] >> line / 2 * 4 & 15u;
  const unsigned high = b[128 + half * 32 + i % 32] >> line * 2 & 3u;
  return half_at(b + 208) * signed_at(b + 192 + i / 16) * (real(low | high << 4) - 32);
}

// Number i of a block of the type with that id; ids that `decodes` denies give 0.
constexpr float decoded(std::uint32_t type, const std::uint8_t* b, int i) {
  switch (type) {
    case 0: return std::bit_cast<float>(word32(b));
    case 1: return half_at(b);
    case 2: return half_at(b) * (real(nibble(b + 2, i)) - 8);
    case 3: return half_at(b) * real(nibble(b + 4, i)) + half_at(b + 2);
    case 6: return half_at(b) * (real(five_bits(b + 2, b + 6, i)) - 16);
    case 7: return half_at(b) * real(five_bits(b + 4, b + 8, i)) + half_at(b + 2);
    case 8: return half_at(b) * signed_at(b + 2 + i);
    case 10: return q2_k(b, i);
    case 11: return q3_k(b, i);
    case 12: return q45_k(b, nullptr, b + 16, i);
    case 13: return q45_k(b, b + 16, b + 48, i);
    case 14: return q6_k(b, i);
    case 30: return std::bit_cast<float>(word16(b) << 16);
    default: return 0;
  }
}
constexpr bool decodes(std::uint32_t type) { return type <= 3 || (type >= 6 && type <= 8) || (type >= 10 && type <= 14) || type == 30; }

}  // namespace cmoe::cuda
