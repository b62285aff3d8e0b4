// Causal softmax attention in blocks: no weights are stored, the way back computes them again from the log-sum-exp.
#pragma once

#include "cmoe/cpu/attention.hpp"
#include "cmoe/cpu/rowwise.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"

namespace cmoe::cpu {

namespace detail {

// Turns a chunk of scores (keys, row_block) into e^{score − greatest}, where `greatest` and `total` (rows) run over the chunks
// seen so far; `shrink` (rows) is what earlier results must be multiplied by, now that the greatest may have grown. Row i sees
// the first `seen` + i keys of the chunk.
struct CausalChunk {
  template <int Bytes, class Real>
  [[gnu::always_inline]] static void run(Index rows, Index keys, Index seen, Real* scores, Real* greatest, Real* total,
                                         Real* shrink) {
    using P = Pack<Real, Bytes>;
    constexpr Real infinity = std::numeric_limits<Real>::infinity();
    for (Index row = 0; row < rows; row += P::width) {
      const P visible = P::lane() + static_cast<Real>(seen + row);
      const P before = P::load(greatest + row);
      P highest = before;
      for (Index j = 0; j < keys; ++j) {
        Real* const at = scores + j * row_block + row;
        const P score = select(visible > static_cast<Real>(j), P::load(at), P(-infinity));
        score.store(at);
        highest = max(score, highest);
      }
      // A row that has seen nothing yet keeps its -inf and gets weights 0.
      const P shift = select(highest == -infinity, P(0), highest);
      const P factor = exp(before - shift);
      P sum_of_weights = P::load(total + row) * factor;
      for (Index j = 0; j < keys; ++j) {
        Real* const at = scores + j * row_block + row;
        const P weight = exp(P::load(at) - shift);
        weight.store(at);
        sum_of_weights += weight;
      }
      highest.store(greatest + row);
      factor.store(shrink + row);
      sum_of_weights.store(total + row);
    }
  }
};

// x (rows,cols) row i times factor[i]
struct ScaleRows {
  template <int Bytes, class Real>
  [[gnu::always_inline]] static void run(Index rows, Index cols, const Real* factor, Real* x, Index step) {
    using P = Pack<Real, Bytes>;
    for (Index i = 0; i < rows; ++i) {
      if (factor[i] == 1) continue;
      for (Index j = 0; j < cols; j += P::width) (P::load(x + i * step + j, cols - j) * factor[i]).store(x + i * step + j, cols - j);
    }
  }
};

// scores -> weights P = e^{score − log_sum}, slopes dP -> dS = P ∘ (dP − delta); both (keys, row_block)
struct CausalChunkBack {
  template <int Bytes, class Real>
  [[gnu::always_inline]] static void run(Index rows, Index keys, Index seen, const Real* log_sum, const Real* delta,
                                         Real* scores, Real* slopes) {
    using P = Pack<Real, Bytes>;
    constexpr Real infinity = std::numeric_limits<Real>::infinity();
    for (Index row = 0; row < rows; row += P::width) {
      const P visible = P::lane() + static_cast<Real>(seen + row);
      const P shift = P::load(log_sum + row), level = P::load(delta + row);
      for (Index j = 0; j < keys; ++j) {
        const Index at = j * row_block + row;
        const P weight = exp(select(visible > static_cast<Real>(j), P::load(scores + at) - shift, P(-infinity)));
        weight.store(scores + at);
        (weight * (P::load(slopes + at) - level)).store(slopes + at);
      }
    }
  }
};

// result (rows) = Σ_j a_ij b_ij
struct DotRows {
  template <int Bytes, class Real>
  [[gnu::always_inline]] static void run(Index rows, Index cols, const Real* a, const Real* b, Index step, Real* result) {
    using P = Pack<Real, Bytes>;
    for (Index i = 0; i < rows; ++i)
      result[i] = sum_of_row<P>(cols, [&](Index j, Index rest) __attribute__((always_inline)) {
        return P::load(a + i * step + j, rest) * P::load(b + i * step + j, rest);
      });
  }
};

}  // namespace detail

// out_i = Σ_j softmax_j(scale · q_i·k_j) v_j over the keys j that query i sees (AttentionShape): those in [first, last) of its
// sequence, not after its own place. lse (N,T,H) = log Σ_j e^{score}. A query that sees nothing gets out 0 and lse −inf.
// first and last (N) may be null: all keys are valid.
template <class Real>
void causal_attention(const AttentionShape& shape, Real scale, const Real* q, const Real* k, const Real* v, const Id* first,
                      const Id* last, Real* out, Real* lse) {
  using namespace detail;
  const auto [N, T, S, H, Hkv, D] = shape;
  (void)N;
  for_kv_heads(shape, [&, T = T, S = S, H = H, Hkv = Hkv, D = D](Index n, Index g) {
    const Window window(shape, n, first, last, true);
    const auto keys_of = head(k, n, S, Hkv, g, D), values_of = head(v, n, S, Hkv, g, D);
    Real* const scores = scratch<AttentionScratch, Real>((key_chunk + 3) * row_block);  // (key_chunk, row_block)
    Real *const greatest = scores + key_chunk * row_block, *const total = greatest + row_block, *const shrink = total + row_block;
    for (Index h = g * (H / Hkv); h < (g + 1) * (H / Hkv); ++h) {
      const auto queries_of = head(q, n, T, H, h, D);
      const auto results_of = head(out, n, T, H, h, D);
      clear(results_of, T, D);
      for_row_blocks(T, [&](Index row, Index rows) {
        std::fill_n(greatest, row_block, -std::numeric_limits<Real>::infinity());
        std::fill_n(total, row_block, Real(0));
        Real* const result = results_of.row(row);
        for_chunks(window.first, window.end_of_rows(row, rows), [&](Index key, Index keys) {
          multiply(Form::nt, keys, rows, D, scale, keys_of.row(key), keys_of.step, queries_of.row(row), queries_of.step, false,
                   scores, row_block);
          dispatch<CausalChunk>(rows, keys, window.end_of(row) - key, scores, greatest, total, shrink);
          dispatch<ScaleRows>(rows, D, static_cast<const Real*>(shrink), result, results_of.step);
          multiply(Form::tn, rows, D, keys, Real(1), scores, row_block, values_of.row(key), values_of.step, true, result,
                   results_of.step);
        });
        for (Index i = 0; i < rows; ++i) {
          lse[(n * T + row + i) * H + h] = greatest[i] + std::log(total[i]);
          shrink[i] = total[i] == 0 ? Real(1) : 1 / total[i];
        }
        dispatch<ScaleRows>(rows, D, static_cast<const Real*>(shrink), result, results_of.step);
      });
    }
  });
}

// The gradient: with P the weights and delta_i = dout_i · out_i,
//     dS = P ∘ (dout vᵀ − delta),   dq = scale · dS k,   dk = scale · dSᵀ q,   dv = Pᵀ dout
// Overwrites dq, dk and dv.
template <class Real>
void causal_attention_back(const AttentionShape& shape, Real scale, const Real* q, const Real* k, const Real* v,
                           const Id* first, const Id* last, const Real* out, const Real* lse, const Real* dout, Real* dq,
                           Real* dk, Real* dv) {
  using namespace detail;
  const auto [N, T, S, H, Hkv, D] = shape;
  (void)N;
  for_kv_heads(shape, [&, T = T, S = S, H = H, Hkv = Hkv, D = D](Index n, Index g) {
    const Window window(shape, n, first, last, true);
    const auto keys_of = head(k, n, S, Hkv, g, D), values_of = head(v, n, S, Hkv, g, D);
    const auto dkeys_of = head(dk, n, S, Hkv, g, D), dvalues_of = head(dv, n, S, Hkv, g, D);
    clear(dkeys_of, S, D);
    clear(dvalues_of, S, D);
    Real* const scores = scratch<AttentionScratch, Real>((2 * key_chunk + 2) * row_block);  // (key_chunk, row_block)
    Real* const slopes = scores + key_chunk * row_block;                                    // (key_chunk, row_block)
    Real *const log_sum = slopes + key_chunk * row_block, *const delta = log_sum + row_block;
    std::fill_n(log_sum, 2 * row_block, Real(0));
    for (Index h = g * (H / Hkv); h < (g + 1) * (H / Hkv); ++h) {
      const auto queries_of = head(q, n, T, H, h, D), results_of = head(out, n, T, H, h, D), dresults_of = head(dout, n, T, H, h, D);
      const auto dqueries_of = head(dq, n, T, H, h, D);
      clear(dqueries_of, T, D);
      for_row_blocks(T, [&](Index row, Index rows) {
        const Real* const query = queries_of.row(row);
        const Real* const dresult = dresults_of.row(row);
        const Index step = queries_of.step;
        dispatch<DotRows>(rows, D, static_cast<const Real*>(results_of.row(row)), dresult, step, delta);
        for (Index i = 0; i < rows; ++i) log_sum[i] = lse[(n * T + row + i) * H + h];
        for_chunks(window.first, window.end_of_rows(row, rows), [&](Index key, Index keys) {
          multiply(Form::nt, keys, rows, D, scale, keys_of.row(key), keys_of.step, query, step, false, scores, row_block);
          multiply(Form::nt, keys, rows, D, Real(1), values_of.row(key), values_of.step, dresult, step, false, slopes, row_block);
          dispatch<CausalChunkBack>(rows, keys, window.end_of(row) - key, static_cast<const Real*>(log_sum),
                                    static_cast<const Real*>(delta), scores, slopes);
          multiply(Form::tn, rows, D, keys, scale, slopes, row_block, keys_of.row(key), keys_of.step, true, dqueries_of.row(row), step);
          multiply(Form::nn, keys, D, rows, scale, slopes, row_block, query, step, true, dkeys_of.row(key), dkeys_of.step);
          multiply(Form::nn, keys, D, rows, Real(1), scores, row_block, dresult, step, true, dvalues_of.row(key), dvalues_of.step);
        });
      });
    }
  });
}

}  // namespace cmoe::cpu
#pragma GCC diagnostic pop
