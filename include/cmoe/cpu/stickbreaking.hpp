// Stick-breaking attention in blocks: each query walks from its newest key to the oldest and breaks off a share of what is left.
#pragma once

#include "cmoe/cpu/attention.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"

namespace cmoe::cpu {

namespace detail {

// The log of the smallest normal number. Less than that is nothing: weights are not computed among the subnormal numbers, where
// arithmetic is a hundred times slower, and once a stick is that short its walk has no more effect.
template <class Real>
inline constexpr Real log_of_nothing = sizeof(Real) == 4 ? Real(-87.3365) : Real(-708.396);

template <class Real>
bool all_used_up(Index rows, const Real* log_rest) {
  for (Index i = 0; i < rows; ++i)
    if (!(log_rest[i] < log_of_nothing<Real>)) return false;
  return true;
}

// A chunk of scores s (keys, row_block) becomes the weights A = e^{s + log of what is left after this key}; log_rest (rows)
// goes on from chunk to chunk. With `shares` the shares β = σ(s) are written too, 0 where the key is not seen. Row i sees the
// first `seen` + i keys of the chunk; the others take nothing and leave the stick as it is.
template <bool WithShares>
struct StickChunk {
  template <int Bytes, class Real>
  [[gnu::always_inline]] static void run(Index rows, Index keys, Index seen, Real* scores, Real* shares, Real* log_rest) {
    using P = Pack<Real, Bytes>;
    for (Index row = 0; row < rows; row += P::width) {
      const P visible = P::lane() + static_cast<Real>(seen + row);
      P rest = P::load(log_rest + row);
      for (Index j = keys - 1; j >= 0; --j) {
        const Index at = j * row_block + row;
        const auto sees = visible > static_cast<Real>(j);
        const P s = P::load(scores + at);
        // softplus(s) and σ(s) from one exponential
        const P e = exp(-abs(s)), u = 1 + e;
        const P softplus_of_s = max(s, P(0)) + log_of_normal<Real, Bytes>(u, P(0), e - (u - 1));
        rest = select(sees, rest - softplus_of_s, rest);
        const P log_weight = select(sees, s + rest, P(-std::numeric_limits<Real>::infinity()));
        const P weight = exp_inside<Real, Bytes>(max(P(log_of_nothing<Real>), log_weight));
        select(log_weight < log_of_nothing<Real>, P(0), weight).store(scores + at);
        if constexpr (WithShares) select(sees, select(s < 0, e, P(1)) / u, P(0)).store(shares + at);
      }
      rest.store(log_rest + row);
    }
  }
};

// slopes dA -> dS (keys, row_block), from the oldest key on:
//     W = A ∘ (dA − dr),   dS_j = W_j − β_j Σ_{l <= j} W_l
// where `sums` (rows) carries the sum of W from chunk to chunk.
struct StickChunkBack {
  template <int Bytes, class Real>
  [[gnu::always_inline]] static void run(Index rows, Index keys, const Real* weights, const Real* shares, const Real* drest,
                                         Real* slopes, Real* sums) {
    using P = Pack<Real, Bytes>;
    for (Index row = 0; row < rows; row += P::width) {
      P sum_so_far = P::load(sums + row);
      const P level = P::load(drest + row);
      for (Index j = 0; j < keys; ++j) {
        const Index at = j * row_block + row;
        const P taken = P::load(weights + at) * (P::load(slopes + at) - level);
        sum_so_far += taken;
        (taken - P::load(shares + at) * sum_so_far).store(slopes + at);
      }
      sum_so_far.store(sums + row);
    }
  }
};

}  // namespace detail

// Stick-breaking attention                                                                      ModuleFormer, arXiv 2306.04640
//     out_i = Σ_j A_ij v_j,   A_ij = β_ij ∏_{j<l} (1 − β_il),   β_ij = σ(scale · q_i·k_j)
// over the keys that query i sees (AttentionShape): those in [first, last) of its sequence, not after its own place, and that
// place itself only if attend_current. log_rest (N,T,H) is the log of the leftover stick ∏ (1 − β). A query that sees nothing
// gets out 0 and log_rest 0. Everything is in logarithms: log A_ij = s_ij + Σ_{l >= j} log(1 − β_il), log(1 − β) = −softplus(s).
template <class Real>
void stickbreaking_attention(const AttentionShape& shape, Real scale, bool attend_current, const Real* q, const Real* k,
                             const Real* v, const Id* first, const Id* last, Real* out, Real* log_rest) {
  using namespace detail;
  const auto [N, T, S, H, Hkv, D] = shape;
  (void)N;
  for_kv_heads(shape, [&, T = T, S = S, H = H, Hkv = Hkv, D = D](Index n, Index g) {
    const Window window(shape, n, first, last, attend_current);
    const auto keys_of = head(k, n, S, Hkv, g, D), values_of = head(v, n, S, Hkv, g, D);
    Real* const scores = scratch<AttentionScratch, Real>((key_chunk + 1) * row_block);  // (key_chunk, row_block)
    Real* const rest = scores + key_chunk * row_block;
    for (Index h = g * (H / Hkv); h < (g + 1) * (H / Hkv); ++h) {
      const auto queries_of = head(q, n, T, H, h, D);
      const auto results_of = head(out, n, T, H, h, D);
      clear(results_of, T, D);
      for_row_blocks(T, [&](Index row, Index rows) {
        std::fill_n(rest, row_block, Real(0));
        for_chunks_backwards(window.first, window.end_of_rows(row, rows), [&](Index key, Index keys) {
          multiply(Form::nt, keys, rows, D, scale, keys_of.row(key), keys_of.step, queries_of.row(row), queries_of.step, false,
                   scores, row_block);
          const bool used_up = all_used_up(rows, rest);
          dispatch<StickChunk<false>>(rows, keys, window.end_of(row) - key, scores, static_cast<Real*>(nullptr), rest);
          if (used_up) return;  // the walk goes on for log_rest alone
          multiply(Form::tn, rows, D, keys, Real(1), scores, row_block, values_of.row(key), values_of.step, true,
                   results_of.row(row), results_of.step);
        });
        for (Index i = 0; i < rows; ++i) log_rest[(n * T + row + i) * H + h] = rest[i];
      });
    }
  });
}

// The gradient, with drest (N,T,H) that of the leftover stick itself (or null): dS as in StickChunkBack,
//     dq = scale · dS k,   dk = scale · dSᵀ q,   dv = Aᵀ dout
// The weights and shares of one row block are computed once more, (S, row_block) each. The walk starts from the full stick
// again: going back from log_rest by subtraction would lose the newest keys' weights when much has been broken off, so
// log_rest is not read.
// Overwrites dq, dk and dv.
template <class Real>
void stickbreaking_attention_back(const AttentionShape& shape, Real scale, bool attend_current, const Real* q, const Real* k,
                                  const Real* v, const Id* first, const Id* last, const Real* /*log_rest*/, const Real* dout,
                                  const Real* drest, Real* dq, Real* dk, Real* dv) {
  using namespace detail;
  const auto [N, T, S, H, Hkv, D] = shape;
  (void)N;
  for_kv_heads(shape, [&, T = T, S = S, H = H, Hkv = Hkv, D = D](Index n, Index g) {
    const Window window(shape, n, first, last, attend_current);
    const auto keys_of = head(k, n, S, Hkv, g, D), values_of = head(v, n, S, Hkv, g, D);
    const auto dkeys_of = head(dk, n, S, Hkv, g, D), dvalues_of = head(dv, n, S, Hkv, g, D);
    clear(dkeys_of, S, D);
    clear(dvalues_of, S, D);
    Real* const weights = scratch<AttentionScratch, Real>((2 * S + key_chunk + 3) * row_block);  // (S, row_block)
    Real* const shares = weights + S * row_block;                                               // (S, row_block)
    Real* const slopes = shares + S * row_block;                                                // (key_chunk, row_block)
    Real *const rest = slopes + key_chunk * row_block, *const sums = rest + row_block, *const level = sums + row_block;
    for (Index h = g * (H / Hkv); h < (g + 1) * (H / Hkv); ++h) {
      const auto queries_of = head(q, n, T, H, h, D), dresults_of = head(dout, n, T, H, h, D);
      const auto dqueries_of = head(dq, n, T, H, h, D);
      clear(dqueries_of, T, D);
      for_row_blocks(T, [&](Index row, Index rows) {
        const Real* const query = queries_of.row(row);
        const Real* const dresult = dresults_of.row(row);
        const Index step = queries_of.step, end = window.end_of_rows(row, rows);
        std::fill_n(rest, 3 * row_block, Real(0));
        for (Index i = 0; drest && i < rows; ++i) level[i] = drest[(n * T + row + i) * H + h];
        Index oldest = end;  // nothing is taken from the keys before it, so their scores have no slope
        for_chunks_backwards(window.first, end, [&](Index key, Index keys) {
          if (all_used_up(rows, rest)) return;
          oldest = key;
          Real* const scores = weights + key * row_block;
          multiply(Form::nt, keys, rows, D, scale, keys_of.row(key), keys_of.step, query, step, false, scores, row_block);
          dispatch<StickChunk<true>>(rows, keys, window.end_of(row) - key, scores, shares + key * row_block, rest);
        });
        for_chunks(oldest, end, [&](Index key, Index keys) {
          const Real* const taken = weights + key * row_block;
          multiply(Form::nt, keys, rows, D, Real(1), values_of.row(key), values_of.step, dresult, step, false, slopes, row_block);
          dispatch<StickChunkBack>(rows, keys, taken, static_cast<const Real*>(shares + key * row_block),
                                   static_cast<const Real*>(level), slopes, sums);
          multiply(Form::tn, rows, D, keys, scale, slopes, row_block, keys_of.row(key), keys_of.step, true, dqueries_of.row(row), step);
          multiply(Form::nn, keys, D, rows, scale, slopes, row_block, query, step, true, dkeys_of.row(key), dkeys_of.step);
          multiply(Form::nn, keys, D, rows, Real(1), taken, row_block, dresult, step, true, dvalues_of.row(key), dvalues_of.step);
        });
      });
    }
  });
}

}  // namespace cmoe::cpu
#pragma GCC diagnostic pop
