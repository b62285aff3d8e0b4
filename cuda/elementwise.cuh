// Elementwise kernels: every formula of core/functors.hpp, forward and back, and what is like them.
#pragma once

#include "cmoe/core/random.hpp"
#include "execute.cuh"

namespace cmoe::cuda {

template <class Word>
struct FillBody {
  Word value;
  Word* y;
  constexpr void operator()(Index i) const { y[i] = value; }
};

template <class F, class Real>
struct MapBody {
  const Real* x;
  Real* y;
  constexpr void operator()(Index i) const { y[i] = F::f(x[i]); }
};

template <class F, class Real>
struct MapBackBody {
  const Real *x, *y, *dy;
  Real* dx;
  constexpr void operator()(Index i) const { dx[i] = dy[i] * F::df(x[i], y[i]); }
};

template <class F, class Real>
struct ZipBody {
  const Real *a, *b;
  Real* y;
  constexpr void operator()(Index i) const { y[i] = F::f(a[i], b[i]); }
};

template <class F, class Real>
struct ZipBroadcastBody {
  Index mid, inner;
  const Real *a, *b;
  Real* y;
  constexpr void operator()(Index i) const { y[i] = F::f(a[i], b[i / inner % mid]); }
};

template <class F, class Real>
struct ZipBackBody {
  const Real *a, *b, *y, *dy;
  Real *da, *db;
  constexpr void operator()(Index i) const {
    const Real p = a[i], q = b[i], r = y[i], d = dy[i];
    if (da) da[i] = d * F::da(p, q, r);
    if (db) db[i] = d * F::db(p, q, r);
  }
};

template <class Real>
struct AffineBody {
  Real alpha, beta;
  const Real* x;
  Real* y;
  constexpr void operator()(Index i) const { y[i] = fma(alpha, x[i], beta); }
};

template <class Real>
struct AxpyBody {
  Real alpha;
  const Real* x;
  Real* y;
  constexpr void operator()(Index i) const { y[i] = fma(alpha, x[i], y[i]); }
};

// Four elements at a time, which share a block of random words.
template <class Real>
struct DropoutBody {
  Index n;
  std::uint64_t key, threshold;
  Real scale;
  const Real* x;
  Real* y;
  constexpr void operator()(Index four) const {
    const auto words = cmoe::detail::philox_block(key, 0, static_cast<std::uint64_t>(four));
    for (Index i = 4 * four; i < std::min(n, 4 * four + 4); ++i) y[i] = words[static_cast<std::size_t>(i % 4)] >= threshold ? scale * x[i] : Real(0);
  }
};

template <class Machine>
void Memory<Machine>::fill_words(Index n, std::uint32_t bits, void* y) {
  Execute<Machine>::each(n, FillBody<std::uint32_t>{bits, static_cast<std::uint32_t*>(y)});
}
template <class Machine>
void Memory<Machine>::fill_words(Index n, std::uint64_t bits, void* y) {
  Execute<Machine>::each(n, FillBody<std::uint64_t>{bits, static_cast<std::uint64_t*>(y)});
}

// run(F{}) for the formula of that place. A call for each, so that the compiler makes every kernel.
template <class... F, class Run>
void with_formula(int place, xtl::mpl::vector<F...>, const Run& run) {
  int at = 0;
  ((at++ == place ? run(F{}) : void()), ...);
}

template <class Real, class Machine>
void Elementwise<Real, Machine>::unary(int formula, Index n, const Real* x, Real* y) {
  with_formula(formula, fn::Unary{}, [=]<class F>(F) { Execute<Machine>::each(n, MapBody<F, Real>{x, y}); });
}
template <class Real, class Machine>
void Elementwise<Real, Machine>::unary_back(int formula, Index n, const Real* x, const Real* y, const Real* dy, Real* dx) {
  with_formula(formula, fn::Unary{}, [=]<class F>(F) { Execute<Machine>::each(n, MapBackBody<F, Real>{x, y, dy, dx}); });
}
template <class Real, class Machine>
void Elementwise<Real, Machine>::binary(int formula, Index n, const Real* a, const Real* b, Real* y) {
  with_formula(formula, Pairwise{}, [=]<class F>(F) { Execute<Machine>::each(n, ZipBody<F, Real>{a, b, y}); });
}
template <class Real, class Machine>
void Elementwise<Real, Machine>::binary_broadcast(int formula, Index outer, Index mid, Index inner, const Real* a, const Real* b, Real* y) {
  with_formula(formula, Pairwise{},
               [=]<class F>(F) { Execute<Machine>::each(outer * mid * inner, ZipBroadcastBody<F, Real>{mid, inner, a, b, y}); });
}
template <class Real, class Machine>
void Elementwise<Real, Machine>::binary_back(int formula, Index n, const Real* a, const Real* b, const Real* y, const Real* dy, Real* da,
                                             Real* db) {
  with_formula(formula, fn::Binary{}, [=]<class F>(F) { Execute<Machine>::each(n, ZipBackBody<F, Real>{a, b, y, dy, da, db}); });
}

template <class Real, class Machine>
void Elementwise<Real, Machine>::affine(Index n, Real alpha, const Real* x, Real beta, Real* y) {
  Execute<Machine>::each(n, AffineBody<Real>{alpha, beta, x, y});
}
template <class Real, class Machine>
void Elementwise<Real, Machine>::axpy(Index n, Real alpha, const Real* x, Real* y) {
  Execute<Machine>::each(n, AxpyBody<Real>{alpha, x, y});
}
template <class Real, class Machine>
void Elementwise<Real, Machine>::dropout(Index n, double p, std::uint64_t key, const Real* x, Real* y) {
  const auto threshold = static_cast<std::uint64_t>(p * 4294967296.0);
  Execute<Machine>::each(ceil_divide(n, 4), DropoutBody<Real>{n, key, threshold, static_cast<Real>(1.0 / (1.0 - p)), x, y});
}

}  // namespace cmoe::cuda
