// Elementwise loops: a formula over packs, forward and back, with the last few elements padded to a pack.
#pragma once

#include "cmoe/core/parallel.hpp"
#include "cmoe/cpu/isa.hpp"
#include "cmoe/cpu/math.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"

namespace cmoe::cpu {

namespace detail {

inline constexpr Index elementwise_grain = 16384;

// The lanes beyond n hold 1, which no formula objects to.

template <class F>
struct Map {
  template <int Bytes, class Real>
  [[gnu::always_inline]] static void run(Index n, const Real* x, Real* y) {
    using P = Pack<Real, Bytes>;
    for (Index i = 0; i < n; i += P::width) P(F::f(P::load(x + i, n - i, 1))).store(y + i, n - i);
  }
};

template <class F>
struct MapBack {
  template <int Bytes, class Real>
  [[gnu::always_inline]] static void run(Index n, const Real* x, const Real* y, const Real* dy, Real* dx) {
    using P = Pack<Real, Bytes>;
    for (Index i = 0; i < n; i += P::width) {
      const P slope = F::df(P::load(x + i, n - i, 1), P::load(y + i, n - i, 1));
      (P::load(dy + i, n - i) * slope).store(dx + i, n - i);
    }
  }
};

template <class F>
struct Zip {
  template <int Bytes, class Real>
  [[gnu::always_inline]] static void run(Index n, const Real* a, const Real* b, Real* y) {
    using P = Pack<Real, Bytes>;
    for (Index i = 0; i < n; i += P::width)
      P(F::f(P::load(a + i, n - i, 1), P::load(b + i, n - i, 1))).store(y + i, n - i);
  }
};

// One row of equal b: a (n), b one number.
template <class F>
struct ZipNumber {
  template <int Bytes, class Real>
  [[gnu::always_inline]] static void run(Index rows, Index n, const Real* a, const Real* b, Real* y) {
    using P = Pack<Real, Bytes>;
    for (Index row = 0; row < rows; ++row)
      for (Index i = 0; i < n; i += P::width)
        P(F::f(P::load(a + row * n + i, n - i, 1), P(b[row]))).store(y + row * n + i, n - i);
  }
};

template <class F, bool ToA>
struct ZipBack {
  template <int Bytes, class Real>
  [[gnu::always_inline]] static void run(Index n, const Real* a, const Real* b, const Real* y, const Real* dy, Real* d) {
    using P = Pack<Real, Bytes>;
    for (Index i = 0; i < n; i += P::width) {
      const P pa = P::load(a + i, n - i, 1), pb = P::load(b + i, n - i, 1), py = P::load(y + i, n - i, 1);
      P slope;
      if constexpr (ToA) slope = F::da(pa, pb, py);
      else slope = F::db(pa, pb, py);
      (P::load(dy + i, n - i) * slope).store(d + i, n - i);
    }
  }
};

// Both gradients in one pass: what the two formulas share, as the σ of a gated activation, is computed once.
template <class F>
struct ZipBackBoth {
  template <int Bytes, class Real>
  [[gnu::always_inline]] static void run(Index n, const Real* a, const Real* b, const Real* y, const Real* dy, Real* da, Real* db) {
    using P = Pack<Real, Bytes>;
    for (Index i = 0; i < n; i += P::width) {
      const P pa = P::load(a + i, n - i, 1), pb = P::load(b + i, n - i, 1), py = P::load(y + i, n - i, 1), d = P::load(dy + i, n - i);
      (d * F::da(pa, pb, py)).store(da + i, n - i);
      (d * F::db(pa, pb, py)).store(db + i, n - i);
    }
  }
};

}  // namespace detail

// y = F::f(x); y may be x
template <class F, class Real>
void map(Index n, const Real* x, Real* y) {
  parallel_for(n, detail::elementwise_grain,
               [=](Index begin, Index end) { dispatch<detail::Map<F>>(end - begin, x + begin, y + begin); });
}

// dx = dy · F::df(x, y); dx may be dy
template <class F, class Real>
void map_back(Index n, const Real* x, const Real* y, const Real* dy, Real* dx) {
  parallel_for(n, detail::elementwise_grain, [=](Index begin, Index end) {
    dispatch<detail::MapBack<F>>(end - begin, x + begin, y + begin, dy + begin, dx + begin);
  });
}

// y = F::f(a, b); y may be a or b
template <class F, class Real>
void zip(Index n, const Real* a, const Real* b, Real* y) {
  parallel_for(n, detail::elementwise_grain,
               [=](Index begin, Index end) { dispatch<detail::Zip<F>>(end - begin, a + begin, b + begin, y + begin); });
}

// y = F::f(a, b), a and y (outer,mid,inner), b (mid); y may be a
template <class F, class Real>
void zip_broadcast(Index outer, Index mid, Index inner, const Real* a, const Real* b, Real* y) {
  const Index slab = mid * inner;
  const Index grain = std::max<Index>(1, detail::elementwise_grain / std::max<Index>(1, slab));
  parallel_for(outer, grain, [=](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      if (inner == 1) dispatch<detail::Zip<F>>(mid, a + i * mid, b, y + i * mid);
      else dispatch<detail::ZipNumber<F>>(mid, inner, a + i * slab, b, y + i * slab);
    }
  });
}

// da = dy · F::da(a, b, y), db = dy · F::db(a, b, y); either may be null. da and db are not dy.
template <class F, class Real>
void zip_back(Index n, const Real* a, const Real* b, const Real* y, const Real* dy, Real* da, Real* db) {
  parallel_for(n, detail::elementwise_grain, [=](Index begin, Index end) {
    const Index count = end - begin;
    if (da && db)
      return dispatch<detail::ZipBackBoth<F>>(count, a + begin, b + begin, y + begin, dy + begin, da + begin, db + begin);
    if (da) dispatch<detail::ZipBack<F, true>>(count, a + begin, b + begin, y + begin, dy + begin, da + begin);
    if (db) dispatch<detail::ZipBack<F, false>>(count, a + begin, b + begin, y + begin, dy + begin, db + begin);
  });
}

}  // namespace cmoe::cpu
#pragma GCC diagnostic pop
