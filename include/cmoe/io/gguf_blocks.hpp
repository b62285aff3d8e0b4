// The number types of GGUF files: what a block of numbers looks like in the file, and the way to float.
#pragma once

#include "cmoe/core/stored_matrix.hpp"
#include "cmoe/io/dtype.hpp"
#include "cmoe/io/file.hpp"

namespace cmoe {

// Every type is scale · q − minimum with small integers q. The products are exact in float (at most 24 bits), so that the result has
// the same bits in whatever way a compiler joins the multiplication and the subtraction.
namespace detail {

inline float half_at(const std::uint8_t* at) {
  std::uint16_t bits;
  std::memcpy(&bits, at, sizeof(bits));
  return from_half(bits);
}

inline float real(unsigned q) { return static_cast<float>(static_cast<int>(q)); }

inline void decode_f32(const std::uint8_t* b, float* y) { std::memcpy(y, b, sizeof(float)); }
inline void decode_f16(const std::uint8_t* b, float* y) { *y = half_at(b); }
inline void decode_bf16(const std::uint8_t* b, float* y) {
  std::uint16_t bits;
  std::memcpy(&bits, b, sizeof(bits));
  *y = from_bfloat16(bits);
}

// 32 numbers of 4 bits, low halves first: scale, [minimum], quants.
inline void decode_q4_0(const std::uint8_t* b, float* y) {
  const float scale = half_at(b);
  for (int i = 0; i < 16; ++i) {
    y[i] = scale * (real(b[2 + i] & 15u) - 8);
    y[i + 16] = scale * (real(b[2 + i] >> 4u) - 8);
  }
}
inline void decode_q4_1(const std::uint8_t* b, float* y) {
  const float scale = half_at(b), least = half_at(b + 2);
  for (int i = 0; i < 16; ++i) {
    y[i] = scale * real(b[4 + i] & 15u) + least;
    y[i + 16] = scale * real(b[4 + i] >> 4u) + least;
  }
}

// The same with a fifth bit of each, all 32 in one word.
inline void decode_q5(const std::uint8_t* high, const std::uint8_t* low, float scale, float offset, float least, float* y) {
  std::uint32_t fifth;
  std::memcpy(&fifth, high, sizeof(fifth));
  for (int i = 0; i < 16; ++i) {
    y[i] = scale * (real((low[i] & 15u) | (fifth >> i & 1u) << 4) - offset) + least;
    y[i + 16] = scale * (real(low[i] >> 4u | (fifth >> (i + 16) & 1u) << 4) - offset) + least;
  }
}
inline void decode_q5_0(const std::uint8_t* b, float* y) { decode_q5(b + 2, b + 6, half_at(b), 16, -0.0F, y); }
inline void decode_q5_1(const std::uint8_t* b, float* y) { decode_q5(b + 4, b + 8, half_at(b), 0, half_at(b + 2), y); }

inline void decode_q8_0(const std::uint8_t* b, float* y) {
  const float scale = half_at(b);
  for (int i = 0; i < 32; ++i) y[i] = scale * static_cast<float>(static_cast<std::int8_t>(b[2 + i]));
}

// 256 numbers of 2 bits in groups of 16: 16 bytes with a scale and a minimum of 4 bits each, quants, scale, minimum.
inline void decode_q2_k(const std::uint8_t* b, float* y) {
  const float scale = half_at(b + 80), least = half_at(b + 82);
  for (int group = 0; group < 16; ++group) {
    const float d = scale * real(b[group] & 15u), m = least * real(b[group] >> 4u);
    const std::uint8_t* q = b + 16 + group / 8 * 32 + group % 2 * 16;
    const int shift = group % 8 / 2 * 2;
    for (int i = 0; i < 16; ++i) y[16 * group + i] = d * real(q[i] >> shift & 3u) - m;
  }
}

// 256 numbers of 3 bits in groups of 16: the third bits, the first two, scales of 6 bits in 12 bytes, scale.
inline void decode_q3_k(const std::uint8_t* b, float* y) {
  const float scale = half_at(b + 108);
  const std::uint8_t* scales = b + 96;
  for (int group = 0; group < 16; ++group) {
    const unsigned low = group < 8 ? scales[group] & 15u : scales[group - 8] >> 4u, high = scales[8 + group % 4] >> group / 4 * 2 & 3u;
    const float d = scale * (real(low | high << 4) - 32);
    const std::uint8_t *third = b + group % 2 * 16, *q = b + 32 + group / 8 * 32 + group % 2 * 16;
    const int shift = group % 8 / 2 * 2, bit = group / 2;
    for (int i = 0; i < 16; ++i) y[16 * group + i] = d * (real((q[i] >> shift & 3u) | (third[i] >> bit & 1u) << 2) - 4);
  }
}

// Eight pairs of a scale and a minimum of 6 bits in 12 bytes: the first four lie in low bits, the upper bits of those hold the rest.
inline void six_bit_pair(const std::uint8_t* s, int group, float& scale, float& least) {
  if (group < 4) {
    scale *= real(s[group] & 63u);
    least *= real(s[group + 4] & 63u);
  } else {
    scale *= real((s[group + 4] & 15u) | (s[group - 4] & 192u) >> 2);
    least *= real(s[group + 4] >> 4u | (s[group] & 192u) >> 2);
  }
}

// 256 numbers in groups of 32: scale, minimum, the pairs, [the fifth bits], quants.
inline void decode_q45_k(const std::uint8_t* b, const std::uint8_t* fifth, const std::uint8_t* quants, float* y) {
  for (int group = 0; group < 8; ++group) {
    float d = half_at(b), m = half_at(b + 2);
    six_bit_pair(b + 4, group, d, m);
    const std::uint8_t* q = quants + group / 2 * 32;
    for (int i = 0; i < 32; ++i) {
      const unsigned low = group % 2 == 0 ? q[i] & 15u : q[i] >> 4u, high = fifth ? fifth[i] >> group & 1u : 0u;
      y[32 * group + i] = d * real(low | high << 4) - m;
    }
  }
}
inline void decode_q4_k(const std::uint8_t* b, float* y) { decode_q45_k(b, nullptr, b + 16, y); }
inline void decode_q5_k(const std::uint8_t* b, float* y) { decode_q45_k(b, b + 16, b + 48, y); }

// 256 numbers of 6 bits in groups of 16: the low four bits, the high two, signed scales, scale.
inline void decode_q6_k(const std::uint8_t* b, float* y) {
  const float scale = half_at(b + 208);
  for (int group = 0; group < 16; ++group) {
    const float d = scale * static_cast<float>(static_cast<std::int8_t>(b[192 + group]));
    const int half = group / 8, line = group % 8 / 2, within = group % 2 * 16;
    const std::uint8_t *low = b + half * 64 + line % 2 * 32 + within, *high = b + 128 + half * 32 + within;
    for (int i = 0; i < 16; ++i)
      y[16 * group + i] = d * (real((low[i] >> line / 2 * 4 & 15u) | (high[i] >> line * 2 & 3u) << 4) - 32);
  }
}

inline constexpr std::array<BlockType, 13> block_types{{
    {0, "F32", 1, 4, decode_f32},         {1, "F16", 1, 2, decode_f16},         {2, "Q4_0", 32, 18, decode_q4_0},
    {3, "Q4_1", 32, 20, decode_q4_1},     {6, "Q5_0", 32, 22, decode_q5_0},     {7, "Q5_1", 32, 24, decode_q5_1},
    {8, "Q8_0", 32, 34, decode_q8_0},     {10, "Q2_K", 256, 84, decode_q2_k},   {11, "Q3_K", 256, 110, decode_q3_k},
    {12, "Q4_K", 256, 144, decode_q4_k},  {13, "Q5_K", 256, 176, decode_q5_k},  {14, "Q6_K", 256, 210, decode_q6_k},
    {30, "BF16", 1, 2, decode_bf16},
}};

}  // namespace detail

// Nothing for types that are not read.
inline const BlockType* block_type(std::uint32_t id) {
  for (const BlockType& type : detail::block_types)
    if (type.id == id) return &type;
  return nullptr;
}

// out.size() numbers from whole blocks. The caller has checked that the sizes fit.
inline void dequantise(const BlockType& type, Bytes bytes, std::span<float> out) {
  const auto* block = reinterpret_cast<const std::uint8_t*>(bytes.data());
  if (type.id == 0) {
    if (!out.empty()) std::memcpy(out.data(), block, out.size_bytes());
    return;
  }
  for (std::size_t at = 0; at < out.size(); at += static_cast<std::size_t>(type.numbers), block += type.bytes) type.decode(block, out.data() + at);
}

}  // namespace cmoe
