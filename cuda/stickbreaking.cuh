// Stick-breaking attention in tiles: each query walks from its newest key to the oldest and breaks off a share of what is left.
#pragma once

#include "attention.cuh"

namespace cmoe::cuda {

// The log of the smallest normal number. A weight below it is nothing, as on the CPU.
template <class Real>
inline constexpr Real log_of_nothing = sizeof(Real) == 4 ? Real(-87.3365) : Real(-708.396);

// Scores of one row become the weights A = e^{s + log of what is left after this key}, from the newest key to the oldest; the log
// of what is left then is the result. With `shares` the shares β = σ(s) are written too. A key that is not seen takes nothing.
template <class Real>
constexpr Real walk(const Window& window, Index query, Index key, Index count, Real rest, Real* scores, Real* shares) {
  for (Index j = count - 1; j >= 0; --j) {
    const bool sees = window.sees(query, key + j);
    const Real s = scores[j];
    if (shares) shares[j] = sees ? sigmoid(s) : Real(0);
    scores[j] = 0;
    if (!sees) continue;
    rest -= softplus(s);
    if (!(s + rest < log_of_nothing<Real>)) scores[j] = exp(s + rest);
  }
  return rest;
}

// A team for each tile of queries of a head.
template <class Real>
struct StickKernel {
  static constexpr int threads = attention_threads;
  struct Shared {
    AttentionPanels<Real> panels;
    AttentionMatrix<Real> weights;
    Real rest[attention_tile];
  };
  AttentionShape shape;
  Real scale;
  bool attend_current;
  const Real *q, *k, *v;
  const Id *first, *last;
  Real *out, *log_rest;

  constexpr Index tiles() const { return ceil_divide(shape.queries, attention_tile); }
  constexpr Index items() const { return shape.sequences * shape.heads * tiles(); }

  template <class Team>
  constexpr void operator()(Team& team, Shared& shared) const {
    const Index T = shape.queries, S = shape.keys, H = shape.heads, Hkv = shape.kv_heads, D = shape.head_size;
    for (Index item = team.block(); item < items(); item += team.blocks()) {
      const HeadTile at(item, H, tiles());
      const Index n = at.sequence, h = at.head, g = h / (H / Hkv), row = at.tile * attention_tile;
      const Index rows = std::min<Index>(attention_tile, T - row);
      const Window window(shape, n, first, last, attend_current);
      const Head<const Real> queries = head(q, n, T, H, h, D), keys = head(k, n, S, Hkv, g, D), values = head(v, n, S, Hkv, g, D);
      const Head<Real> results = head(out, n, T, H, h, D);
      clear_rows(team, results, row, rows, D);
      team.phase([&](int t) {
        if (t < attention_tile) shared.rest[t] = 0;
      });
      for (Index end = window.end_of_rows(row, rows); end > window.first; end = std::max(window.first, end - attention_tile)) {
        const Index key = std::max(window.first, end - attention_tile), count = end - key;
        dot_rows(team, shared.panels, rows, queries.row(row), queries.step, count, keys.row(key), keys.step, D, scale, shared.weights);
        team.phase([&](int t) {
          Real* const no_shares = nullptr;
          if (t < rows) shared.rest[t] = walk(window, row + t, key, count, shared.rest[t], shared.weights.at[t], no_shares);
        });
        add_rows(team, shared.weights, false, rows, count, values.row(key), values.step, D, Real(1), results.row(row), results.step);
      }
      team.phase([&](int t) {
        if (t < rows) log_rest[(n * T + row + t) * H + h] = shared.rest[t];
      });
    }
  }
};

// What both ways back share. Tiles of keys have fixed borders, so that both meet the same ones. For each tile of keys and each query
// of some heads, those from first_head on, two numbers are kept: `rest`, the log of the stick before the tile's newest key, and
// `sums`, the sum of W over all keys older than the tile, where
//     W = A ∘ (dA − dr),   dS_j = W_j − β_j Σ_{l <= j} W_l.
template <class Real>
struct StickBack {
  struct Shared {
    AttentionPanels<Real> panels;
    AttentionMatrix<Real> weights, shares, slopes;
    Real rest[attention_tile], sums[attention_tile];
  };
  AttentionShape shape;
  Real scale;
  bool attend_current;
  const Real *q, *k, *v;
  const Id *first, *last;
  const Real *dout, *drest;
  Index first_head, heads;  // of all sequences' query heads
  Real *rest, *sums;        // (tiles of keys, heads, T)

  constexpr Index kept(Index key, Index head, Index query) const {
    return (key / attention_tile * heads + head - first_head) * shape.queries + query;
  }

