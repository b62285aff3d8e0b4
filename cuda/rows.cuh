// Row kernels: softmax, log-sum-exp, cross entropy, the greatest elements. A team for each row.
#pragma once

#include "execute.cuh"

namespace cmoe::cuda {

template <class Real>
struct SoftmaxKernel {
  static constexpr int threads = row_threads;
  using Shared = RowShared<Real>;
  Index rows, cols;
  const Real* x;
  Real* y;

  template <class Team>
  constexpr void operator()(Team& team, Shared& shared) const {
    for (Index row = team.block(); row < rows; row += team.blocks()) {
      const Real* const from = x + row * cols;
      Real* const to = y + row * cols;
      const Real greatest = max_of(team, shared, cols, from);
      const Real total = sum_of(team, shared, cols, [&](Index j) {
        const Real e = exp(from[j] - greatest);
        to[j] = e;
        return e;
      });
      for_columns(team, cols, [&](Index j) { to[j] *= 1 / total; });
    }
  }
};

template <class Real>
struct SoftmaxBackKernel {
  static constexpr int threads = row_threads;
  using Shared = RowShared<Real>;
  Index rows, cols;
  const Real *y, *dy;
  Real* dx;

  template <class Team>
  constexpr void operator()(Team& team, Shared& shared) const {
    for (Index row = team.block(); row < rows; row += team.blocks()) {
      const Index at = row * cols;
      const Real dot = sum_of(team, shared, cols, [&](Index j) { return y[at + j] * dy[at + j]; });
      for_columns(team, cols, [&](Index j) { dx[at + j] = y[at + j] * (dy[at + j] - dot); });
    }
  }
};

// log Σ e^x of a row. Infinite maxima are not subtracted: all −inf (or nothing) gives −inf, +inf gives +inf, NaN gives NaN.
template <class Team, class Real>
constexpr Real logsumexp_of(Team& team, RowShared<Real>& shared, Index cols, const Real* x) {
  const Real greatest = max_of(team, shared, cols, x);
  const Real shift = finite(greatest) ? greatest : Real(0);
  return shift + log(sum_of(team, shared, cols, [&](Index j) { return exp(x[j] - shift); }));
}

template <class Real>
struct LogSumExpKernel {
  static constexpr int threads = row_threads;
  using Shared = RowShared<Real>;
  Index rows, cols;
  const Real* x;
  Real* y;

  template <class Team>
  constexpr void operator()(Team& team, Shared& shared) const {
    for (Index row = team.block(); row < rows; row += team.blocks()) {
      const Real value = logsumexp_of(team, shared, cols, x + row * cols);
      team.phase([&](int t) {
        if (t == 0) y[row] = value;
      });
    }
  }
};

template <class Real>
struct LogSumExpBackBody {
  Index cols;
  const Real *x, *y, *dy;
  Real* dx;
  constexpr void operator()(Index i) const {
    const Index row = i / cols;
    const Real shift = y[row] == -std::numeric_limits<Real>::infinity() ? Real(0) : y[row];
    dx[i] = dy[row] * exp(x[i] - shift);
  }
};

template <class Real>
struct CrossEntropyKernel {
  static constexpr int threads = row_threads;
  using Shared = RowShared<Real>;
  Index rows, cols;
  const Real* logits;
  const Id* labels;
  Id ignored;
  Real *loss, *log_sum;

  template <class Team>
  constexpr void operator()(Team& team, Shared& shared) const {
    for (Index row = team.block(); row < rows; row += team.blocks()) {
      const Id label = labels[row];
      const Real total = label == ignored ? Real(0) : logsumexp_of(team, shared, cols, logits + row * cols);
      team.phase([&](int t) {
        if (t != 0) return;
        log_sum[row] = total;
        loss[row] = label == ignored ? Real(0) : total - logits[row * cols + label];
      });
    }
  }
};

template <class Real>
struct CrossEntropyBackBody {
  Index cols;
  const Real* logits;
  const Id* labels;
  Id ignored;
  const Real *log_sum, *dloss;
  Real* dlogits;
  constexpr void operator()(Index i) const {
    const Index row = i / cols;
    const Id label = labels[row];
    const Real slope = label == ignored ? Real(0) : dloss[row] * exp(logits[i] - log_sum[row]);
    dlogits[i] = label != ignored && i % cols == label ? slope - dloss[row] : slope;
  }
};

// An element and its column; column −1 is nothing.
template <class Real>
struct Ranked {
  Real value;
  Id column;
};

// The one that stands first: the greater, of equals the lower column.
struct First {
  template <class Real>
  constexpr Ranked<Real> operator()(Ranked<Real> a, Ranked<Real> b) const {
    if (a.column < 0) return b;
    if (b.column < 0 || before(a.value, b.value)) return a;
    if (before(b.value, a.value)) return b;
    return a.column < b.column ? a : b;
  }
};

// The greatest k of a row, one round for each: the first of those that stand behind the last one found. values may be null.
template <class Real>
struct TopKernel {
  static constexpr int threads = row_threads;
  struct Shared {
    Ranked<Real> part[row_threads / warp];
  };
  Index rows, cols, k;
  const Real* x;
  Real* values;
  Id* ids;

