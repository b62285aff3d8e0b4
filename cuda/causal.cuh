// Causal softmax attention in tiles: no weights are stored, the way back computes them again from the log-sum-exp.
#pragma once

#include "attention.cuh"

namespace cmoe::cuda {

// A team for each tile of queries of a head. The greatest score and the sum of weights run over the tiles of keys; what was added
// up so far shrinks when the greatest grows.
template <class Real>
struct CausalKernel {
  static constexpr int threads = attention_threads;
  struct Shared {
    AttentionPanels<Real> panels;
    AttentionMatrix<Real> weights;
    Real greatest[attention_tile], total[attention_tile], shrink[attention_tile];
  };
  AttentionShape shape;
  Real scale;
  const Real *q, *k, *v;
  const Id *first, *last;
  Real *out, *log_sum;

  constexpr Index tiles() const { return ceil_divide(shape.queries, attention_tile); }
  constexpr Index items() const { return shape.sequences * shape.heads * tiles(); }

  template <class Team>
  constexpr void operator()(Team& team, Shared& shared) const {
    const Index T = shape.queries, S = shape.keys, H = shape.heads, Hkv = shape.kv_heads, D = shape.head_size;
    for (Index item = team.block(); item < items(); item += team.blocks()) {
      const HeadTile at(item, H, tiles());
      const Index n = at.sequence, h = at.head, g = h / (H / Hkv), row = at.tile * attention_tile;
      const Index rows = std::min<Index>(attention_tile, T - row);
      const Window window(shape, n, first, last, true);
      const Head<const Real> queries = head(q, n, T, H, h, D), keys = head(k, n, S, Hkv, g, D), values = head(v, n, S, Hkv, g, D);
      const Head<Real> results = head(out, n, T, H, h, D);
      clear_rows(team, results, row, rows, D);
      team.phase([&](int t) {
        if (t >= attention_tile) return;
        shared.greatest[t] = -std::numeric_limits<Real>::infinity();
        shared.total[t] = 0;
      });
      for (Index key = window.first; key < window.end_of_rows(row, rows); key += attention_tile) {
        const Index count = std::min<Index>(attention_tile, window.end_of_rows(row, rows) - key);
        dot_rows(team, shared.panels, rows, queries.row(row), queries.step, count, keys.row(key), keys.step, D, scale, shared.weights);
        team.phase([&](int t) {
          if (t < rows) weigh(shared, window, row, key, count, t);
        });
        scale_rows(team, shared, results, row, rows, D);
        add_rows(team, shared.weights, false, rows, count, values.row(key), values.step, D, Real(1), results.row(row), results.step);
      }
      team.phase([&](int t) {
        if (t >= rows) return;
        log_sum[(n * T + row + t) * H + h] = shared.greatest[t] + log(shared.total[t]);
        shared.shrink[t] = shared.total[t] == 0 ? Real(1) : 1 / shared.total[t];
      });
      scale_rows(team, shared, results, row, rows, D);
    }
  }

  // Scores of row t become weights e^{score − greatest}. A row that has seen nothing yet keeps its −inf and gets weights 0.
  constexpr void weigh(Shared& shared, const Window& window, Index row, Index key, Index count, int t) const {
    Real* const scores = shared.weights.at[t];
    const Real earlier = shared.greatest[t];
    Real greatest = earlier, total = 0;
    for (Index j = 0; j < count; ++j)
      if (window.sees(row + t, key + j)) greatest = max(scores[j], greatest);
    const Real shift = greatest == -std::numeric_limits<Real>::infinity() ? Real(0) : greatest;
    for (Index j = 0; j < count; ++j) {
      scores[j] = window.sees(row + t, key + j) ? exp(scores[j] - shift) : Real(0);
      total += scores[j];
    }
    const Real shrink = exp(earlier - shift);
    shared.total[t] = shared.total[t] * shrink + total;
    shared.greatest[t] = greatest;
    shared.shrink[t] = shrink;
  }

