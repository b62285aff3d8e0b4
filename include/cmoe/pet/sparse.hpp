// Sparse deltas: experts are sets of units of a map, and a unit may serve several tasks.                           SETA, arXiv 2601.17616
#pragma once

#include <cmath>

#include "cmoe/ops/arithmetic.hpp"
#include "cmoe/ops/index.hpp"
#include "cmoe/ops/layout.hpp"
#include "cmoe/pet/delta.hpp"

namespace cmoe {

// What a unit is. `count` and `width`: units of an (in,out) map and values of one; `apply`: x (...,in) through the units alone;
// `scores`: how much each unit matters from |dL/dW| (in,out) summed over batches; `fresh`: values of units that do nothing yet.
template <class C, class B>
concept Carrier = requires(const C& carrier, Index n, const Tensor<B>& x, const Ids<B>& units, const std::vector<double>& scores) {
  { carrier.count(n, n) } -> std::same_as<Index>;
  { carrier.width(n, n) } -> std::same_as<Index>;
  { carrier.apply(x, x, units, n, n) } -> std::same_as<Tensor<B>>;
  { carrier.scores(scores, n, n) } -> std::same_as<std::vector<double>>;
};

// A unit is one entry of W.
struct SparseEntries {
  static Index count(Index in, Index out) { return in * out; }
  static Index width(Index, Index) { return 1; }
  template <class B>
  static Tensor<B> apply(const Tensor<B>& x, const Tensor<B>& values, const Ids<B>& units, Index in, Index out) {
    return matmul(x, reshape(scatter_rows(values, units, in * out), {in, out}));
  }
  static std::vector<double> scores(const std::vector<double>& s, Index, Index) { return s; }
  template <class Real>
  static void fresh(Index, Index, Index, std::span<Real> values) {
    std::fill(values.begin(), values.end(), Real(0));
  }
};

// A unit is an output neuron: a column of W.
struct RowUnits {
  static Index count(Index, Index out) { return out; }
  static Index width(Index in, Index) { return in; }
  template <class B>
  static Tensor<B> apply(const Tensor<B>& x, const Tensor<B>& values, const Ids<B>& units, Index, Index out) {
    return matmul_transposed(x, scatter_rows(values, units, out));
  }
  static std::vector<double> scores(const std::vector<double>& s, Index, Index out) {
    std::vector<double> sums(static_cast<std::size_t>(out), 0);
    for (std::size_t i = 0; i < s.size(); ++i) sums[i % sums.size()] += s[i];
    return sums;
  }
  template <class Real>
  static void fresh(Index, Index, Index, std::span<Real> values) {
    std::fill(values.begin(), values.end(), Real(0));
  }
};

// A unit is one rank of a low-rank map: a column of A (in) and a row of B (out). A starts random, B at zero. A cheap dense variant.
struct RankOneUnits {
  static constexpr Index ranks = 64;  // units of a map
  static Index count(Index, Index) { return ranks; }
  static Index width(Index in, Index out) { return in + out; }
  template <class B>
  static Tensor<B> apply(const Tensor<B>& x, const Tensor<B>& values, const Ids<B>&, Index in, Index out) {
    return matmul(matmul_transposed(x, slice_columns(values, 0, in)), slice_columns(values, in, in + out));
  }
  // The size of the gradient that the unit's row of B would get: |Aᵀ| applied to |dL/dW|, A as fresh() makes it.
  static std::vector<double> scores(const std::vector<double>& s, Index in, Index out) {
    std::vector<double> sums(static_cast<std::size_t>(ranks), 0);
    for (Index u = 0; u < ranks; ++u)
      for (Index i = 0; i < in; ++i) {
        const double a = std::abs(initial(u, i, in));
        for (Index o = 0; o < out; ++o) sums[static_cast<std::size_t>(u)] += a * s[static_cast<std::size_t>(i * out + o)];
      }
    return sums;
  }
  template <class Real>
  static void fresh(Index unit, Index in, Index out, std::span<Real> values) {
    for (Index i = 0; i < in; ++i) values[static_cast<std::size_t>(i)] = static_cast<Real>(initial(unit, i, in));
    for (Index o = 0; o < out; ++o) values[static_cast<std::size_t>(in + o)] = 0;
  }

 private:
  static double initial(Index unit, Index i, Index in) {  // uniform in ±1/√in, the same in every run
    const double u = static_cast<double>(random_bits(0x5E7A, static_cast<std::uint64_t>(unit * in + i))) * 0x1p-32;
    return (2 * u - 1) / std::sqrt(static_cast<double>(in));
  }
};

// Σ_e a_e Δ_e(x), the experts being sets of units of this map. Which units an expert has is set by the learner; grow() only notes the
// map's size. The gates are the experts' activations: sequences with the same activations go through one product.
template <class C>
struct LatticeDelta {
  using Carrier = C;
  struct Config {};

  template <class B>
    requires cmoe::Carrier<C, B>
  struct On {
    struct Part {
      Index expert = 0;
      Ids<B> units;     // (n) of this map
      Param<B> values;  // (n,width)
      using Backend = B;
      static void visit(auto& self, auto&& v) { v("values", self.values); }
    };
    std::vector<Part> parts;
    Index in = 0, out = 0;

    void grow(Index map_in, Index map_out, const Config&, const Rng&) {
      in = map_in;
      out = map_out;
    }

    Index width() const { return C::width(in, out); }  // values of a unit

