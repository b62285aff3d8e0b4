// Blocks of small numbers to float on packs: the types that are met most have loops of their own.
#pragma once

#include <bit>
#include <cstring>

#include "cmoe/core/stored_matrix.hpp"
#include "cmoe/cpu/isa.hpp"
#include "cmoe/cpu/pack.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"

namespace cmoe::cpu {

// The number of 16 bits that lies there; exact, infinities and NaN included.
[[gnu::always_inline]] inline float half_at(const std::uint8_t* at) {
  std::uint16_t bits;
  std::memcpy(&bits, at, sizeof(bits));
  const std::uint32_t rest = bits & 0x7fffu, sign = (bits & 0x8000u) << 16;
  const float small = std::bit_cast<float>(rest << 13) * 0x1p112F;  // moves the exponent's bias, subnormal numbers become normal
  const std::uint32_t magnitude = rest >= 0x7c00u ? rest << 13 | 0x7f800000u : std::bit_cast<std::uint32_t>(small);
  return std::bit_cast<float>(magnitude | sign);
}

// As many bytes as a pack has lanes, turned into a pack.
template <int Bytes>
struct Octets {
  static constexpr int width = Bytes / 4;
  typedef std::uint8_t Unsigned __attribute__((vector_size(width)));
  typedef std::int8_t Signed __attribute__((vector_size(width)));
  typedef std::int32_t Words __attribute__((vector_size(Bytes)));
  using P = Pack<float, Bytes>;

  [[gnu::always_inline]] static Unsigned load(const std::uint8_t* at) {
    Unsigned v;
    std::memcpy(&v, at, sizeof(v));
    return v;
  }
  template <class V>
  [[gnu::always_inline]] static P numbers(const V& v) {
    return P(__builtin_convertvector(__builtin_convertvector(v, Words), typename P::Vector));
  }
};

// Numbers of GGUF files: scale · q + least, with q of 4 bits (low halves first) or 8 bits.
struct DecodeKernel {
  template <int Bytes>
  [[gnu::always_inline]] static void four_bits(const std::uint8_t* q, float scale, float offset, float least, float* y) {
    using O = Octets<Bytes>;
    using P = Pack<float, Bytes>;
    const P s = P::broadcast(scale), o = P::broadcast(offset), l = P::broadcast(least);
    for (int i = 0; i < 16; i += O::width) {
      const auto both = O::load(q + i);
      fma(s, O::numbers(both & 15) - o, l).store(y + i);
      fma(s, O::numbers(both >> 4) - o, l).store(y + 16 + i);
    }
  }

  template <int Bytes>
  [[gnu::always_inline]] static void eight_bits(const std::uint8_t* q, float scale, float* y) {
    using O = Octets<Bytes>;
    const auto s = Pack<float, Bytes>::broadcast(scale);
    for (int i = 0; i < 32; i += O::width) (s * O::numbers(reinterpret_cast<typename O::Signed>(O::load(q + i)))).store(y + i);
  }

  template <int Bytes>
  [[gnu::always_inline]] static void run(const BlockType* type, Index blocks, const std::uint8_t* from, float* to) {
    switch (type->id) {
      case 2:
        for (Index b = 0; b < blocks; ++b, from += 18, to += 32) four_bits<Bytes>(from + 2, half_at(from), 8, -0.0F, to);
        break;
      case 3:
        for (Index b = 0; b < blocks; ++b, from += 20, to += 32) four_bits<Bytes>(from + 4, half_at(from), 0, half_at(from + 2), to);
        break;
      case 8:
        for (Index b = 0; b < blocks; ++b, from += 34, to += 32) eight_bits<Bytes>(from + 2, half_at(from), to);
        break;
      case 1:
        for (Index b = 0; b < blocks; ++b) to[b] = half_at(from + 2 * b);
        break;
      case 30:
        for (Index b = 0; b < blocks; ++b) {
          std::uint16_t bits;
          std::memcpy(&bits, from + 2 * b, sizeof(bits));
          to[b] = std::bit_cast<float>(std::uint32_t{bits} << 16);
        }
        break;
      default:
        for (Index b = 0; b < blocks; ++b) type->decode(from + b * type->bytes, to + b * type->numbers);
    }
  }
};

// Rows first..last-1 as floats, (last-first, cols).
inline void decode_rows(const StoredMatrix& stored, Index first, Index last, float* to) {
  const BlockType& type = stored.type();
  dispatch<DecodeKernel>(&type, (last - first) * (stored.cols() / type.numbers), stored.row(first), to);
}

}  // namespace cmoe::cpu
#pragma GCC diagnostic pop
