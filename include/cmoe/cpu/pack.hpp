// Packs: a few numbers that one instruction works on, as a value type over the compiler's own vectors.
#pragma once

#include <cstdint>
#include <type_traits>
#include <utility>

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

#include "cmoe/core/scalar.hpp"
#include "cmoe/core/shape.hpp"

// How a vector would be passed to a function is of no interest: packs are passed by reference and everything is inlined.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"

namespace cmoe::cpu {

// Bytes is 16, 32 or 64; a pack has Bytes / sizeof(Real) lanes. A number is a pack of equal lanes, so that
// 1 - x, max(x, 0) and x > 0.5 mean what they say; it is rounded to Real first.
template <class Real, int Bytes>
struct Pack {
  using Bit = std::conditional_t<sizeof(Real) == 4, std::uint32_t, std::uint64_t>;
  typedef Real Vector __attribute__((vector_size(Bytes)));
  typedef Real Anywhere __attribute__((vector_size(Bytes), aligned(alignof(Real)), may_alias));
  typedef Bit BitVector __attribute__((vector_size(Bytes)));
  typedef std::make_signed_t<Bit> Signs __attribute__((vector_size(Bytes)));
  static constexpr int width = Bytes / static_cast<int>(sizeof(Real));

  // The answer of a comparison: all ones or all zeros in each lane.
  struct Mask {
    [[gnu::always_inline]] explicit Mask(const Signs& lanes) : v(lanes) {}
    [[gnu::always_inline]] Mask(const Mask& other) : v(other.v) {}
    [[gnu::always_inline]] Mask& operator=(const Mask&) = default;
    [[gnu::always_inline]] friend Mask operator&(const Mask& a, const Mask& b) { return Mask(a.v & b.v); }
    [[gnu::always_inline]] friend Mask operator|(const Mask& a, const Mask& b) { return Mask(a.v | b.v); }
    [[gnu::always_inline]] friend Mask operator!(const Mask& a) { return Mask(~a.v); }
    Signs v;
  };

  // The lanes as whole numbers.
  struct Bits {
    [[gnu::always_inline]] explicit Bits(const BitVector& lanes) : v(lanes) {}
    [[gnu::always_inline]] Bits(Bit x) : v(x - BitVector{}) {}
    [[gnu::always_inline]] Bits(const Bits& other) : v(other.v) {}
    [[gnu::always_inline]] friend Bits operator+(const Bits& a, const Bits& b) { return Bits(a.v + b.v); }
    [[gnu::always_inline]] friend Bits operator-(const Bits& a, const Bits& b) { return Bits(a.v - b.v); }
    [[gnu::always_inline]] friend Bits operator&(const Bits& a, const Bits& b) { return Bits(a.v & b.v); }
    [[gnu::always_inline]] friend Bits operator|(const Bits& a, const Bits& b) { return Bits(a.v | b.v); }
    [[gnu::always_inline]] friend Bits operator<<(const Bits& a, int n) { return Bits(a.v << n); }
    [[gnu::always_inline]] friend Bits operator>>(const Bits& a, int n) { return Bits(a.v >> n); }
    BitVector v;
  };

  Vector v;

  // The copy is written out because a type that is not trivial crosses functions in memory, alike for every instruction set:
  // a formula that some compiler does not inline stays correct.
  [[gnu::always_inline]] Pack() : v{} {}
  template <class Number>
    requires std::is_arithmetic_v<Number>
  [[gnu::always_inline]] Pack(Number x) : Pack(broadcast(static_cast<Real>(x))) {}
  [[gnu::always_inline]] explicit Pack(const Vector& lanes) : v(lanes) {}
  [[gnu::always_inline]] Pack(const Pack& other) : v(other.v) {}
  [[gnu::always_inline]] Pack& operator=(const Pack& other) {
    v = other.v;
    return *this;
  }