  template <class Team>
  constexpr void operator()(Team& team, Shared& shared) const {
    for (Index row = team.block(); row < rows; row += team.blocks()) {
      const Real* const from = x + row * cols;
      Ranked<Real> last{Real(0), -1};
      for (Index s = 0; s < k; ++s) {
        typename Team::template PerThread<Ranked<Real>> best;
        team.phase([&](int t) {
          Ranked<Real> own{Real(0), -1};
          for (Index j = t; j < cols; j += threads) {
            const Ranked<Real> here{from[j], static_cast<Id>(j)};
            const bool behind = last.column < 0 || before(last.value, here.value) ||
                                (!before(here.value, last.value) && here.column > last.column);
            if (behind) own = First{}(own, here);
          }
          best[t] = own;
        });
        last = team.reduce(best, shared.part, First{});
        team.phase([&](int t) {
          if (t != 0) return;
          ids[row * k + s] = last.column < 0 ? 0 : last.column;  // a row of nothing has its greatest element at 0
          if (values) values[row * k + s] = last.value;
        });
      }
    }
  }
};

template <class Real, class Machine>
void Rows<Real, Machine>::softmax_rows(Index rows, Index cols, const Real* x, Real* y) {
  if (cols > 0) Execute<Machine>::teams(rows, SoftmaxKernel<Real>{rows, cols, x, y});
}
template <class Real, class Machine>
void Rows<Real, Machine>::softmax_rows_back(Index rows, Index cols, const Real* y, const Real* dy, Real* dx) {
  if (cols > 0) Execute<Machine>::teams(rows, SoftmaxBackKernel<Real>{rows, cols, y, dy, dx});
}
template <class Real, class Machine>
void Rows<Real, Machine>::logsumexp_rows(Index rows, Index cols, const Real* x, Real* y) {
  Execute<Machine>::teams(rows, LogSumExpKernel<Real>{rows, cols, x, y});
}
template <class Real, class Machine>
void Rows<Real, Machine>::logsumexp_rows_back(Index rows, Index cols, const Real* x, const Real* y, const Real* dy, Real* dx) {
  Execute<Machine>::each(rows * cols, LogSumExpBackBody<Real>{cols, x, y, dy, dx});
}
template <class Real, class Machine>
void Rows<Real, Machine>::cross_entropy(Index rows, Index cols, const Real* logits, const Id* labels, Id ignored, Real* loss,
                                        Real* log_sum) {
  Execute<Machine>::teams(rows, CrossEntropyKernel<Real>{rows, cols, logits, labels, ignored, loss, log_sum});
}
template <class Real, class Machine>
void Rows<Real, Machine>::cross_entropy_back(Index rows, Index cols, const Real* logits, const Id* labels, Id ignored,
                                             const Real* log_sum, const Real* dloss, Real* dlogits) {
  Execute<Machine>::each(rows * cols, CrossEntropyBackBody<Real>{cols, logits, labels, ignored, log_sum, dloss, dlogits});
}
template <class Real, class Machine>
void Rows<Real, Machine>::argmax_rows(Index rows, Index cols, const Real* x, Id* y) {
  Execute<Machine>::teams(rows, TopKernel<Real>{rows, cols, 1, x, nullptr, y});
}
template <class Real, class Machine>
void Rows<Real, Machine>::topk_rows(Index rows, Index cols, Index k, const Real* x, Real* values, Id* ids) {
  if (k > 0) Execute<Machine>::teams(rows, TopKernel<Real>{rows, cols, k, x, values, ids});
}

}  // namespace cmoe::cuda
