// Anchors: how much each parameter matters to what was learnt, and a quadratic penalty for leaving the place where it was learnt.
#pragma once

#include <map>

#include "cmoe/nn/module.hpp"
#include "cmoe/ops/arithmetic.hpp"
#include "cmoe/ops/reduce.hpp"

namespace cmoe {

// One array for each parameter of a module, by the parameter's name.
template <class B>
using NamedArrays = std::map<std::string, Array<B>>;

// The values of the parameters that are trained, copied.
template <class B, class M>
NamedArrays<B> trained_values(const M& module) {
  NamedArrays<B> values;
  for_each_param(module, [&](const std::string& name, const Param<B>& p) {
    if (!p.frozen()) values.emplace(name, p.value().copy());
  });
  return values;
}

// The diagonal of the Fisher information of the trained parameters, from gradients that the parameters hold:
//     F_i = mean_n (∂ log p(y_n | x_n) / ∂θ_i)²                                       elastic weight consolidation, arXiv 1612.00796
// add() must see the gradient of ONE sequence and of nothing but its log-likelihood: the square of a batch's mean gradient is
// another, smaller number, and a penalty in the loss would be counted as importance. Both are defects of public code.
template <class B>
class DiagonalFisher {
 public:
  // Takes the squares of the gradients in, and clears them. Gradients of frozen parameters do not exist and do not count.
  template <class M>
  void add(const M& module) {
    for_each_param(module, [&](const std::string& name, const Param<B>& p) {
      if (p.frozen()) return;
      auto found = sums_.find(name);
      if (found == sums_.end()) found = sums_.emplace(name, Array<B>(p.shape(), typename B::Scalar(0))).first;
      check(found->second.shape() == p.shape(), "fisher: ", name, " was ", found->second.shape(), " and is ", p.shape());
      if (const Array<B> g = p.grad()) {
        Array<B> squared(p.shape());
        B::template map<fn::Square>(g.size(), g.data(), squared.data());
        B::axpy(g.size(), typename B::Scalar(1), squared.data(), found->second.data());
      }
      p.clear_gradient();
    });
    ++count_;
  }

  Index count() const { return count_; }  // sequences taken in

  // F. throws Error (misuse) if nothing was taken in
  NamedArrays<B> mean() const {
    check(count_ > 0, ErrorKind::misuse, "fisher: no gradients were taken in");
    return scaled(1 / static_cast<double>(count_));
  }

  // F̂ = F / mean of all its entries, so that one weight of a penalty means the same on every model and task (ours). All zero stays so.
  NamedArrays<B> normalised() const {
    check(count_ > 0, ErrorKind::misuse, "fisher: no gradients were taken in");
    double total = 0;
    Index entries = 0;
    for (const auto& [name, sum] : sums_) {
      for (const auto x : sum.values()) total += static_cast<double>(x);
      entries += sum.size();
    }
    return scaled(total > 0 ? static_cast<double>(entries) / total : 0);
  }

 private:
  NamedArrays<B> scaled(double factor) const {
    NamedArrays<B> result;
    for (const auto& [name, sum] : sums_) {
      Array<B> y(sum.shape());
      B::affine(sum.size(), static_cast<typename B::Scalar>(factor), sum.data(), typename B::Scalar(0), y.data());
      result.emplace(name, std::move(y));
    }
    return result;
  }

