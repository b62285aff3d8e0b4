// Elements moved and not changed, pooled ranges, weighted blocks, rotated pairs.
#pragma once

#include "execute.cuh"

namespace cmoe::cuda {

template <class Real>
struct CopyBlockBody {
  Index cols;
  const Real* x;
  Index x_stride;
  bool accumulate;
  Real* y;
  Index y_stride;
  constexpr void operator()(Index i) const {
    const Real value = x[i / cols * x_stride + i % cols];
    Real* const to = y + i / cols * y_stride + i % cols;
    *to = accumulate ? *to + value : value;
  }
};

// y (a,c,b,d) from x (a,b,c,d)
template <class Real>
struct SwapAxesBody {
  Index b, c, d;
  const Real* x;
  Real* y;
  constexpr void operator()(Index i) const {
    const Index l = i % d, j = i / d % b, k = i / d / b % c, h = i / d / b / c;
    y[i] = x[((h * b + j) * c + k) * d + l];
  }
};

template <class Real>
struct MeanOfRangeBody {
  Index rows, cols;
  const Id *first, *last;
  const Real* x;
  Real* y;
  constexpr void operator()(Index i) const {
    const Index n = i / cols;
    Real sum = 0;
    for (Index r = first[n]; r < last[n]; ++r) sum += x[(n * rows + r) * cols + i % cols];
    y[i] = sum * (Real(1) / static_cast<Real>(std::max<Id>(1, last[n] - first[n])));
  }
};

template <class Real>
struct MeanOfRangeBackBody {
  Index rows, cols;
  const Id *first, *last;
  const Real* dy;
  Real* dx;
  constexpr void operator()(Index i) const {
    const Index n = i / cols / rows, r = i / cols % rows;
    const Real scale = Real(1) / static_cast<Real>(std::max<Id>(1, last[n] - first[n]));
    dx[i] = r >= first[n] && r < last[n] ? scale * dy[n * cols + i % cols] : Real(0);
  }
};

template <class Real>
struct MaxOfRangeBody {
  Index rows, cols;
  const Id *first, *last;
  const Real* x;
  Real* y;
  Id* place;
  constexpr void operator()(Index i) const {
    const Index n = i / cols;
    const Real* const column = x + n * rows * cols + i % cols;
    Id best = first[n] < last[n] ? first[n] : Id{-1};
    for (Id r = first[n] + 1; r < last[n]; ++r)
      if (column[r * cols] > column[best * cols]) best = r;
    y[i] = best < 0 ? Real(0) : column[best * cols];
    place[i] = best;
  }
};

template <class Real>
struct MaxOfRangeBackBody {
  Index rows, cols;
  const Id* place;
  const Real* dy;
  Real* dx;
  constexpr void operator()(Index i) const {
    if (place[i] >= 0) dx[(i / cols * rows + place[i]) * cols + i % cols] += dy[i];
  }
};

template <class Real>
struct ScaleBlocksBody {
  Index t, e, r;
  const Real *x, *g;
  Real* y;
  constexpr void operator()(Index i) const { y[i] = g[i / r / e / t * e + i / r % e] * x[i]; }
};

// g[n,e] = Σ_{t,r} x[n,t,e,r] y[n,t,e,r], a team for each
template <class Real>
struct DotBlocksKernel {
  static constexpr int threads = row_threads;
  using Shared = RowShared<Real>;
  Index items, t, e, r;
  const Real *x, *y;
  Real* g;

  template <class Team>
  constexpr void operator()(Team& team, Shared& shared) const {
    for (Index item = team.block(); item < items; item += team.blocks()) {
      const Index n = item / e, block = item % e;
      const Real sum = sum_of(team, shared, t * r, [&](Index i) {
        const Index at = ((n * t + i / r) * e + block) * r + i % r;
        return x[at] * y[at];
      });
      team.phase([&](int thread) {
        if (thread == 0) g[item] = sum;
      });
    }
  }
};

// One pair of x (n,t,h,d): element p of the first half of a head and its partner.
template <class Real>
struct RotaryBody {
  Index t, h, d;
  bool adjacent;
  Real direction;
  const Real *cosine, *sine, *x;
  Real* y;
  constexpr void operator()(Index i) const {
    const Index half = d / 2, p = i % half, at = i / half * d, angle = i / half / h % t * half + p;
    const Index first = at + (adjacent ? 2 * p : p), second = adjacent ? first + 1 : first + half;
    const Real a = x[first], b = x[second], c = cosine[angle], turn = direction * sine[angle];
    y[first] = a * c - b * turn;
    y[second] = a * turn + b * c;
  }
};

template <class Real, class Machine>
void Layout<Real, Machine>::copy_block(Index rows, Index cols, const Real* x, Index x_stride, bool accumulate, Real* y, Index y_stride) {
  Execute<Machine>::each(rows * cols, CopyBlockBody<Real>{cols, x, x_stride, accumulate, y, y_stride});
}
template <class Real, class Machine>
void Layout<Real, Machine>::swap_axes(Index a, Index b, Index c, Index d, const Real* x, Real* y) {
  Execute<Machine>::each(a * b * c * d, SwapAxesBody<Real>{b, c, d, x, y});
}
template <class Real, class Machine>
void Layout<Real, Machine>::mean_of_range(Index n, Index rows, Index cols, const Id* first, const Id* last, const Real* x, Real* y) {
  Execute<Machine>::each(n * cols, MeanOfRangeBody<Real>{rows, cols, first, last, x, y});
}
template <class Real, class Machine>
void Layout<Real, Machine>::mean_of_range_back(Index n, Index rows, Index cols, const Id* first, const Id* last, const Real* dy, Real* dx) {
  Execute<Machine>::each(n * rows * cols, MeanOfRangeBackBody<Real>{rows, cols, first, last, dy, dx});
}
template <class Real, class Machine>
void Layout<Real, Machine>::max_of_range(Index n, Index rows, Index cols, const Id* first, const Id* last, const Real* x, Real* y, Id* place) {
  Execute<Machine>::each(n * cols, MaxOfRangeBody<Real>{rows, cols, first, last, x, y, place});
}
template <class Real, class Machine>
void Layout<Real, Machine>::max_of_range_back(Index n, Index rows, Index cols, const Id* place, const Real* dy, Real* dx) {
  Execute<Machine>::each(n * cols, MaxOfRangeBackBody<Real>{rows, cols, place, dy, dx});
}
template <class Real, class Machine>
void Layout<Real, Machine>::scale_blocks(Index n, Index t, Index e, Index r, const Real* x, const Real* g, Real* y) {
  Execute<Machine>::each(n * t * e * r, ScaleBlocksBody<Real>{t, e, r, x, g, y});
}
template <class Real, class Machine>
void Layout<Real, Machine>::dot_blocks(Index n, Index t, Index e, Index r, const Real* x, const Real* y, Real* g) {
  Execute<Machine>::teams(n * e, DotBlocksKernel<Real>{n * e, t, e, r, x, y, g});
}
template <class Real, class Machine>
void Layout<Real, Machine>::rotary(Index n, Index t, Index h, Index d, bool adjacent, Real direction, const Real* cosine,
                                   const Real* sine, const Real* x, Real* y) {
  Execute<Machine>::each(n * t * h * (d / 2), RotaryBody<Real>{t, h, d, adjacent, direction, cosine, sine, x, y});
}

}  // namespace cmoe::cuda
