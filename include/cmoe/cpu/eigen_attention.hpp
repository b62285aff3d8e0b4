// Both attentions in Eigen's words, with the whole matrix of weights in memory; arguments as in causal.hpp and stickbreaking.hpp.
#pragma once

#include <cmath>
#include <limits>

#include "cmoe/core/scalar.hpp"
#include "cmoe/cpu/eigen_gemm.hpp"

namespace cmoe::cpu::eigen {

namespace detail {

// One head of one sequence: (rows,D), `heads` heads apart.
template <class Real>
auto head(Real* x, Index sequence, Index rows, Index heads, Index which, Index head_size) {
  return view(x + (sequence * rows * heads + which) * head_size, rows, head_size, heads * head_size);
}

inline bool sees(const AttentionShape& s, Index sequence, Index query, Index key, bool current, const Id* first, const Id* last) {
  const Index place = query + s.keys - s.queries;
  return (!first || key >= first[sequence]) && (!last || key < last[sequence]) && (current ? key <= place : key < place);
}

template <class Body>
void for_heads(const AttentionShape& s, const Body& body) {  // body(sequence, head, kv head)
  for (Index n = 0; n < s.sequences; ++n)
    for (Index h = 0; h < s.heads; ++h) body(n, h, h / (s.heads / s.kv_heads));
}

// The weights (T,S) of one head from its scores; rest (T) is the log-sum-exp.
template <class Real, class Sees>
Matrix<Real> softmax_weights(const Matrix<Real>& scores, const Sees& sees, Real* rest, Index rest_step) {
  constexpr Real infinity = std::numeric_limits<Real>::infinity();
  Matrix<Real> weights = scores;
  for (Index i = 0; i < scores.rows(); ++i) {
    Real greatest = -infinity;
    for (Index j = 0; j < scores.cols(); ++j)
      if (sees(i, j)) greatest = max(scores(i, j), greatest);
    const Real shift = greatest == -infinity ? Real(0) : greatest;
    for (Index j = 0; j < scores.cols(); ++j) weights(i, j) = sees(i, j) ? std::exp(scores(i, j) - shift) : Real(0);
    const Real total = weights.row(i).sum();
    rest[i * rest_step] = greatest + std::log(total);
    if (total != 0) weights.row(i) /= total;
  }
  return weights;
}

// The same for the stick: rest (T) is the log of what is left; shares (T,S) are β, 0 where a key is not seen.
template <class Real, class Sees>
Matrix<Real> stick_weights(const Matrix<Real>& scores, const Sees& sees, Real* rest, Index rest_step, Matrix<Real>& shares) {
  Matrix<Real> weights = Matrix<Real>::Zero(scores.rows(), scores.cols());
  shares = weights;
  for (Index i = 0; i < scores.rows(); ++i) {
    Real left = 0;
    for (Index j = scores.cols() - 1; j >= 0; --j) {
      if (!sees(i, j)) continue;
      left -= softplus(scores(i, j));
      weights(i, j) = std::exp(scores(i, j) + left);
      shares(i, j) = sigmoid(scores(i, j));
    }
    rest[i * rest_step] = left;
  }
  return weights;
}

// dq, dk and dv of one head from the gradient of its scores.
template <class Real>
void scores_back(const AttentionShape& s, Index n, Index h, Index g, Real scale, const Matrix<Real>& weights,
                 const Matrix<Real>& dscores, const Real* q, const Real* k, const Real* dout, Real* dq, Real* dk, Real* dv) {
  const Index T = s.queries, S = s.keys, H = s.heads, Hkv = s.kv_heads, D = s.head_size;
  head(dq, n, T, H, h, D) = scale * (dscores * head(k, n, S, Hkv, g, D));
  head(dk, n, S, Hkv, g, D) += scale * (dscores.transpose() * head(q, n, T, H, h, D));
  head(dv, n, S, Hkv, g, D) += weights.transpose() * head(dout, n, T, H, h, D);
}

}  // namespace detail

template <class Real>
void causal_attention(const AttentionShape& s, Real scale, const Real* q, const Real* k, const Real* v, const Id* first,
                      const Id* last, Real* out, Real* lse) {
  const Index T = s.queries, S = s.keys, H = s.heads, Hkv = s.kv_heads, D = s.head_size;
  detail::for_heads(s, [&](Index n, Index h, Index g) {
    const Matrix<Real> scores = scale * (detail::head(q, n, T, H, h, D) * detail::head(k, n, S, Hkv, g, D).transpose());
    const auto sees = [&](Index i, Index j) { return detail::sees(s, n, i, j, true, first, last); };
    detail::head(out, n, T, H, h, D) =
        detail::softmax_weights(scores, sees, lse + n * T * H + h, H) * detail::head(v, n, S, Hkv, g, D);
  });
}

template <class Real>
void causal_attention_back(const AttentionShape& s, Real scale, const Real* q, const Real* k, const Real* v, const Id* first,
                           const Id* last, const Real* out, const Real* /*lse*/, const Real* dout, Real* dq, Real* dk, Real* dv) {
  const Index N = s.sequences, T = s.queries, S = s.keys, H = s.heads, Hkv = s.kv_heads, D = s.head_size;
  std::fill_n(dk, N * S * Hkv * D, Real(0));
  std::fill_n(dv, N * S * Hkv * D, Real(0));
  Eigen::Matrix<Real, Eigen::Dynamic, 1> ignored(T);
  detail::for_heads(s, [&](Index n, Index h, Index g) {
    const auto slope = detail::head(dout, n, T, H, h, D), result = detail::head(out, n, T, H, h, D);
    const Matrix<Real> scores = scale * (detail::head(q, n, T, H, h, D) * detail::head(k, n, S, Hkv, g, D).transpose());
    const auto sees = [&](Index i, Index j) { return detail::sees(s, n, i, j, true, first, last); };
    const Matrix<Real> weights = detail::softmax_weights(scores, sees, ignored.data(), Index{1});
    Matrix<Real> dscores = slope * detail::head(v, n, S, Hkv, g, D).transpose();
    for (Index i = 0; i < T; ++i)
      dscores.row(i) = (weights.row(i).array() * (dscores.row(i).array() - slope.row(i).dot(result.row(i)))).matrix();
    detail::scores_back(s, n, h, g, scale, weights, dscores, q, k, dout, dq, dk, dv);
  });
}

template <class Real>
void stickbreaking_attention(const AttentionShape& s, Real scale, bool attend_current, const Real* q, const Real* k,
                             const Real* v, const Id* first, const Id* last, Real* out, Real* log_rest) {
  const Index T = s.queries, S = s.keys, H = s.heads, Hkv = s.kv_heads, D = s.head_size;
  Matrix<Real> shares;
  detail::for_heads(s, [&](Index n, Index h, Index g) {
    const Matrix<Real> scores = scale * (detail::head(q, n, T, H, h, D) * detail::head(k, n, S, Hkv, g, D).transpose());
    const auto sees = [&](Index i, Index j) { return detail::sees(s, n, i, j, attend_current, first, last); };
    detail::head(out, n, T, H, h, D) =
        detail::stick_weights(scores, sees, log_rest + n * T * H + h, H, shares) * detail::head(v, n, S, Hkv, g, D);
  });
}

template <class Real>
void stickbreaking_attention_back(const AttentionShape& s, Real scale, bool attend_current, const Real* q, const Real* k,
                                  const Real* v, const Id* first, const Id* last, const Real* /*log_rest*/, const Real* dout,
                                  const Real* drest, Real* dq, Real* dk, Real* dv) {
  const Index N = s.sequences, T = s.queries, S = s.keys, H = s.heads, Hkv = s.kv_heads, D = s.head_size;
  std::fill_n(dk, N * S * Hkv * D, Real(0));
  std::fill_n(dv, N * S * Hkv * D, Real(0));
  Eigen::Matrix<Real, Eigen::Dynamic, 1> ignored(T);
  Matrix<Real> shares;
  detail::for_heads(s, [&](Index n, Index h, Index g) {
    const Matrix<Real> scores = scale * (detail::head(q, n, T, H, h, D) * detail::head(k, n, S, Hkv, g, D).transpose());
    const auto sees = [&](Index i, Index j) { return detail::sees(s, n, i, j, attend_current, first, last); };
    const Matrix<Real> weights = detail::stick_weights(scores, sees, ignored.data(), Index{1}, shares);
    Matrix<Real> dscores = detail::head(dout, n, T, H, h, D) * detail::head(v, n, S, Hkv, g, D).transpose();
    for (Index i = 0; i < T; ++i) {
      Real sum = 0;
      for (Index j = 0; j < S; ++j) {
        const Real taken = weights(i, j) * (dscores(i, j) - (drest ? drest[(n * T + i) * H + h] : Real(0)));
        sum += taken;
        dscores(i, j) = taken - shares(i, j) * sum;
      }
    }
    detail::scores_back(s, n, h, g, scale, weights, dscores, q, k, dout, dq, dk, dv);
  });
}

}  // namespace cmoe::cpu::eigen
