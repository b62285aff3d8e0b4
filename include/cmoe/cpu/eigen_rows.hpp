// Row kernels in Eigen's words; arguments as in rows.hpp.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "cmoe/core/shape.hpp"
#include "cmoe/cpu/eigen.hpp"

namespace cmoe::cpu::eigen {

template <class Real>
using Rows = Eigen::Map<Eigen::Array<Real, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>;
template <class Real>
using ConstRows = Eigen::Map<const Eigen::Array<Real, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>;
template <class Real>
using ConstRow = Eigen::Map<const Eigen::Array<Real, 1, Eigen::Dynamic>>;

template <class Real>
void softmax_rows(Index rows, Index cols, const Real* x, Real* y) {
  const ConstRows<Real> from(x, rows, cols);
  Rows<Real> to(y, rows, cols);
  for (Index i = 0; i < rows && cols > 0; ++i) {
    to.row(i) = (from.row(i) - from.row(i).maxCoeff()).exp();
    to.row(i) /= to.row(i).sum();
  }
}

template <class Real>
void softmax_rows_back(Index rows, Index cols, const Real* y, const Real* dy, Real* dx) {
  const ConstRows<Real> weight(y, rows, cols), slope(dy, rows, cols);
  for (Index i = 0; i < rows; ++i)
    Rows<Real>(dx, rows, cols).row(i) = weight.row(i) * (slope.row(i) - (weight.row(i) * slope.row(i)).sum());
}

template <class Real>
void logsumexp_rows(Index rows, Index cols, const Real* x, Real* y) {
  const ConstRows<Real> from(x, rows, cols);
  for (Index i = 0; i < rows; ++i) {
    const Real greatest = cols > 0 ? from.row(i).maxCoeff() : Real(0);
    const Real shift = std::isfinite(greatest) ? greatest : Real(0);
    y[i] = shift + std::log((from.row(i) - shift).exp().sum());
  }
}

template <class Real>
void logsumexp_rows_back(Index rows, Index cols, const Real* x, const Real* y, const Real* dy, Real* dx) {
  const ConstRows<Real> from(x, rows, cols);
  for (Index i = 0; i < rows; ++i) {
    const Real shift = y[i] == -std::numeric_limits<Real>::infinity() ? Real(0) : y[i];
    Rows<Real>(dx, rows, cols).row(i) = dy[i] * (from.row(i) - shift).exp();
  }
}

template <class Real>
void layer_norm(Index rows, Index cols, Real eps, const Real* x, const Real* gain, const Real* bias, Real* y, Real* mean,
                Real* rstd) {
  const ConstRows<Real> from(x, rows, cols);
  for (Index i = 0; i < rows; ++i) {
    mean[i] = from.row(i).mean();
    rstd[i] = 1 / std::sqrt((from.row(i) - mean[i]).square().mean() + eps);
    Rows<Real>(y, rows, cols).row(i) =
        (from.row(i) - mean[i]) * rstd[i] * ConstRow<Real>(gain, cols) + ConstRow<Real>(bias, cols);
  }
}

template <class Real>
void layer_norm_back(Index rows, Index cols, const Real* x, const Real* gain, const Real* mean, const Real* rstd,
                     const Real* dy, Real* dx, Real* dgain, Real* dbias) {
  if (dgain) std::fill_n(dgain, cols, Real(0));
  if (dbias) std::fill_n(dbias, cols, Real(0));
  for (Index i = 0; i < rows; ++i) {
    const ConstRow<Real> slope(dy + i * cols, cols);
    const Eigen::Array<Real, 1, Eigen::Dynamic> hat = (ConstRow<Real>(x + i * cols, cols) - mean[i]) * rstd[i];
    const Eigen::Array<Real, 1, Eigen::Dynamic> g = slope * ConstRow<Real>(gain, cols);
    if (dgain) Rows<Real>(dgain, 1, cols) += slope * hat;
    if (dbias) Rows<Real>(dbias, 1, cols) += slope;
    Rows<Real>(dx + i * cols, 1, cols) = rstd[i] * (g - g.mean() - hat * (g * hat).mean());
  }
}

template <class Real>
void rms_norm(Index rows, Index cols, Real eps, const Real* x, const Real* gain, Real* y, Real* rstd) {
  for (Index i = 0; i < rows; ++i) {
    const ConstRow<Real> from(x + i * cols, cols);
    Rows<Real> to(y + i * cols, 1, cols);
    rstd[i] = 1 / std::sqrt(from.square().mean() + eps);
    to = from * rstd[i];
    if (gain) to *= ConstRow<Real>(gain, cols);
  }
}

template <class Real>
void rms_norm_back(Index rows, Index cols, const Real* x, const Real* gain, const Real* rstd, const Real* dy, Real* dx,
                   Real* dgain) {
  if (dgain) std::fill_n(dgain, cols, Real(0));
  for (Index i = 0; i < rows; ++i) {
    const Eigen::Array<Real, 1, Eigen::Dynamic> hat = ConstRow<Real>(x + i * cols, cols) * rstd[i];
    Eigen::Array<Real, 1, Eigen::Dynamic> g = ConstRow<Real>(dy + i * cols, cols);
    if (dgain) Rows<Real>(dgain, 1, cols) += g * hat;
    if (gain) g *= ConstRow<Real>(gain, cols);
    Rows<Real>(dx + i * cols, 1, cols) = rstd[i] * (g - hat * (g * hat).mean());
  }
}

template <class Real>
void cross_entropy(Index rows, Index cols, const Real* logits, const Id* labels, Id ignored, Real* loss, Real* log_sum) {
  logsumexp_rows(rows, cols, logits, log_sum);
  for (Index i = 0; i < rows; ++i) {
    if (labels[i] == ignored) log_sum[i] = 0;
    loss[i] = labels[i] == ignored ? Real(0) : log_sum[i] - logits[i * cols + labels[i]];
  }
}

template <class Real>
void cross_entropy_back(Index rows, Index cols, const Real* logits, const Id* labels, Id ignored, const Real* log_sum,
                        const Real* dloss, Real* dlogits) {
  for (Index i = 0; i < rows; ++i) {
    Rows<Real> to(dlogits + i * cols, 1, cols);
    if (labels[i] == ignored) {
      to.setZero();
    } else {
      to = dloss[i] * (ConstRow<Real>(logits + i * cols, cols) - log_sum[i]).exp();
      to(labels[i]) -= dloss[i];
    }
  }
}

template <class Real>
void sum_rows(Index rows, Index cols, const Real* x, Real* y) {
  for (Index i = 0; i < rows; ++i) y[i] = ConstRow<Real>(x + i * cols, cols).sum();
}

template <class Real>
void sum_columns(Index rows, Index cols, const Real* x, Real* y) {
  Rows<Real>(y, 1, cols) = ConstRows<Real>(x, rows, cols).colwise().sum();
}

template <class Real>
void reduce_broadcast(Index outer, Index mid, Index inner, const Real* x, Real* y) {
  std::fill_n(y, mid, Real(0));
  for (Index i = 0; i < outer * mid; ++i) y[i % mid] += ConstRow<Real>(x + i * inner, inner).sum();
}

// NaN counts as the greatest.
template <class Real>
void topk_rows(Index rows, Index cols, Index k, const Real* x, Real* values, Id* ids) {
  std::vector<Id> order(static_cast<std::size_t>(cols));
  for (Index i = 0; i < rows; ++i) {
    const Real* const row = x + i * cols;
    std::iota(order.begin(), order.end(), Id{0});
    std::stable_sort(order.begin(), order.end(), [row](Id a, Id b) {
      return row[a] > row[b] || (std::isnan(row[a]) && !std::isnan(row[b]));
    });
    for (Index s = 0; s < k; ++s) {
      ids[i * k + s] = order[static_cast<std::size_t>(s)];
      values[i * k + s] = row[ids[i * k + s]];
    }
  }
}

template <class Real>
void argmax_rows(Index rows, Index cols, const Real* x, Id* y) {
  Real value;
  for (Index i = 0; i < rows; ++i) {
    y[i] = 0;
    if (cols > 0) topk_rows(Index{1}, cols, Index{1}, x + i * cols, &value, y + i);
  }
}

}  // namespace cmoe::cpu::eigen