  template <class Team>
  static constexpr void scale_rows(Team& team, const Shared& shared, Head<Real> x, Index row, Index rows, Index head_size) {
    team.phase([&](int t) {
      for (Index e = t; e < rows * head_size; e += threads) x.row(row + e / head_size)[e % head_size] *= shared.shrink[e / head_size];
    });
  }
};

// What both ways back read, with delta_i = dout_i · out_i: scores -> weights P = e^{score − log_sum}, slopes dP -> dS = P ∘ (dP − delta)
template <class Real>
struct CausalBack {
  struct Shared {
    AttentionPanels<Real> panels;
    AttentionMatrix<Real> weights, slopes;
  };
  AttentionShape shape;
  Real scale;
  const Real *q, *k, *v;
  const Id *first, *last;
  const Real *log_sum, *delta, *dout;

  template <class Team>
  constexpr void tile(Team& team, Shared& shared, const Window& window, Index n, Index h, Index row, Index rows, Index key,
                      Index count) const {
    const Index T = shape.queries, S = shape.keys, H = shape.heads, Hkv = shape.kv_heads, D = shape.head_size, g = h / (H / Hkv);
    const Head<const Real> queries = head(q, n, T, H, h, D), keys = head(k, n, S, Hkv, g, D), values = head(v, n, S, Hkv, g, D),
                           dresults = head(dout, n, T, H, h, D);
    dot_rows(team, shared.panels, rows, queries.row(row), queries.step, count, keys.row(key), keys.step, D, scale, shared.weights);
    dot_rows(team, shared.panels, rows, dresults.row(row), dresults.step, count, values.row(key), values.step, D, Real(1), shared.slopes);
    team.phase([&](int t) {
      for (Index e = t; e < rows * count; e += attention_threads) {
        const Index i = e / count, j = e % count, at = (n * T + row + i) * H + h;
        Real &weight = shared.weights.at[i][j], &slope = shared.slopes.at[i][j];
        weight = window.sees(row + i, key + j) ? exp(weight - log_sum[at]) : Real(0);
        slope = weight * (slope - delta[at]);
      }
    });
  }
};

// delta (N,T,H) = Σ_d a b over heads (N,T,H,D)
template <class Real>
struct DotHeadsBody {
  Index head_size;
  const Real *a, *b;
  Real* delta;
  constexpr void operator()(Index i) const {
    Real sum = 0;
    for (Index d = i * head_size; d < (i + 1) * head_size; ++d) sum += a[d] * b[d];
    delta[i] = sum;
  }
};

// dq = scale · dS k: a team for each tile of queries of a head
template <class Real>
struct CausalQueriesBackKernel {
  static constexpr int threads = attention_threads;
  using Shared = typename CausalBack<Real>::Shared;
  CausalBack<Real> back;
  Real* dq;

  constexpr Index tiles() const { return ceil_divide(back.shape.queries, attention_tile); }
  constexpr Index items() const { return back.shape.sequences * back.shape.heads * tiles(); }

  template <class Team>
  constexpr void operator()(Team& team, Shared& shared) const {
    const Index T = back.shape.queries, S = back.shape.keys, H = back.shape.heads, Hkv = back.shape.kv_heads, D = back.shape.head_size;
    for (Index item = team.block(); item < items(); item += team.blocks()) {
      const HeadTile at(item, H, tiles());
      const Index n = at.sequence, h = at.head, row = at.tile * attention_tile, rows = std::min<Index>(attention_tile, T - row);
      const Window window(back.shape, n, back.first, back.last, true);
      const Head<const Real> keys = head(back.k, n, S, Hkv, h / (H / Hkv), D);
      const Head<Real> slopes = head(dq, n, T, H, h, D);
      clear_rows(team, slopes, row, rows, D);
      for (Index key = window.first; key < window.end_of_rows(row, rows); key += attention_tile) {
        const Index count = std::min<Index>(attention_tile, window.end_of_rows(row, rows) - key);
        back.tile(team, shared, window, n, h, row, rows, key, count);
        add_rows(team, shared.slopes, false, rows, count, keys.row(key), keys.step, D, back.scale, slopes.row(row), slopes.step);
      }
    }
  }
};

// dk = scale · dSᵀ q, dv = Pᵀ dout: a team for each tile of keys of a key head, over its query heads and their tiles in order
template <class Real>
struct CausalKeysBackKernel {
  static constexpr int threads = attention_threads;
  using Shared = typename CausalBack<Real>::Shared;
  CausalBack<Real> back;
  Real *dk, *dv;

