// Mathematics on packs: exponentials, logarithms and what networks make of them, without tables, calls or branches.
//
// Greatest errors found against long double, in units of the last place, over the whole range where the result is normal:
//            exp   log   log1p  expm1  tanh  erf  sigmoid  softplus
//   float    1.5    1     1.5     2      3    3      3        2.5
//   double   1.5    1     1.5     2      3    5      3        2.5
// tests/cpu/math_test.cpp holds them to that. Infinities, NaN, zeros and subnormal numbers give what std:: gives.
#pragma once

#include <cstddef>
#include <limits>
#include <numbers>

#include "cmoe/cpu/pack.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"

namespace cmoe::cpu {

using std::erf;
using std::exp;
using std::expm1;
using std::log;
using std::log1p;
using std::tanh;
using cmoe::log_sigmoid;
using cmoe::sigmoid;
using cmoe::softplus;

namespace detail {

template <class Real>
struct Format;  // how IEEE numbers are laid out
template <>
struct Format<float> {
  static constexpr int fraction_bits = 23, bias = 127;
  static constexpr float rounder = 0x1.8p23f;              // x + rounder − rounder is x rounded to a whole number
  static constexpr float ln2_high = 0x1.62ep-1f;           // few enough bits that a whole number times it is exact
  static constexpr float ln2_low = 0x1.0bfbe8p-15f;         // ln 2 − ln2_high
  static constexpr float exp_lowest = -104, exp_highest = 89;
};
template <>
struct Format<double> {
  static constexpr int fraction_bits = 52, bias = 1023;
  static constexpr double rounder = 0x1.8p52;
  static constexpr double ln2_high = 0x1.62e42feep-1;
  static constexpr double ln2_low = 0x1.a39ef35793c76p-33;
  static constexpr double exp_lowest = -746, exp_highest = 710;
};

// c0 + c1 x + c2 x² + ...
template <class P>
[[gnu::always_inline]] inline P polynomial(const P&, double c0) {
  return c0;
}
template <class P, class... Rest>
[[gnu::always_inline]] inline P polynomial(const P& x, double c0, double c1, Rest... rest) {
  return fma(polynomial(x, c1, rest...), x, P(c0));
}

// 2^n for a whole number n in the range of normal exponents, given as n + rounder.
template <class Real, int Bytes>
[[gnu::always_inline]] inline Pack<Real, Bytes> power_of_two(const Pack<Real, Bytes>& rounded) {
  using F = Format<Real>;
  return Pack<Real, Bytes>::of_bits((rounded.bits() + F::bias) << F::fraction_bits);
}

// e^x − 1 = 2^n (1 + tail) − 1, where tail is e^r − 1 for the rest r of x, |r| <= ln 2 / 2.
template <class P>
struct Exponent {
  P rounded;  // n + rounder
  P n;
  P tail;
};
template <class Real, int Bytes>
[[gnu::always_inline]] inline Exponent<Pack<Real, Bytes>> exponent(const Pack<Real, Bytes>& x) {
  using F = Format<Real>;
  using P = Pack<Real, Bytes>;
  const P rounded = fma(x, P(std::numbers::log2e), P(F::rounder));
  const P n = rounded - P(F::rounder);
  const P r = fma(n, P(-F::ln2_low), fma(n, P(-F::ln2_high), x));
  // Taylor: (e^r − 1 − r) / r²; what is left out is below a tenth of the last place.
  P rest;
  if constexpr (sizeof(Real) == 4) {
    rest = polynomial(r, 1. / 2, 1. / 6, 1. / 24, 1. / 120, 1. / 720, 1. / 5040);
  } else {
    rest = polynomial(r, 1. / 2, 1. / 6, 1. / 24, 1. / 120, 1. / 720, 1. / 5040, 1. / 40320, 1. / 362880, 1. / 3628800, 1. /
                      39916800, 1. / 479001600, 1. / 6227020800);
  }
  return {rounded, n, fma(r * r, rest, r)};
}

// log(x) + correction for a normal positive x: x = 2^e (1 + f), s = f / (2 + f), log(1 + f) = 2 atanh(s), summed from the
// smallest part up as in fdlibm.
template <class Real, int Bytes>
[[gnu::always_inline]] inline Pack<Real, Bytes> log_of_normal(const Pack<Real, Bytes>& x, const Pack<Real, Bytes>& e_offset,
                                                              const Pack<Real, Bytes>& correction) {
  using F = Format<Real>;
  using P = Pack<Real, Bytes>;
  // Counted from √½, the exponent makes 1 + f lie in [√½, √2).
  const auto root_half = P(std::numbers::sqrt2 / 2).bits();
  const auto biased = (x.bits() - root_half + (typename P::Bit{F::bias} << F::fraction_bits)) >>
                      F::fraction_bits;
  const auto shift = (biased - F::bias) << F::fraction_bits;
  const P e = P::of_bits(P(F::rounder).bits() + biased) - P(F::rounder + F::bias) + e_offset;
  const P f = P::of_bits(x.bits() - shift) - 1;
  const P s = f / (2 + f), z = s * s;
  P series;
  if constexpr (sizeof(Real) == 4) {
    series = z * polynomial(z, 2. / 3, 2. / 5, 2. / 7, 2. / 9);
  } else {
    series = z * polynomial(z, 2. / 3, 2. / 5, 2. / 7, 2. / 9, 2. / 11, 2. / 13, 2. / 15, 2. / 17, 2. / 19, 2. / 21);
  }
  const P half_square = 0.5 * f * f;
  const P low = fma(s, half_square + series, fma(e, P(F::ln2_low), correction));
  return fma(e, P(F::ln2_high), f - (half_square - low));
}

}  // namespace detail

template <class Real, int Bytes>
[[gnu::always_inline]] inline Pack<Real, Bytes> exp(const Pack<Real, Bytes>& x) {
  using F = detail::Format<Real>;
  using P = Pack<Real, Bytes>;
  // What would vanish is 0 at once: to arrive at it by underflow costs a hundred times as much.
  const auto vanishes = x < F::exp_lowest;
  const P inside = select(vanishes, P(0), select(x > F::exp_highest, F::exp_highest, x));
  const auto part = detail::exponent(inside);
  // 2^n in two factors, so that results near the ends of the range, and beyond, come out right.
  const P half = part.n * 0.5 + P(F::rounder);
  const P y = (1 + part.tail) * detail::power_of_two(half) * detail::power_of_two(part.rounded - (half - P(F::rounder)));
  return select(vanishes, P(0), y);
}

namespace detail {

// e^x where that is a normal number.
template <class Real, int Bytes>
[[gnu::always_inline]] inline Pack<Real, Bytes> exp_inside(const Pack<Real, Bytes>& x) {
  const auto part = exponent(x);
  const Pack<Real, Bytes> power = power_of_two(part.rounded);
  return fma(power, part.tail, power);
}

// e^x − 1 for |x| up to 40, where 2^n and its neighbours are normal numbers.
template <class Real, int Bytes>
[[gnu::always_inline]] inline Pack<Real, Bytes> expm1_inside(const Pack<Real, Bytes>& x) {
  const auto part = exponent(x);
  const Pack<Real, Bytes> power = power_of_two(part.rounded);
  return fma(power, part.tail, power - 1);
}

}  // namespace detail

template <class Real, int Bytes>
[[gnu::always_inline]] inline Pack<Real, Bytes> expm1(const Pack<Real, Bytes>& x) {
  using P = Pack<Real, Bytes>;
  const P small = detail::expm1_inside<Real, Bytes>(select(x < -40, P(-40), x));
  return select(x == 0, x, select(x > 40, exp(x), small));
}

template <class Real, int Bytes>
[[gnu::always_inline]] inline Pack<Real, Bytes> log(const Pack<Real, Bytes>& x) {
  using F = detail::Format<Real>;
  using P = Pack<Real, Bytes>;
  using Limits = std::numeric_limits<Real>;
  const auto tiny = x < Limits::min();
  const Real lift = static_cast<Real>(typename P::Bit{1} << F::fraction_bits);
  const P normal = select(tiny, x * lift, x);
  const P y = detail::log_of_normal<Real, Bytes>(normal, select(tiny, P(-F::fraction_bits), P(0)), P(0));
  return select(x > 0, select(x == Limits::infinity(), x, y), select(x == 0, -Limits::infinity(), Limits::quiet_NaN()));
}

// log(u) for u = 1 + x as it was rounded, plus what the rounding lost.
template <class Real, int Bytes>
[[gnu::always_inline]] inline Pack<Real, Bytes> log1p(const Pack<Real, Bytes>& x) {
  using P = Pack<Real, Bytes>;
  using Limits = std::numeric_limits<Real>;
  const P u = 1 + x;
  const P lost = select(x < 1, x - (u - 1), 1 - (u - x));
  const P y = detail::log_of_normal<Real, Bytes>(u, P(0), lost / u);
  const P inside = select(u == 1, x, y);
  const P below = select(x > -1, inside, select(x == -1, -Limits::infinity(), Limits::quiet_NaN()));
  return select(x < Limits::infinity(), below, x);
}

// tanh |x| = t / (t + 2), t = e^{2|x|} − 1
template <class Real, int Bytes>
[[gnu::always_inline]] inline Pack<Real, Bytes> tanh(const Pack<Real, Bytes>& x) {
  using P = Pack<Real, Bytes>;
  const P twice = 2 * abs(x);
  const P t = detail::expm1_inside<Real, Bytes>(select(twice > 40, P(40), twice));
  return copysign(t / (t + 2), x);
}

// Up to 1 a polynomial in x² times x, beyond it 1 − e^{−x²} q(2 / (2 + x)). The coefficients interpolate at Chebyshev points.
template <class Real, int Bytes>
[[gnu::always_inline]] inline Pack<Real, Bytes> erf(const Pack<Real, Bytes>& x) {
  using P = Pack<Real, Bytes>;
  const P a = select(abs(x) > 6, P(6), abs(x));
  const P z = 2 * x * x - 1, u = (2 / (2 + a) - 11. / 24) * (24. / 5);
  P inner, outer;
  if constexpr (sizeof(Real) == 4) {
    inner = detail::polynomial(z, 0.96546873863756906, -0.140536089021121148, 0.0198524977224558126, -0.00228548561221224206,
                               0.000217511990620889903, -0.0000175369141808005966, 1.23163959774783754e-6,
                               -7.55237857147421595e-8);
    outer = detail::polynomial(u, 0.221429538967026706, 0.161893568548896352, 0.0385606108464907465, 0.00558880001060515748,
                               0.000196936847641828855, -0.0000807103250497860842, -7.0159359241020126e-6,
                               1.84643227516175898e-6);
  } else {
    inner = detail::polynomial(z, 0.965468738669867308, -0.140536089022717119, 0.0198524966889837074, -0.0022854855611441132,
                               0.000217517156041599315, -0.0000175371694411248655, 1.22338273835989686e-6,
                               -7.51156928659172683e-8, 4.11580058320814911e-9, -2.03522840581576898e-10,
                               9.16761959686580632e-12, -3.80788240631949552e-13, 1.45438870794651157e-14);
    outer = detail::polynomial(u, 0.221429540229931806, 0.161893568041025353, 0.0385605704251815636, 0.00558881628182587813,
                               0.000197139177760088895, -0.0000807922041180412827, -7.34051828499986927e-6,
                               1.97956115820926427e-6, 1.63501023720879839e-7, -7.00517020547537375e-8,
                               -5.92636131528183211e-10, 2.6223500325142788e-9, -2.63424302100066881e-10,
                               -7.29050853516539748e-11, 1.86209898068151617e-11);
  }
  return select(a > 1, copysign(1 - exp(-(a * a)) * outer, x), x * inner);
}

template <class Real, int Bytes>
[[gnu::always_inline]] inline Pack<Real, Bytes> sigmoid(const Pack<Real, Bytes>& x) {
  using P = Pack<Real, Bytes>;
  const P e = exp(-abs(x));
  return select(x < 0, e, P(1)) / (1 + e);
}

// log(1 + e^x) = max(x, 0) + log(u), u = 1 + e^{−|x|} in [1, 2]
template <class Real, int Bytes>
[[gnu::always_inline]] inline Pack<Real, Bytes> softplus(const Pack<Real, Bytes>& x) {
  using P = Pack<Real, Bytes>;
  const P e = exp(-abs(x)), u = 1 + e;
  return max(x, P(0)) + detail::log_of_normal<Real, Bytes>(u, P(0), e - (u - 1));
}

template <class Real, int Bytes>
[[gnu::always_inline]] inline Pack<Real, Bytes> log_sigmoid(const Pack<Real, Bytes>& x) {
  return -softplus(-x);
}

}  // namespace cmoe::cpu

namespace cmoe {
using cpu::erf;
using cpu::exp;
using cpu::expm1;
using cpu::log;
using cpu::log1p;
using cpu::log_sigmoid;
using cpu::sigmoid;
using cpu::softplus;
using cpu::tanh;
}  // namespace cmoe
#pragma GCC diagnostic pop
