// Elements moved and not changed: blocks of columns, swapped axes, pooled ranges, rotated pairs, dropped values.
#pragma once

#include <algorithm>
#include <cmath>

#include "cmoe/core/parallel.hpp"
#include "cmoe/core/random.hpp"
#include "cmoe/cpu/isa.hpp"
#include "cmoe/cpu/pack.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"

namespace cmoe::cpu {

namespace detail {

struct Affine {
  template <int Bytes, class Real>
  [[gnu::always_inline]] static void run(Index n, Real alpha, const Real* x, Real beta, Real* y) {
    using P = Pack<Real, Bytes>;
    for (Index i = 0; i < n; i += P::width) fma(P(alpha), P::load(x + i, n - i), P(beta)).store(y + i, n - i);
  }
};

// One head (d): pairs (p, p + d/2) are two packs, neighbours (2p, 2p+1) are turned one by one.
struct Rotary {
  template <int Bytes, class Real>
  [[gnu::always_inline]] static void run(Index begin, Index end, Index t, Index h, Index d, bool adjacent, Real direction,
                                         const Real* cosine, const Real* sine, const Real* x, Real* y) {
    using P = Pack<Real, Bytes>;
    const Index half = d / 2;
    for (Index at = begin * h; at < end * h; ++at) {
      const Real *const c = cosine + at / h % t * half, *const s = sine + at / h % t * half, *const from = x + at * d;
      Real* const to = y + at * d;
      for (Index p = 0; adjacent && p < half; ++p) {
        const Real a = from[2 * p], b = from[2 * p + 1], turn = direction * s[p];
        to[2 * p] = a * c[p] - b * turn;
        to[2 * p + 1] = a * turn + b * c[p];
      }
      for (Index p = 0; !adjacent && p < half; p += P::width) {
        const Index rest = half - p;
        const P a = P::load(from + p, rest), b = P::load(from + half + p, rest), cos = P::load(c + p, rest),
                turn = direction * P::load(s + p, rest);
        (a * cos - b * turn).store(to + p, rest);
        (a * turn + b * cos).store(to + half + p, rest);
      }
    }
  }
};

}  // namespace detail

inline Index row_grain(Index cols) { return std::max<Index>(1, 16384 / std::max<Index>(cols, 1)); }

// y = alpha x + beta
template <class Real>
void affine(Index n, Real alpha, const Real* x, Real beta, Real* y) {
  parallel_for(n, 16384,
               [=](Index begin, Index end) { dispatch<detail::Affine>(end - begin, alpha, x + begin, beta, y + begin); });
}

// A block of (rows,cols) copied between matrices with different row lengths; added if `accumulate`.
template <class Real>
void copy_block(Index rows, Index cols, const Real* x, Index x_stride, bool accumulate, Real* y, Index y_stride) {
  parallel_for(rows, row_grain(cols), [=](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      const Real* from = x + i * x_stride;
      Real* to = y + i * y_stride;
      if (accumulate)
        for (Index c = 0; c < cols; ++c) to[c] += from[c];
      else
        std::copy_n(from, cols, to);
    }
  });
}

// y (a,c,b,d) from x (a,b,c,d)
template <class Real>
void swap_axes(Index a, Index b, Index c, Index d, const Real* x, Real* y) {
  parallel_for(a * c, row_grain(b * d), [=](Index begin, Index end) {
    for (Index ac = begin; ac < end; ++ac) {
      const Index i = ac / c, k = ac % c;
      for (Index j = 0; j < b; ++j) std::copy_n(x + ((i * b + j) * c + k) * d, d, y + ((i * c + k) * b + j) * d);
    }
  });
}

// y (n,cols): the mean of rows first[i]..last[i] of x (n,rows,cols); 0 for an empty range.
template <class Real>
void mean_of_range(Index n, Index rows, Index cols, const Id* first, const Id* last, const Real* x, Real* y) {
  for (Index i = 0; i < n; ++i) {
    std::fill_n(y + i * cols, cols, Real(0));
    const Real scale = Real(1) / static_cast<Real>(std::max<Id>(1, last[i] - first[i]));
    for (Index r = first[i]; r < last[i]; ++r)
      for (Index c = 0; c < cols; ++c) y[i * cols + c] += x[(i * rows + r) * cols + c];
    for (Index c = 0; c < cols; ++c) y[i * cols + c] *= scale;
  }
}
template <class Real>
void mean_of_range_back(Index n, Index rows, Index cols, const Id* first, const Id* last, const Real* dy, Real* dx) {
  for (Index i = 0; i < n; ++i) {
    const Real scale = Real(1) / static_cast<Real>(std::max<Id>(1, last[i] - first[i]));
    for (Index r = 0; r < rows; ++r)
      for (Index c = 0; c < cols; ++c)
        dx[(i * rows + r) * cols + c] = r >= first[i] && r < last[i] ? scale * dy[i * cols + c] : Real(0);
  }
}