  constexpr Index tiles() const { return ceil_divide(back.shape.keys, attention_tile); }
  constexpr Index items() const { return back.shape.sequences * back.shape.kv_heads * tiles(); }

  template <class Team>
  constexpr void operator()(Team& team, Shared& shared) const {
    const Index T = back.shape.queries, S = back.shape.keys, H = back.shape.heads, Hkv = back.shape.kv_heads, D = back.shape.head_size;
    for (Index item = team.block(); item < items(); item += team.blocks()) {
      const HeadTile at(item, Hkv, tiles());
      const Index n = at.sequence, g = at.head, key = at.tile * attention_tile, count = std::min<Index>(attention_tile, S - key);
      const Window window(back.shape, n, back.first, back.last, true);
      const Head<Real> dkeys = head(dk, n, S, Hkv, g, D), dvalues = head(dv, n, S, Hkv, g, D);
      clear_rows(team, dkeys, key, count, D);
      clear_rows(team, dvalues, key, count, D);
      for (Index h = g * (H / Hkv); h < (g + 1) * (H / Hkv); ++h)
        for (Index row = 0; row < T; row += attention_tile) {
          const Index rows = std::min<Index>(attention_tile, T - row);
          if (window.end_of_rows(row, rows) <= key) continue;
          const Head<const Real> queries = head(back.q, n, T, H, h, D), dresults = head(back.dout, n, T, H, h, D);
          back.tile(team, shared, window, n, h, row, rows, key, count);
          add_rows(team, shared.slopes, true, count, rows, queries.row(row), queries.step, D, back.scale, dkeys.row(key), dkeys.step);
          add_rows(team, shared.weights, true, count, rows, dresults.row(row), dresults.step, D, Real(1), dvalues.row(key), dvalues.step);
        }
    }
  }
};

template <class Real, class Machine>
void Causal<Real, Machine>::causal_attention(const AttentionShape& shape, Real scale, const Real* q, const Real* k, const Real* v,
                                             const Id* first, const Id* last, Real* out, Real* log_sum) {
  const CausalKernel<Real> kernel{shape, scale, q, k, v, first, last, out, log_sum};
  Execute<Machine>::teams(kernel.items(), kernel);
}

template <class Real, class Machine>
void Causal<Real, Machine>::causal_attention_back(const AttentionShape& shape, Real scale, const Real* q, const Real* k, const Real* v,
                                                  const Id* first, const Id* last, const Real* out, const Real* log_sum,
                                                  const Real* dout, Real* dq, Real* dk, Real* dv) {
  const Index heads = shape.sequences * shape.queries * shape.heads;
  const Scratch<Real, Machine> delta(heads);
  Execute<Machine>::each(heads, DotHeadsBody<Real>{shape.head_size, dout, out, delta.data()});
  const CausalBack<Real> back{shape, scale, q, k, v, first, last, log_sum, delta.data(), dout};
  const CausalQueriesBackKernel<Real> queries{back, dq};
  Execute<Machine>::teams(queries.items(), queries);
  const CausalKeysBackKernel<Real> keys{back, dk, dv};
  Execute<Machine>::teams(keys.items(), keys);
}

}  // namespace cmoe::cuda