  // Half by half: g++ 12 would insert lane after lane into a vector that is too large for the function's own target.
  [[gnu::always_inline]] static Pack broadcast(Real x) {
    if constexpr (Bytes > 16) {
      const auto half = Pack<Real, Bytes / 2>::broadcast(x);
      return join(half, half);
    } else {
      return Pack(x - Vector{});
    }
  }
  [[gnu::always_inline]] static Pack load(const Real* p) {
    Pack read;
    read.v = *reinterpret_cast<const Anywhere*>(p);
    return read;
  }
  [[gnu::always_inline]] void store(Real* p) const { *reinterpret_cast<Anywhere*>(p) = v; }

  // The first n lanes only, all of them if n is larger; the others read as `fill`, and memory beyond is not touched. A loop
  // that uses these for whole packs and for the rest alike has its arithmetic at one place, so the compiler cannot give the
  // two different roundings: an element's bits do not depend on where it lies.
  [[gnu::always_inline]] static Pack load(const Real* p, Index n, Real fill = 0) {
    if (n >= width) [[likely]] return load(p);
    alignas(Bytes) Real lanes[width];
    for (int i = 0; i < width; ++i) lanes[i] = i < n ? p[i] : fill;
    return load(lanes);
  }
  [[gnu::always_inline]] void store(Real* p, Index n) const {
    if (n >= width) [[likely]] return store(p);
    alignas(Bytes) Real lanes[width];
    store(lanes);
    for (int i = 0; i < width && i < n; ++i) p[i] = lanes[i];
  }