// y (n,cols): the maximum of rows first[n]..last[n] of x (n,rows,cols), place the row it stands in; 0 and -1 for an empty range.
template <class Real>
void max_of_range(Index n, Index rows, Index cols, const Id* first, const Id* last, const Real* x, Real* y, Id* place) {
  for (Index i = 0; i < n; ++i)
    for (Index c = 0; c < cols; ++c) {
      Id best = first[i] < last[i] ? first[i] : Id{-1};
      const auto at = [&](Id r) { return x[(i * rows + r) * cols + c]; };
      for (Id r = first[i] + 1; r < last[i]; ++r)
        if (at(r) > at(best)) best = r;
      y[i * cols + c] = best < 0 ? Real(0) : at(best);
      place[i * cols + c] = best;
    }
}
template <class Real>
void max_of_range_back(Index n, Index rows, Index cols, const Id* place, const Real* dy, Real* dx) {
  for (Index i = 0; i < n; ++i)
    for (Index c = 0; c < cols; ++c)
      if (const Id r = place[i * cols + c]; r >= 0) dx[(i * rows + r) * cols + c] += dy[i * cols + c];
}

// y[n,t,e,r] = g[n,e] x[n,t,e,r], and the gradient of g: g[n,e] = Σ_{t,r} x[n,t,e,r] y[n,t,e,r]
template <class Real>
void scale_blocks(Index n, Index t, Index e, Index r, const Real* x, const Real* g, Real* y) {
  parallel_for(n * t, row_grain(e * r), [=](Index begin, Index end) {
    for (Index row = begin; row < end; ++row)
      for (Index b = 0; b < e; ++b) {
        const Real weight = g[row / t * e + b];
        const Index at = (row * e + b) * r;
        for (Index c = 0; c < r; ++c) y[at + c] = weight * x[at + c];
      }
  });
}
template <class Real>
void dot_blocks(Index n, Index t, Index e, Index r, const Real* x, const Real* y, Real* g) {
  parallel_for(n, row_grain(t * e * r), [=](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      std::fill_n(g + i * e, e, Real(0));
      for (Index row = i * t; row < (i + 1) * t; ++row)
        for (Index b = 0; b < e; ++b)
          for (Index c = 0; c < r; ++c) g[i * e + b] += x[(row * e + b) * r + c] * y[(row * e + b) * r + c];
    }
  });
}

// Rotates pairs of x (n,t,h,d) by the angle of their position: pair p of position i has cosine[i,p] and sine[i,p], tables
// (t, d/2). Pairs are (2p, 2p+1) if `adjacent`, else (p, p + d/2). direction -1 rotates back.
template <class Real>
void rotary(Index n, Index t, Index h, Index d, bool adjacent, Real direction, const Real* cosine, const Real* sine, const Real* x,
            Real* y) {
  parallel_for(n * t, row_grain(h * d), [=](Index begin, Index end) {
    dispatch<detail::Rotary>(begin, end, t, h, d, adjacent, direction, cosine, sine, x, y);
  });
}

// y = x / (1 - p) where the random bits of (key, position) say keep, else 0. The same call on dy is the way back.
template <class Real>
void dropout(Index n, double p, std::uint64_t key, const Real* x, Real* y) {
  const auto threshold = static_cast<std::uint64_t>(p * 4294967296.0);
  const Real scale = static_cast<Real>(1.0 / (1.0 - p));
  parallel_for(n, 4096, [=](Index begin, Index end) {
    for (Index i = begin; i < end; ++i)
      y[i] = random_bits(key, static_cast<std::uint64_t>(i)) >= threshold ? scale * x[i] : Real(0);
  });
}

}  // namespace cmoe::cpu
#pragma GCC diagnostic pop
