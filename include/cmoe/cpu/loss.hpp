// Cross entropy of rows of logits with one label each, fused with its softmax: no probabilities are stored.
#pragma once

#include "cmoe/cpu/rowwise.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"

namespace cmoe::cpu {

namespace detail {

struct CrossEntropy {
  template <int Bytes, class Real>
  [[gnu::always_inline]] static void run(Index begin, Index end, Index cols, const Real* logits, const Id* labels, Id ignored,
                                         Real* loss, Real* log_sum) {
    for (Index row = begin; row < end; ++row) {
      loss[row] = log_sum[row] = 0;
      if (labels[row] == ignored) continue;
      log_sum[row] = logsumexp_of_row<Pack<Real, Bytes>>(cols, logits + row * cols);
      loss[row] = log_sum[row] - logits[row * cols + labels[row]];
    }
  }
};

struct CrossEntropyBack {
  template <int Bytes, class Real>
  [[gnu::always_inline]] static void run(Index begin, Index end, Index cols, const Real* logits, const Id* labels, Id ignored,
                                         const Real* log_sum, const Real* dloss, Real* dlogits) {
    using P = Pack<Real, Bytes>;
    for (Index row = begin; row < end; ++row) {
      Real* const to = dlogits + row * cols;
      if (labels[row] == ignored) {
        std::fill_n(to, cols, Real(0));
        continue;
      }
      const Real* const from = logits + row * cols;
      for (Index i = 0; i < cols; i += P::width)
        (dloss[row] * exp(P::load(from + i, cols - i) - log_sum[row])).store(to + i, cols - i);
      to[labels[row]] -= dloss[row];
    }
  }
};

}  // namespace detail

// loss (rows) = log Σ_j e^{logit_j} − logit_label, 0 where the label is `ignored`; log_sum (rows) is kept for the way back
template <class Real>
void cross_entropy(Index rows, Index cols, const Real* logits, const Id* labels, Id ignored, Real* loss, Real* log_sum) {
  detail::for_rows<detail::CrossEntropy>(rows, cols, logits, labels, ignored, loss, log_sum);
}

// dlogits_j = dloss (softmax_j − [j = label]); dlogits may be logits
template <class Real>
void cross_entropy_back(Index rows, Index cols, const Real* logits, const Id* labels, Id ignored, const Real* log_sum,
                        const Real* dloss, Real* dlogits) {
  detail::for_rows<detail::CrossEntropyBack>(rows, cols, logits, labels, ignored, log_sum, dloss, dlogits);
}

}  // namespace cmoe::cpu
#pragma GCC diagnostic pop
