// Layer norm and root-mean-square norm of each row, with their gradients.
#pragma once

#include "sums.cuh"

namespace cmoe::cuda {

template <class Real>
struct LayerNormKernel {
  static constexpr int threads = row_threads;
  using Shared = RowShared<Real>;
  Index rows, cols;
  Real epsilon;
  const Real *x, *gain, *bias;
  Real *y, *mean, *scale;

  template <class Team>
  constexpr void operator()(Team& team, Shared& shared) const {
    const auto count = static_cast<Real>(cols);
    for (Index row = team.block(); row < rows; row += team.blocks()) {
      const Real* const from = x + row * cols;
      const Real middle = sum_of(team, shared, cols, [&](Index j) { return from[j]; }) / count;
      const Real squares = sum_of(team, shared, cols, [&](Index j) { return (from[j] - middle) * (from[j] - middle); });
      const Real factor = 1 / sqrt(squares / count + epsilon);
      for_columns(team, cols, [&](Index j) { y[row * cols + j] = fma((from[j] - middle) * factor, gain[j], bias[j]); });
      team.phase([&](int t) {
        if (t != 0) return;
        mean[row] = middle;
        scale[row] = factor;
      });
    }
  }
};

template <class Real>
struct RmsNormKernel {
  static constexpr int threads = row_threads;
  using Shared = RowShared<Real>;
  Index rows, cols;
  Real epsilon;
  const Real *x, *gain;
  Real *y, *scale;

  template <class Team>
  constexpr void operator()(Team& team, Shared& shared) const {
    for (Index row = team.block(); row < rows; row += team.blocks()) {
      const Real* const from = x + row * cols;
      const Real squares = sum_of(team, shared, cols, [&](Index j) { return from[j] * from[j]; });
      const Real factor = 1 / sqrt(squares / static_cast<Real>(cols) + epsilon);
      for_columns(team, cols, [&](Index j) { y[row * cols + j] = gain ? from[j] * factor * gain[j] : from[j] * factor; });
      team.phase([&](int t) {
        if (t == 0) scale[row] = factor;
      });
    }
  }
};

// Either norm's way back: hat = (x − mean) scale, g = dy ∘ gain,
//     dx = scale (g − hat · mean(g ∘ hat) − mean(g) if the mean was subtracted).
// mean is null for the norm without; gain may be null.
template <class Real>
struct NormBackKernel {
  static constexpr int threads = row_threads;
  using Shared = RowShared<Real>;
  Index rows, cols;
  const Real *x, *gain, *mean, *scale, *dy;
  Real* dx;

  template <class Team>
  constexpr void operator()(Team& team, Shared& shared) const {
    const auto count = static_cast<Real>(cols);
    for (Index row = team.block(); row < rows; row += team.blocks()) {
      const Real middle = mean ? mean[row] : Real(0), factor = scale[row];
      const auto hat = [&](Index j) { return (x[row * cols + j] - middle) * factor; };
      const auto slope = [&](Index j) { return gain ? dy[row * cols + j] * gain[j] : dy[row * cols + j]; };
      const Real along = sum_of(team, shared, cols, [&](Index j) { return slope(j) * hat(j); }) / count;
      const Real level = mean ? sum_of(team, shared, cols, slope) / count : Real(0);
      for_columns(team, cols, [&](Index j) { dx[row * cols + j] = factor * (slope(j) - level - hat(j) * along); });
    }
  }
};

// dy ∘ hat, whose column sums are the gradient of the gain
template <class Real>
struct GainTerm {
  Index cols;
  const Real *x, *mean, *scale, *dy;
  constexpr Real operator()(Index r, Index c) const {
    return dy[r * cols + c] * ((x[r * cols + c] - (mean ? mean[r] : Real(0))) * scale[r]);
  }
};

template <class Real, class Machine>
void Norms<Real, Machine>::layer_norm(Index rows, Index cols, Real epsilon, const Real* x, const Real* gain, const Real* bias, Real* y,
                                      Real* mean, Real* scale) {
  Execute<Machine>::teams(rows, LayerNormKernel<Real>{rows, cols, epsilon, x, gain, bias, y, mean, scale});
}
template <class Real, class Machine>
void Norms<Real, Machine>::layer_norm_back(Index rows, Index cols, const Real* x, const Real* gain, const Real* mean, const Real* scale,
                                           const Real* dy, Real* dx, Real* dgain, Real* dbias) {
  if (dgain) column_sums<Machine>(rows, cols, GainTerm<Real>{cols, x, mean, scale, dy}, dgain);
  if (dbias) column_sums<Machine>(rows, cols, ElementTerm<Real>{cols, dy}, dbias);
  Execute<Machine>::teams(rows, NormBackKernel<Real>{rows, cols, x, gain, mean, scale, dy, dx});
}
template <class Real, class Machine>
void Norms<Real, Machine>::rms_norm(Index rows, Index cols, Real epsilon, const Real* x, const Real* gain, Real* y, Real* scale) {
  Execute<Machine>::teams(rows, RmsNormKernel<Real>{rows, cols, epsilon, x, gain, y, scale});
}
template <class Real, class Machine>
void Norms<Real, Machine>::rms_norm_back(Index rows, Index cols, const Real* x, const Real* gain, const Real* scale, const Real* dy,
                                         Real* dx, Real* dgain) {
  const Real* const no_mean = nullptr;
  if (dgain) column_sums<Machine>(rows, cols, GainTerm<Real>{cols, x, no_mean, scale, dy}, dgain);
  Execute<Machine>::teams(rows, NormBackKernel<Real>{rows, cols, x, gain, no_mean, scale, dy, dx});
}

}  // namespace cmoe::cuda
