// What both attentions share: heads as strided matrices, who may see whom, and products of tiles of 32 queries and 32 keys.
#pragma once

#include "execute.cuh"

namespace cmoe::cuda {

inline constexpr int attention_tile = 32, attention_threads = 128;

// One head of one sequence: `step` numbers lie between its rows.
template <class Real>
struct Head {
  Real* data;
  Index step;
  constexpr Real* row(Index i) const { return data + i * step; }
};
template <class Real>
constexpr Head<Real> head(Real* x, Index sequence, Index rows, Index heads, Index which, Index head_size) {
  return {x + (sequence * rows * heads + which) * head_size, heads * head_size};
}

// The keys that a sequence's queries may look at: [first, last), and none after the query's own place.
struct Window {
  Index first, last;  // valid keys
  Index offset;       // one past the last key that query i sees, had all keys been valid, is i + offset

  constexpr Window(const AttentionShape& shape, Index sequence, const Id* firsts, const Id* lasts, bool current)
      : first(inside(firsts ? firsts[sequence] : 0, shape.keys)),
        last(inside(lasts ? lasts[sequence] : shape.keys, shape.keys)),
        offset(shape.keys - shape.queries + (current ? 1 : 0)) {}

  constexpr bool sees(Index query, Index key) const { return key >= first && key < last && key < query + offset; }
  constexpr Index end_of_rows(Index row, Index rows) const { return std::min(last, row + rows - 1 + offset); }

 private:
  static constexpr Index inside(Index key, Index keys) { return key < 0 ? 0 : std::min(key, keys); }
};

// A tile of numbers of (rows, columns), a column wider than it need be so that columns lie in different banks.
template <class Real>
struct AttentionMatrix {
  Real at[attention_tile][attention_tile + 1];
};
template <class Real>
struct AttentionPanels {
  static constexpr int step = 16;
  Real a[attention_tile][step + 1], b[attention_tile][step + 1];
};

// out = factor · a bᵀ for rows of a (m,D) and of b (n,D), m and n at most a tile; 0 beyond them.
template <class Team, class Real>
constexpr void dot_rows(Team& team, AttentionPanels<Real>& panels, Index m, const Real* a, Index a_step, Index n, const Real* b,
                        Index b_step, Index head_size, Real factor, AttentionMatrix<Real>& out) {
  constexpr int step = AttentionPanels<Real>::step, shares = attention_threads / attention_tile, each = attention_tile / shares;
  struct Sums {
    Real of[each];
  };
  typename Team::template PerThread<Sums> sums;
  team.phase([&](int t) {
    for (Real& sum : sums[t].of) sum = 0;
  });
  for (Index d0 = 0; d0 < head_size; d0 += step) {
    team.phase([&](int t) {
      for (int e = t; e < attention_tile * step; e += attention_threads) {
        const int i = e / step, d = e % step;
        panels.a[i][d] = i < m && d0 + d < head_size ? a[i * a_step + d0 + d] : Real(0);
        panels.b[i][d] = i < n && d0 + d < head_size ? b[i * b_step + d0 + d] : Real(0);
      }
    });
    team.phase([&](int t) {
      Sums own = sums[t];
      for (int d = 0; d < step; ++d)
        for (int u = 0; u < each; ++u) own.of[u] += panels.a[t / shares][d] * panels.b[t % shares + u * shares][d];
      sums[t] = own;
    });
  }
  team.phase([&](int t) {
    for (int u = 0; u < each; ++u) out.at[t / shares][t % shares + u * shares] = factor * sums[t].of[u];
  });
}

// result (m,D) += factor · w x, or wᵀ x if turned, for w (m,n) and x (n,D)
template <class Team, class Real>
constexpr void add_rows(Team& team, const AttentionMatrix<Real>& w, bool turned, Index m, Index n, const Real* x, Index x_step,
                        Index head_size, Real factor, Real* result, Index step) {
  team.phase([&](int t) {
    for (Index e = t; e < m * head_size; e += attention_threads) {
      const Index i = e / head_size, d = e % head_size;
      Real sum = 0;
      for (Index j = 0; j < n; ++j) sum += (turned ? w.at[j][i] : w.at[i][j]) * x[j * x_step + d];
      result[i * step + d] += factor * sum;
    }
  });
}

// x (rows,D) = 0
template <class Team, class Real>
constexpr void clear_rows(Team& team, Head<Real> x, Index row, Index rows, Index head_size) {
  team.phase([&](int t) {
    for (Index e = t; e < rows * head_size; e += attention_threads) x.row(row + e / head_size)[e % head_size] = 0;
  });
}

// Which query head of which sequence an item belongs to, and which tile of so many it is.
struct HeadTile {
  Index sequence, head, tile;
  constexpr HeadTile(Index item, Index heads, Index tiles)
      : sequence(item / tiles / heads), head(item / tiles % heads), tile(item % tiles) {}
};

}  // namespace cmoe::cuda
