// Derivatives checked: what an operation hands back, against central differences of what it computes.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "cmoe/autograd/tape.hpp"
#include "cmoe/core/random.hpp"

namespace cmoe {

// How far gradients are from difference quotients at the worst place.
struct GradientDeviation {
  double worst = 0;   // the largest |back − difference| / max(1, |difference|); infinity if one of them is NaN
  std::string where;  // the tensor and the place of the worst, and both numbers
};

// The same for leaves that f reads by itself, the parameters of a module for example: f() -> Tensor<B>. The leaves must want a
// gradient; their values are changed one at a time and put back, their gradients are cleared.
// most: places looked at in each leaf, drawn by chance where it has more
template <class B, class F>
GradientDeviation gradcheck_leaves(F&& f, const std::vector<std::pair<std::string, Tensor<B>*>>& leaves, double epsilon = 1e-6,
                                   Index most = 64) {
  static_assert(sizeof(typename B::Scalar) == 8, "gradcheck: central differences need double, use Cpu<double>");
  Rng rng(20240731);
  std::vector<double> weights;  // the objective: a random projection of the output, so that no element hides behind another
  const auto objective = [&] {
    const std::vector<double> y = f().values();
    double total = 0;
    for (std::size_t i = 0; i < y.size(); ++i) total += weights[i] * y[i];
    return total;
  };
  for (const auto& [name, leaf] : leaves) leaf->clear_gradient();
  {
    Tape<B> tape;
    const Tensor<B> y = f();
    for (Index i = 0; i < y.size(); ++i) weights.push_back(rng.normal());
    tape.backward(y, Array<B>(y.shape(), std::span<const double>(weights)));
  }
  const typename Tape<B>::Pause nothing_is_recorded;
  GradientDeviation result;
  for (const auto& [name, leaf] : leaves) {
    const auto n = static_cast<std::size_t>(leaf->size());
    std::vector<double> values = leaf->values(), back = leaf->grad() ? leaf->grad().values() : std::vector<double>(n, 0.0);
    check(back.size() == n, "gradcheck: the gradient of ", name, " ", leaf->shape(), " has shape ", leaf->grad().shape());
    for (std::size_t look = 0; look < std::min(n, static_cast<std::size_t>(most)); ++look) {
      const std::size_t at = n <= static_cast<std::size_t>(most) ? look : static_cast<std::size_t>(rng.below(leaf->size()));
      const double old = values[at], step = epsilon * std::max(1.0, std::abs(old));
      const auto moved = [&](double x) {
        values[at] = x;
        B::upload(leaf->size(), values.data(), leaf->data());
        return x == old ? 0 : objective();
      };
      const double above = moved(old + step), below = moved(old - step),
                   difference = (above - below) / ((old + step) - (old - step));
      moved(old);
      double deviation = std::abs(back[at] - difference) / std::max(1.0, std::abs(difference));
      if (std::isnan(deviation)) deviation = std::numeric_limits<double>::infinity();
      if (deviation <= result.worst) continue;
      result.worst = deviation;
      result.where = name + " " + leaf->shape().text() + " at " + std::to_string(at) + ": " + std::to_string(back[at]) +
                     " on the way back, " + std::to_string(difference) + " by differences";
    }
    leaf->clear_gradient();
  }
  return result;
}

// Checks the derivative of f at the inputs, in double:
//     CHECK(gradcheck([](const auto& x) { return matmul(x[0], x[1]); }, std::vector{a, b}).worst < 1e-6);
// f: (const std::vector<Tensor<B>>&) -> Tensor<B>, of any shape. The inputs are copied.
// cost: two calls of f for each element of the inputs
template <class B, class F>
GradientDeviation gradcheck(F&& f, std::vector<Tensor<B>> inputs, double epsilon = 1e-6, Index most = 64) {
  std::vector<std::pair<std::string, Tensor<B>*>> leaves;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    inputs[i] = Tensor<B>(inputs[i].value().copy());
    inputs[i].want_gradient();
    leaves.emplace_back("input " + std::to_string(i), &inputs[i]);
  }
  return gradcheck_leaves<B>([&] { return f(std::as_const(inputs)); }, leaves, epsilon, most);
}

}  // namespace cmoe