  // Weights and shares of a tile; `rest` goes on from one to the next.
  template <class Team>
  constexpr void weigh(Team& team, Shared& shared, const Window& window, Index n, Index h, Index row, Index rows, Index key,
                       Index count) const {
    const Index D = shape.head_size;
    const Head<const Real> queries = head(q, n, shape.queries, shape.heads, h, D),
                           keys = head(k, n, shape.keys, shape.kv_heads, h / (shape.heads / shape.kv_heads), D);
    dot_rows(team, shared.panels, rows, queries.row(row), queries.step, count, keys.row(key), keys.step, D, scale, shared.weights);
    team.phase([&](int t) {
      if (t < rows) shared.rest[t] = walk(window, row + t, key, count, shared.rest[t], shared.weights.at[t], shared.shares.at[t]);
    });
  }

  // The slopes dS of the tile's scores, from its weights and shares; `sums` goes on from one to the next.
  template <class Team>
  constexpr void slope(Team& team, Shared& shared, Index n, Index h, Index row, Index rows, Index key, Index count) const {
    const Index T = shape.queries, H = shape.heads, D = shape.head_size;
    const Head<const Real> dresults = head(dout, n, T, H, h, D),
                           values = head(v, n, shape.keys, shape.kv_heads, h / (H / shape.kv_heads), D);
    dot_rows(team, shared.panels, rows, dresults.row(row), dresults.step, count, values.row(key), values.step, D, Real(1), shared.slopes);
    team.phase([&](int t) {
      if (t >= rows) return;
      const Real level = drest ? drest[(n * T + row + t) * H + h] : Real(0);
      Real sum = shared.sums[t];
      for (Index j = 0; j < count; ++j) {
        const Real taken = shared.weights.at[t][j] * (shared.slopes.at[t][j] - level);
        sum += taken;
        shared.slopes.at[t][j] = taken - shared.shares.at[t][j] * sum;
      }
      shared.sums[t] = sum;
    });
  }
};

// dq = scale · dS k: a team for each tile of queries of a head. It walks over the keys twice, there to know what is left of the
// stick, back to know the sums.
template <class Real>
struct StickQueriesBackKernel {
  static constexpr int threads = attention_threads;
  using Shared = typename StickBack<Real>::Shared;
  StickBack<Real> back;
  Real* dq;

  constexpr Index tiles() const { return ceil_divide(back.shape.queries, attention_tile); }
  constexpr Index items() const { return back.heads * tiles(); }

  template <class Team>
  constexpr void operator()(Team& team, Shared& shared) const {
    const Index T = back.shape.queries, S = back.shape.keys, H = back.shape.heads, Hkv = back.shape.kv_heads, D = back.shape.head_size;
    for (Index item = team.block(); item < items(); item += team.blocks()) {
      const Index which = back.first_head + item / tiles(), n = which / H, h = which % H;
      const Index row = item % tiles() * attention_tile, rows = std::min<Index>(attention_tile, T - row);
      const Window window(back.shape, n, back.first, back.last, back.attend_current);
      const Head<const Real> keys = head(back.k, n, S, Hkv, h / (H / Hkv), D);
      const Head<Real> slopes = head(dq, n, T, H, h, D);
      const Index begin = window.first / attention_tile * attention_tile, end = window.end_of_rows(row, rows);
      clear_rows(team, slopes, row, rows, D);
      team.phase([&](int t) {
        if (t < attention_tile) shared.rest[t] = shared.sums[t] = 0;
      });
      for (Index key = (end - 1) / attention_tile * attention_tile; key >= begin && end > begin; key -= attention_tile) {
        team.phase([&](int t) {
          if (t < rows) back.rest[back.kept(key, which, row + t)] = shared.rest[t];
        });
        back.weigh(team, shared, window, n, h, row, rows, key, std::min<Index>(attention_tile, end - key));
      }
      for (Index key = begin; key < end; key += attention_tile) {
        const Index count = std::min<Index>(attention_tile, end - key);
        team.phase([&](int t) {
          if (t >= rows) return;
          shared.rest[t] = back.rest[back.kept(key, which, row + t)];
          back.sums[back.kept(key, which, row + t)] = shared.sums[t];
        });
        back.weigh(team, shared, window, n, h, row, rows, key, count);
        back.slope(team, shared, n, h, row, rows, key, count);
        add_rows(team, shared.slopes, false, rows, count, keys.row(key), keys.step, D, back.scale, slopes.row(row), slopes.step);
      }
    }
  }
};

// dk = scale · dSᵀ q, dv = Aᵀ dout: a team for each tile of keys of a key head, over its query heads and their tiles in order
template <class Real>
struct StickKeysBackKernel {
  static constexpr int threads = attention_threads;
  using Shared = typename StickBack<Real>::Shared;
  StickBack<Real> back;
  Real *dk, *dv;