  // 0, 1, 2, ... by lane.
  [[gnu::always_inline]] static Pack lane() {
    alignas(Bytes) static constexpr Real count[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    return load(count);
  }

  [[gnu::always_inline]] Bits bits() const { return Bits(reinterpret_cast<BitVector>(v)); }
  [[gnu::always_inline]] static Pack of_bits(const Bits& b) { return Pack(reinterpret_cast<Vector>(b.v)); }

  [[gnu::always_inline]] friend Pack operator-(const Pack& a) { return Pack(-a.v); }
  [[gnu::always_inline]] friend Pack operator+(const Pack& a, const Pack& b) { return Pack(a.v + b.v); }
  [[gnu::always_inline]] friend Pack operator-(const Pack& a, const Pack& b) { return Pack(a.v - b.v); }
  [[gnu::always_inline]] friend Pack operator*(const Pack& a, const Pack& b) { return Pack(a.v * b.v); }
  [[gnu::always_inline]] friend Pack operator/(const Pack& a, const Pack& b) { return Pack(a.v / b.v); }
  [[gnu::always_inline]] Pack& operator+=(const Pack& b) { return *this = *this + b; }
  [[gnu::always_inline]] Pack& operator-=(const Pack& b) { return *this = *this - b; }
  [[gnu::always_inline]] Pack& operator*=(const Pack& b) { return *this = *this * b; }

  [[gnu::always_inline]] friend Mask operator<(const Pack& a, const Pack& b) { return Mask(a.v < b.v); }
  [[gnu::always_inline]] friend Mask operator>(const Pack& a, const Pack& b) { return Mask(a.v > b.v); }
  [[gnu::always_inline]] friend Mask operator<=(const Pack& a, const Pack& b) { return Mask(a.v <= b.v); }
  [[gnu::always_inline]] friend Mask operator>=(const Pack& a, const Pack& b) { return Mask(a.v >= b.v); }
  [[gnu::always_inline]] friend Mask operator==(const Pack& a, const Pack& b) { return Mask(a.v == b.v); }
  [[gnu::always_inline]] friend Mask operator!=(const Pack& a, const Pack& b) { return Mask(a.v != b.v); }

  [[gnu::always_inline]] friend Pack select(const Mask& m, const Pack& yes, const Pack& no) {
    return Pack(m.v ? yes.v : no.v);
  }
  // a·b + c, rounded once where the machine can.
  [[gnu::always_inline]] friend Pack fma(const Pack& a, const Pack& b, const Pack& c) { return Pack(a.v * b.v + c.v); }
  // sum + a·b for a number in memory, which becomes an operand of the multiply-add.
  [[gnu::always_inline]] friend Pack add_product(const Pack& sum, const Real& a, const Pack& b) { return Pack(a * b.v + sum.v); }
  // The second operand if either is NaN.
  [[gnu::always_inline]] friend Pack max(const Pack& a, const Pack& b) { return Pack(a.v > b.v ? a.v : b.v); }
  [[gnu::always_inline]] friend Pack min(const Pack& a, const Pack& b) { return Pack(a.v < b.v ? a.v : b.v); }
  [[gnu::always_inline]] friend Pack abs(const Pack& a) { return of_bits(a.bits() & ~sign_bit); }
  [[gnu::always_inline]] friend Pack copysign(const Pack& a, const Pack& sign) {
    return of_bits((a.bits() & ~sign_bit) | (sign.bits() & sign_bit));
  }
  // Slice by slice: there is no portable word for the square root of a vector.
  [[gnu::always_inline]] friend Pack sqrt(const Pack& a) {
    if constexpr (Bytes > 16) {
      return join(sqrt(a.low()), sqrt(a.high()));
    } else {
#if defined(__x86_64__)
      if constexpr (sizeof(Real) == 4) return Pack(Vector(_mm_sqrt_ps(a.v)));
      else return Pack(Vector(_mm_sqrt_pd(a.v)));
#else
      Pack root;
      for (int i = 0; i < width; ++i) root.v[i] = std::sqrt(a.v[i]);
      return root;
#endif
    }
  }

  // The sum and the greatest of all lanes, by halving: lane i meets lane i + width/2, and so on.
  [[gnu::always_inline]] friend Real sum(const Pack& a) {
    if constexpr (Bytes > 16) return sum(a.low() + a.high());
    else if constexpr (width == 4) return (a.v[0] + a.v[2]) + (a.v[1] + a.v[3]);
    else return a.v[0] + a.v[1];
  }
  [[gnu::always_inline]] friend Real max_of(const Pack& a) {
    if constexpr (Bytes > 16) return max_of(max(a.low(), a.high()));
    else if constexpr (width == 4) return cmoe::max(cmoe::max(a.v[0], a.v[2]), cmoe::max(a.v[1], a.v[3]));
    else return cmoe::max(a.v[0], a.v[1]);
  }

  // The two halves, and a pack of two halves.
  [[gnu::always_inline]] auto low() const { return half<0>(std::make_integer_sequence<int, width / 2>{}); }
  [[gnu::always_inline]] auto high() const { return half<width / 2>(std::make_integer_sequence<int, width / 2>{}); }
  [[gnu::always_inline]] static Pack join(const Pack<Real, Bytes / 2>& low, const Pack<Real, Bytes / 2>& high) {
    return join(low, high, std::make_integer_sequence<int, width>{});
  }

 private:
  static constexpr Bit sign_bit = Bit{1} << (8 * sizeof(Real) - 1);

  template <int First, int... I>
  [[gnu::always_inline]] Pack<Real, Bytes / 2> half(std::integer_sequence<int, I...>) const {
    return Pack<Real, Bytes / 2>(__builtin_shufflevector(v, v, (First + I)...));
  }
  template <int... I>
  [[gnu::always_inline]] static Pack join(const Pack<Real, Bytes / 2>& low, const Pack<Real, Bytes / 2>& high,
                                          std::integer_sequence<int, I...>) {
    return Pack(__builtin_shufflevector(low.v, high.v, I...));
  }
};

}  // namespace cmoe::cpu

namespace cmoe {
template <class Real, int Bytes>
struct RealOf<cpu::Pack<Real, Bytes>> {
  using type = Real;
};
}  // namespace cmoe

#pragma GCC diagnostic pop
