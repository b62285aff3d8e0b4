// The lattice of sparse experts: which tasks share which units, how a new task splits what it overlaps.            SETA, arXiv 2601.17616
#pragma once

#include <algorithm>

#include <xtl/xdynamic_bitset.hpp>

#include "cmoe/moe/gate.hpp"

namespace cmoe {

// An expert: the units that exactly these tasks use. Units are numbers over all adapted maps of a model.
struct SparseExpert {
  xtl::xdynamic_bitset<std::uint64_t> users;  // one bit a task
  std::vector<Index> units;                   // ascending

  bool used_by(Index task) const { return task < static_cast<Index>(users.size()) && users[static_cast<std::size_t>(task)]; }
  Index user_count() const { return static_cast<Index>(users.count()); }
  bool shared() const { return user_count() > 1; }
  bool operator==(const SparseExpert& other) const { return users == other.users && units == other.units; }
};

// What happens to units that belong to an expert which is not split.
enum class OverlapRule {
  copy,  // a unit that an unsplit expert has is held once more, privately
  drop   // the new task does without it
};

// When a new mask splits an expert.
struct SplitConfig {
  double threshold = 0.05;  // θ: an expert is split if at least this share of the mask lies in it,
  Index smallest = 64;      // and at least so many units
  Index most = 64;          // experts; beyond, θ is raised until hardly anything is split: a task adds one expert then
  OverlapRule overlap = OverlapRule::copy;
};

// Where each unit of a new expert comes from: the old expert's number, or -1 for a unit that is new.
struct LatticeSplit {
  std::vector<SparseExpert> experts;
  std::vector<std::vector<Index>> source;  // beside experts' units
  double threshold = 0;                    // the θ that was used
};

namespace detail {

inline LatticeSplit split_once(const std::vector<SparseExpert>& old, std::vector<Index> mask, Index task, const SplitConfig& config) {
  LatticeSplit out;
  out.threshold = config.threshold;
  const auto whole = static_cast<double>(mask.size());
  const auto with = [&](xtl::xdynamic_bitset<std::uint64_t> users) {
    users.resize(static_cast<std::size_t>(task) + 1);
    return users;
  };
  // Appends units to the expert with these users: two experts never have the same.
  const auto put = [&](const xtl::xdynamic_bitset<std::uint64_t>& users, const std::vector<Index>& units, const std::vector<Index>& from) {
    if (units.empty()) return;
    std::size_t e = 0;
    while (e < out.experts.size() && !(out.experts[e].users == users)) ++e;
    if (e == out.experts.size()) {
      out.experts.push_back({users, {}});
      out.source.emplace_back();
    }
    std::vector<std::pair<Index, Index>> all;
    for (std::size_t i = 0; i < out.experts[e].units.size(); ++i) all.emplace_back(out.experts[e].units[i], out.source[e][i]);
    for (std::size_t i = 0; i < units.size(); ++i) all.emplace_back(units[i], from[i]);
    std::sort(all.begin(), all.end());
    out.experts[e].units.clear();
    out.source[e].clear();
    for (const auto& [unit, source] : all) {
      out.experts[e].units.push_back(unit);
      out.source[e].push_back(source);
    }
  };
  for (std::size_t e = 0; e < old.size(); ++e) {
    std::vector<Index> inside, outside, rest;
    std::set_intersection(old[e].units.begin(), old[e].units.end(), mask.begin(), mask.end(), std::back_inserter(inside));
    const auto from = [&](const std::vector<Index>& units) { return std::vector<Index>(units.size(), static_cast<Index>(e)); };
    const bool split = static_cast<Index>(inside.size()) >= std::max<Index>(config.smallest, 1) &&
                       static_cast<double>(inside.size()) >= config.threshold * whole;
    std::set_difference(mask.begin(), mask.end(), inside.begin(), inside.end(), std::back_inserter(rest));
    if (!split) {
      put(with(old[e].users), old[e].units, from(old[e].units));
      if (config.overlap == OverlapRule::drop) mask = std::move(rest);
      continue;
    }
    std::set_difference(old[e].units.begin(), old[e].units.end(), inside.begin(), inside.end(), std::back_inserter(outside));
    put(with(old[e].users), outside, from(outside));
    auto users = with(old[e].users);
    users.set(static_cast<std::size_t>(task), true);
    put(users, inside, from(inside));
    mask = std::move(rest);
  }
  auto alone = with({});
  alone.set(static_cast<std::size_t>(task), true);
  put(alone, mask, std::vector<Index>(mask.size(), -1));
  return out;
}

}  // namespace detail

// Split-on-share: each expert that the mask (ascending) overlaps enough becomes two, what is shared with the new task and what is
// not; the rest of the mask becomes the task's own expert. Every old task keeps exactly its units.        spec/seta.md section 2.4 (ours)
// throws Error (config) if the mask is empty or the limits make no sense
inline LatticeSplit split_on_share(const std::vector<SparseExpert>& old, const std::vector<Index>& mask, Index task, SplitConfig config) {
  check(!mask.empty(), ErrorKind::config, "split: the mask of task ", task, " selects nothing");
  check(std::is_sorted(mask.begin(), mask.end()), ErrorKind::misuse, "split: the mask of task ", task, " is not in order");
  check(config.threshold >= 0 && config.most > task, ErrorKind::config, "split: threshold ", config.threshold, ", at most ", config.most,
        " experts for ", task + 1, " tasks");
  LatticeSplit split = detail::split_once(old, mask, task, config);
  const std::size_t allowed = std::max(static_cast<std::size_t>(config.most), old.size() + 1);
  while (split.experts.size() > allowed) {
    config.threshold = std::max(2 * config.threshold, 0.01);
    split = detail::split_once(old, mask, task, config);
  }
  return split;
}

// The smallest set of entries of non-negative scores that holds the share eta of their sum, at most rho of all; equal scores go to the
// lower number. Ascending.                                                                    spec/seta.md section 2.3 (ours)
// throws Error (numeric) if a score is negative or not finite
template <class Real>
std::vector<Index> sensitivity_mask(std::span<const Real> scores, double eta, double rho) {
  check(eta > 0 && eta <= 1 && rho > 0 && rho <= 1, ErrorKind::config, "mask: eta ", eta, ", rho ", rho, " are not in (0,1]");
  double total = 0;
  std::vector<Index> order(scores.size());
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const auto s = static_cast<double>(scores[i]);
    check(std::isfinite(s) && s >= 0, ErrorKind::numeric, "mask: the score of unit ", i, " is ", s);
    total += s;
    order[i] = static_cast<Index>(i);
  }
  const auto at = [&](Index i) { return scores[static_cast<std::size_t>(i)]; };
  std::sort(order.begin(), order.end(), [&](Index a, Index b) { return at(a) > at(b) || (at(a) == at(b) && a < b); });
  const auto cap = static_cast<std::size_t>(rho * static_cast<double>(scores.size()) + 1e-9);
  std::vector<Index> chosen;
  double mass = 0;
  for (std::size_t i = 0; i < order.size() && chosen.size() < cap && mass < eta * total; ++i) {
    mass += static_cast<double>(at(order[i]));
    chosen.push_back(order[i]);
  }
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

// A gate over tasks whose weights are spread over the experts of a lattice: a_e = Σ_t p_t [t uses e], in [0,1].  spec/seta.md section 2.2
// A split changes no effective weight, which a softmax over experts could not promise.
template <class How>
struct TaskLattice {
  using Config = typename How::Config;

