// Sums: of rows, of columns in two fixed stages, of everything.
#pragma once

#include <vector>

#include "execute.cuh"

namespace cmoe::cuda {

template <class Real>
struct SumRowsKernel {
  static constexpr int threads = row_threads;
  using Shared = RowShared<Real>;
  Index rows, cols;
  const Real* x;
  Real* y;

  template <class Team>
  constexpr void operator()(Team& team, Shared& shared) const {
    for (Index row = team.block(); row < rows; row += team.blocks()) {
      const Real sum = sum_of(team, shared, cols, [&](Index j) { return x[row * cols + j]; });
      team.phase([&](int t) {
        if (t == 0) y[row] = sum;
      });
    }
  }
};

// y[slice] = Σ over outer and inner of x (outer,mid,inner)
template <class Real>
struct SumSlicesKernel {
  static constexpr int threads = row_threads;
  using Shared = RowShared<Real>;
  Index outer, mid, inner;
  const Real* x;
  Real* y;

  template <class Team>
  constexpr void operator()(Team& team, Shared& shared) const {
    for (Index slice = team.block(); slice < mid; slice += team.blocks()) {
      const Real sum = sum_of(team, shared, outer * inner, [&](Index i) { return x[(i / inner * mid + slice) * inner + i % inner]; });
      team.phase([&](int t) {
        if (t == 0) y[slice] = sum;
      });
    }
  }
};

// The sums of term(row, column) over a chunk of rows, for 32 columns at a time: part (chunks,cols).
template <class Real, class Term>
struct ColumnSumsKernel {
  static constexpr int columns = 32, lanes = 8, threads = columns * lanes;
  struct Shared {
    Real sums[lanes][columns + 1];
  };
  Index rows, cols, grain;  // rows of a chunk
  Term term;
  Real* part;

  constexpr Index tiles() const { return ceil_divide(cols, columns); }

  template <class Team>
  constexpr void operator()(Team& team, Shared& shared) const {
    for (Index item = team.block(); item < tiles() * ceil_divide(rows, grain); item += team.blocks()) {
      const Index first = item % tiles() * columns, chunk = item / tiles(), end = std::min(rows, (chunk + 1) * grain);
      team.phase([&](int t) {
        const Index c = first + t % columns;
        Real sum = 0;
        for (Index r = chunk * grain + t / columns; c < cols && r < end; r += lanes) sum += term(r, c);
        shared.sums[t / columns][t % columns] = sum;
      });
      team.phase([&](int t) {
        if (t >= columns || first + t >= cols) return;
        Real sum = 0;
        for (int lane = 0; lane < lanes; ++lane) sum += shared.sums[lane][t];
        part[chunk * cols + first + t] = sum;
      });
    }
  }
};

// y[column] = Σ over chunks of part (chunks,cols), in order
template <class Real>
struct JoinChunksBody {
  Index chunks, cols;
  const Real* part;
  Real* y;
  constexpr void operator()(Index c) const {
    Real sum = 0;
    for (Index chunk = 0; chunk < chunks; ++chunk) sum += part[chunk * cols + c];
    y[c] = sum;
  }
};

// y (cols) = Σ over rows of term(row, column), in at most 64 chunks whose borders depend on the number of rows alone.
template <class Machine, class Real, class Term>
void column_sums(Index rows, Index cols, const Term& term, Real* y) {
  const Index grain = std::max<Index>(64, ceil_divide(rows, 64)), chunks = ceil_divide(rows, grain);
  const Scratch<Real, Machine> part(chunks * cols);
  const ColumnSumsKernel<Real, Term> kernel{rows, cols, grain, term, part.data()};
  Execute<Machine>::teams(kernel.tiles() * chunks, kernel);
  Execute<Machine>::each(cols, JoinChunksBody<Real>{chunks, cols, part.data(), y});
}

template <class Real>
struct ElementTerm {
  Index cols;
  const Real* x;
  constexpr Real operator()(Index r, Index c) const { return x[r * cols + c]; }
};

// Σ x² of blocks of elements, in double; each block's sum has its own tree.
template <class Real>
struct SumSquaresKernel {
  static constexpr int threads = row_threads;
  static constexpr Index block_size = 16384;
  using Shared = RowShared<double>;
  Index n;
  const Real* x;
  double* sums;

  template <class Team>
  constexpr void operator()(Team& team, Shared& shared) const {
    for (Index block = team.block(); block * block_size < n; block += team.blocks()) {
      const Index begin = block * block_size, count = std::min(block_size, n - begin);
      const double sum = sum_of(team, shared, count, [&](Index i) {
        const auto value = static_cast<double>(x[begin + i]);
        return value * value;
      });
      team.phase([&](int t) {
        if (t == 0) sums[block] = sum;
      });
    }
  }
};

// Raises a flag where an element is not finite. Many threads may write, all the same.
template <class Real>
struct FindInfiniteBody {
  const Real* x;
  Id* found;
  constexpr void operator()(Index i) const {
    if (!finite(x[i])) *found = 1;
  }
};

template <class Real, class Machine>
void Sums<Real, Machine>::sum_rows(Index rows, Index cols, const Real* x, Real* y) {
  Execute<Machine>::teams(rows, SumRowsKernel<Real>{rows, cols, x, y});
}
template <class Real, class Machine>
void Sums<Real, Machine>::sum_columns(Index rows, Index cols, const Real* x, Real* y) {
  column_sums<Machine>(rows, cols, ElementTerm<Real>{cols, x}, y);
}
template <class Real, class Machine>
void Sums<Real, Machine>::reduce_broadcast(Index outer, Index mid, Index inner, const Real* x, Real* y) {
  if (inner == 1) return sum_columns(outer, mid, x, y);
  Execute<Machine>::teams(mid, SumSlicesKernel<Real>{outer, mid, inner, x, y});
}
template <class Real, class Machine>
double Sums<Real, Machine>::sum_squares(Index n, const Real* x) {
  const Index blocks = ceil_divide(n, SumSquaresKernel<Real>::block_size);
  const Scratch<double, Machine> sums(blocks);
  Execute<Machine>::teams(blocks, SumSquaresKernel<Real>{n, x, sums.data()});
  std::vector<double> parts(static_cast<std::size_t>(blocks));
  Memory<Machine>::download(blocks, sums.data(), parts.data());
  double total = 0;
  for (const double part : parts) total += part;
  return total;
}
template <class Real, class Machine>
bool Sums<Real, Machine>::all_finite(Index n, const Real* x) {
  const Scratch<Id, Machine> found(1);
  Memory<Machine>::fill(1, Id{0}, found.data());
  Execute<Machine>::each(n, FindInfiniteBody<Real>{x, found.data()});
  Id flag = 0;
  Memory<Machine>::download(1, found.data(), &flag);
  return flag == 0;
}

}  // namespace cmoe::cuda