  constexpr Index group() const { return back.shape.heads / back.shape.kv_heads; }
  constexpr Index tiles() const { return ceil_divide(back.shape.keys, attention_tile); }
  constexpr Index items() const { return back.heads / group() * tiles(); }

  template <class Team>
  constexpr void operator()(Team& team, Shared& shared) const {
    const Index T = back.shape.queries, S = back.shape.keys, H = back.shape.heads, Hkv = back.shape.kv_heads, D = back.shape.head_size;
    for (Index item = team.block(); item < items(); item += team.blocks()) {
      const Index which = back.first_head / group() + item / tiles(), n = which / Hkv, g = which % Hkv;
      const Index key = item % tiles() * attention_tile, most = std::min<Index>(attention_tile, S - key);
      const Window window(back.shape, n, back.first, back.last, back.attend_current);
      const Head<Real> dkeys = head(dk, n, S, Hkv, g, D), dvalues = head(dv, n, S, Hkv, g, D);
      clear_rows(team, dkeys, key, most, D);
      clear_rows(team, dvalues, key, most, D);
      for (Index h = g * group(); h < (g + 1) * group(); ++h)
        for (Index row = 0; row < T; row += attention_tile) {
          const Index rows = std::min<Index>(attention_tile, T - row), count = std::min(most, window.end_of_rows(row, rows) - key);
          if (count <= 0 || key + attention_tile <= window.first) continue;  // seen by none of these rows
          const Head<const Real> queries = head(back.q, n, T, H, h, D), dresults = head(back.dout, n, T, H, h, D);
          team.phase([&](int t) {
            if (t >= rows) return;
            shared.rest[t] = back.rest[back.kept(key, n * H + h, row + t)];
            shared.sums[t] = back.sums[back.kept(key, n * H + h, row + t)];
          });
          back.weigh(team, shared, window, n, h, row, rows, key, count);
          back.slope(team, shared, n, h, row, rows, key, count);
          add_rows(team, shared.slopes, true, count, rows, queries.row(row), queries.step, D, back.scale, dkeys.row(key), dkeys.step);
          add_rows(team, shared.weights, true, count, rows, dresults.row(row), dresults.step, D, Real(1), dvalues.row(key), dvalues.step);
        }
    }
  }
};

template <class Real, class Machine>
void StickWalk<Real, Machine>::stickbreaking_attention(const AttentionShape& shape, Real scale, bool attend_current, const Real* q,
                                                       const Real* k, const Real* v, const Id* first, const Id* last, Real* out,
                                                       Real* log_rest) {
  const StickKernel<Real> kernel{shape, scale, attend_current, q, k, v, first, last, out, log_rest};
  Execute<Machine>::teams(kernel.items(), kernel);
}

// Heads take turns, whole groups at a time, so that what is kept of them stays below this (or is one group's).
inline Index most_kept_bytes = Index{64} << 20;

template <class Real, class Machine>
void StickWalk<Real, Machine>::stickbreaking_attention_back(const AttentionShape& shape, Real scale, bool attend_current, const Real* q,
                                                            const Real* k, const Real* v, const Id* first, const Id* last,
                                                            const Real* /*log_rest*/, const Real* dout, const Real* drest, Real* dq,
                                                            Real* dk, Real* dv) {
  const Index all = shape.sequences * shape.heads, group = shape.kv_heads == 0 ? 1 : shape.heads / shape.kv_heads;
  const Index kept = ceil_divide(shape.keys, attention_tile) * shape.queries;  // numbers of a head
  const Index budget = most_kept_bytes / static_cast<Index>(2 * sizeof(Real));
  const Index heads = std::max<Index>(1, budget / std::max<Index>(1, kept * group)) * group;
  const Scratch<Real, Machine> rest(kept * std::min(heads, all)), sums(kept * std::min(heads, all));
  for (Index from = 0; from < all; from += heads) {
    const StickBack<Real> back{shape, scale, attend_current, q, k, v, first, last, dout, drest,
                               from, std::min(heads, all - from), rest.data(), sums.data()};
    const StickQueriesBackKernel<Real> queries{back, dq};
    Execute<Machine>::teams(queries.items(), queries);
    const StickKeysBackKernel<Real> keys{back, dk, dv};
    Execute<Machine>::teams(keys.items(), keys);
  }
}

}  // namespace cmoe::cuda