  template <class B>
  struct On : How::template On<B> {
    using How::template On<B>::On;
    Tensor<B> combination;  // (T,E) of 0 and 1

    void combine(const std::vector<SparseExpert>& experts, Index tasks) {
      std::vector<typename B::Scalar> c;
      for (Index t = 0; t < tasks; ++t)
        for (const SparseExpert& e : experts) c.push_back(e.used_by(t) ? 1 : 0);
      combination = Tensor<B>({tasks, static_cast<Index>(experts.size())}, std::span<const typename B::Scalar>(c));
    }
    // p (N,T) over the first T tasks -> (N,E)
    Tensor<B> expand(const Tensor<B>& p) const {
      check(combination && p.shape()[1] <= combination.shape()[0], ErrorKind::misuse, "lattice: weights ", p.shape(), " for combinations ",
            combination.shape());
      return matmul(p, slice_rows(combination, 0, p.shape()[1]));
    }
  };
};

// The alternative: one softmax over the experts themselves, g_e = scale_e softmax(q Wᵀ + bias)_e. Splitting an expert copies its row, takes
// log 2 off both children's biases, which keeps the normaliser, and doubles both scales, which keeps the output; a child whose scale is
// not doubled, or a copied row alone, would change what old tasks compute.                              spec/seta.md section 2.2 (ours)
struct FlatSoftmax {
  struct Config {};

  template <class B>
  struct On {
    Param<B> weight, bias, scale;  // (E,C), (E), (E)
    Index width = 0, active = 0;

    On() = default;
    explicit On(Index query_width) : width(query_width) {}
    On(Index query_width, const Config&, const Rng& = Rng(0)) : width(query_width) {}

    Index experts() const { return weight ? weight.shape()[0] : 0; }
    void grow(const Rng& = Rng(0)) {
      append(weight, Tensor<B>({1, width}, 0));
      append(bias, Tensor<B>({1}, 0));
      append(scale, Tensor<B>({1}, 1));
      scale.freeze();
    }
    // Expert e becomes e and a new last one that together do what e did.
    void split(Index e) {
      check(e >= 0 && e < experts(), ErrorKind::index, "flat gate: expert ", e, " of ", experts());
      using Real = typename B::Scalar;
      B::affine(1, Real(1), bias.data() + e, -static_cast<Real>(std::log(2.0)), bias.data() + e);
      B::affine(1, Real(2), scale.data() + e, Real(0), scale.data() + e);
      append(weight, Tensor<B>(weight.value().rows(e, e + 1)));
      append(bias, Tensor<B>(bias.value().rows(e, e + 1)));
      append(scale, Tensor<B>(scale.value().rows(e, e + 1)));
      scale.freeze();
      ++active;
    }
    Tensor<B> scores(const Tensor<B>& query) const {
      check(active > 0 && active <= experts(), ErrorKind::misuse, "gate: ", active, " of ", experts(), " experts are active");
      return matmul_transposed(query, slice_rows(weight, 0, active)) + slice_rows(bias, 0, active);
    }
    Tensor<B> weights(const Tensor<B>& query) const { return softmax(scores(query)) * slice_rows(scale, 0, active); }
    using Backend = B;
    static void visit(auto& self, auto&& v) {
      v("weight", self.weight);
      v("bias", self.bias);
      v("scale", self.scale);
    }

   private:
    static void append(Param<B>& p, const Tensor<B>& rows) {
      p = Param<B>(p ? concat_rows<B>({p.detach(), rows}).value() : rows.value().copy());
    }
  };
};

}  // namespace cmoe