  NamedArrays<B> sums_;
  Index count_ = 0;
};

// The diagonal over so many sequences: negative_log_likelihood(n) -> scalar Tensor<B>, recorded on a tape of its own. Gradients that
// the parameters held before are lost.
template <class B, class M, class F>
DiagonalFisher<B> diagonal_fisher(const M& module, Index sequences, F&& negative_log_likelihood) {
  DiagonalFisher<B> fisher;
  clear_gradients(module);
  for (Index n = 0; n < sequences; ++n) {
    Tape<B> tape;
    tape.backward(negative_log_likelihood(n));
    fisher.add(module);
  }
  return fisher;
}

// ½ Σ F̂ (θ − θ*)² of one tensor; all of one shape; a gradient flows to θ only.
template <class B>
Tensor<B> quadratic_penalty(const Tensor<B>& theta, const Tensor<B>& centre, const Tensor<B>& weight) {
  check(theta.shape() == centre.shape() && theta.shape() == weight.shape(), "quadratic penalty: ", theta.shape(), " around ",
        centre.shape(), " weighted by ", weight.shape());
  return sum(square(theta - centre.detach()) * weight.detach()) * typename B::Scalar(0.5);
}

// A quadratic penalty on a module: which value each parameter should keep, and how much it matters.
template <class B>
struct Anchor {
  NamedArrays<B> centre;  // θ*
  NamedArrays<B> weight;  // F̂ >= 0, the same names and shapes

  bool empty() const { return centre.empty(); }

  // ½ Σ F̂ (θ − θ*)² over the module's trained parameters that the anchor knows; an empty tensor if there are none.
  // throws Error if a parameter has another shape than its anchor
  template <class M>
  Tensor<B> loss(const M& module) const {
    Tensor<B> total;
    for_each_param(module, [&](const std::string& name, const Param<B>& p) {
      const auto found = centre.find(name);
      if (p.frozen() || found == centre.end()) return;
      const auto heavy = weight.find(name);
      check(heavy != weight.end(), ErrorKind::misuse, "anchor: no weight for ", name);
      const Tensor<B> part = quadratic_penalty<B>(p, found->second, heavy->second);
      total = total ? total + part : part;
    });
    return total;
  }
};

// Where the anchor of two tasks has its centre.
enum class AnchorCentre {
  weighted,  // Σ F_k θ_k / Σ F_k: the sum of both penalties but for a constant, so all tasks' penalties in the memory of one
  newest     // the later one's: online EWC, one anchor that moves along
};

// One anchor for two: F = decay · F_old + F_new. A parameter that only one of them knows keeps what is known of it.
// weighted with decay 1:  ½ F_a (θ−a)² + ½ F_b (θ−b)² = ½ (F_a+F_b)(θ−c)² + constant,  c = (F_a a + F_b b)/(F_a+F_b)
template <class B>
Anchor<B> merged(const Anchor<B>& old, Anchor<B> fresh, double decay = 1, AnchorCentre where = AnchorCentre::weighted) {
  using Real = typename B::Scalar;
  check(decay >= 0 && decay <= 1, ErrorKind::config, "anchor: the decay ", decay, " is not in [0,1]");
  for (const auto& [name, weight] : old.weight) {
    std::vector<Real> heavy = weight.values();
    for (Real& f : heavy) f = static_cast<Real>(decay * static_cast<double>(f));
    const auto found = fresh.weight.find(name);
    if (found == fresh.weight.end()) {
      fresh.weight.emplace(name, Array<B>(weight.shape(), std::span<const Real>(heavy)));
      fresh.centre.emplace(name, old.centre.at(name));
      continue;
    }
    check(found->second.shape() == weight.shape(), "anchor: ", name, " was ", weight.shape(), " and is ", found->second.shape());
    const std::vector<Real> before = old.centre.at(name).values(), added = found->second.values();
    std::vector<Real> centre = fresh.centre.at(name).values();
    for (std::size_t i = 0; i < heavy.size(); ++i) {
      const double f = static_cast<double>(heavy[i]), total = f + static_cast<double>(added[i]);
      if (where == AnchorCentre::weighted && total > 0)
        centre[i] = static_cast<Real>(static_cast<double>(centre[i]) + f / total * (static_cast<double>(before[i]) - static_cast<double>(centre[i])));
      heavy[i] = static_cast<Real>(total);
    }
    found->second = Array<B>(weight.shape(), std::span<const Real>(heavy));
    fresh.centre.at(name) = Array<B>(weight.shape(), std::span<const Real>(centre));
  }
  return fresh;
}

}  // namespace cmoe