    Tensor<B> add(const Tensor<B>& y, const Tensor<B>& x, const Flow<B>& flow) const {
      if (parts.empty() || !flow.gates) return y;
      check(flow.gates.shape().rank() == 2 && flow.gates.shape()[0] == x.shape()[0], ErrorKind::misuse, "sparse: activations ",
            flow.gates.shape(), " for ", x.shape());
      const Index n = x.shape()[0], experts = flow.gates.shape()[1];
      const auto a = flow.gates.values();
      const auto row = [&](Index i) { return std::span(a).subspan(static_cast<std::size_t>(i * experts), static_cast<std::size_t>(experts)); };
      // Groups of sequences with equal activations; one alone each where the activations want a gradient.
      std::vector<std::vector<Id>> groups;
      for (Index i = 0; i < n; ++i) {
        std::size_t g = 0;
        while (g < groups.size() && (flow.gates.wants_gradient() || !std::equal(row(i).begin(), row(i).end(), row(groups[g][0]).begin()))) ++g;
        if (g == groups.size()) groups.emplace_back();
        groups[g].push_back(static_cast<Id>(i));
      }
      if (groups.size() == 1) {
        const Tensor<B> delta = group(x, flow.gates, 0, row(0));
        return delta ? y + delta : y;
      }
      const Shape& s = x.shape();
      const Tensor<B> flat = reshape(x, {n, s[1] * s[2]});
      Tensor<B> sum;
      for (const std::vector<Id>& members : groups) {
        const auto count = static_cast<Index>(members.size());
        const Ids<B> ids({count}, members);
        const Tensor<B> delta = group(reshape(gather_rows(flat, ids), {count, s[1], s[2]}), flow.gates, members[0], row(members[0]));
        if (!delta) continue;
        const Tensor<B> placed = scatter_rows(reshape(delta, {count, s[1] * out}), ids, n);
        sum = sum ? sum + placed : placed;
      }
      return sum ? y + reshape(sum, y.shape()) : y;
    }

    using Backend = B;
    static void visit(auto& self, auto&& v) { v("experts", self.parts); }

   private:
    // The sequences of one group through all experts that are not off.
    Tensor<B> group(const Tensor<B>& x, const Tensor<B>& gates, Index member, std::span<const typename B::Scalar> activation) const {
      std::vector<Tensor<B>> values;
      std::vector<Id> units;
      for (const Part& part : parts) {
        check(part.expert < static_cast<Index>(activation.size()), ErrorKind::misuse, "sparse: expert ", part.expert, " of ", activation.size());
        const auto weight = activation[static_cast<std::size_t>(part.expert)];
        if (weight == 0 && !gates.wants_gradient()) continue;
        const auto mine = part.units.values();
        units.insert(units.end(), mine.begin(), mine.end());
        if (gates.wants_gradient())
          values.push_back(scaled(part.values, slice_columns(slice_rows(gates, member, member + 1), part.expert, part.expert + 1)));
        else values.push_back(weight == 1 ? Tensor<B>(part.values) : scaled(part.values, Tensor<B>({1, 1}, weight)));
      }
      if (units.empty()) return {};
      return C::apply(x, values.size() == 1 ? values[0] : concat_rows(values), Ids<B>({static_cast<Index>(units.size())}, units), in, out);
    }
    // A unit's effect times its activation; of a rank-one unit only the second half is scaled.
    Tensor<B> scaled(const Tensor<B>& values, const Tensor<B>& weight) const {
      const Tensor<B> factor = reshape(weight, {1});
      if constexpr (std::is_same_v<C, RankOneUnits>)
        return concat_columns<B>({slice_columns(values, 0, in), slice_columns(values, in, in + out) * factor});
      else return values * factor;
    }
  };
};

// SETA's delta: single entries of the weight.
using SparseDelta = LatticeDelta<SparseEntries>;

// The words of a map's weight that a merge has replaced.
template <class B>
struct ReplacedWords {
  std::vector<Id> entries;
  std::vector<typename B::Scalar> words;
};

// Adds the experts with these activations to the map's weight itself, so that running it costs nothing more; while it lasts, run the
// map without gates. An entry that several experts hold is replaced once.                                     cost: one pass over the entries
template <class B>
ReplacedWords<B> merge(AdaptedLinear<B, SparseDelta>& map, std::span<const typename B::Scalar> activation) {
  std::vector<typename B::Scalar> weight = map.base.weight.values(), added(weight.size(), 0);
  std::vector<bool> touched(weight.size(), false);
  ReplacedWords<B> replaced;
  for (const auto& part : map.delta.parts) {
    check(part.expert < static_cast<Index>(activation.size()), ErrorKind::misuse, "merge: expert ", part.expert, " of ", activation.size());
    const auto a = activation[static_cast<std::size_t>(part.expert)];
    const auto values = part.values.values();
    const auto units = part.units.values();
    for (std::size_t i = 0; a != 0 && i < units.size(); ++i) {
      const auto at = static_cast<std::size_t>(units[i]);
      if (!touched[at]) {
        touched[at] = true;
        replaced.entries.push_back(units[i]);
        replaced.words.push_back(weight[at]);
      }
      added[at] += a * values[i];
    }
  }
  for (const Id entry : replaced.entries) weight[static_cast<std::size_t>(entry)] += added[static_cast<std::size_t>(entry)];
  map.base.weight.assign(weight);
  return replaced;
}

// Takes a merge back, to the bit: the old words were kept, nothing is subtracted.
template <class B>
void unmerge(AdaptedLinear<B, SparseDelta>& map, const ReplacedWords<B>& replaced) {
  std::vector<typename B::Scalar> weight = map.base.weight.values();
  for (std::size_t i = 0; i < replaced.entries.size(); ++i) weight[static_cast<std::size_t>(replaced.entries[i])] = replaced.words[i];
  map.base.weight.assign(weight);
}

}  // namespace cmoe
