// Sensitivity: how much the loss depends on each entry of the adapted maps.                                 SETA, arXiv 2601.17616
#pragma once

#include <cmath>
#include <vector>

#include "cmoe/nn/param.hpp"

namespace cmoe {

// S = (1/K) Σ_k |dL_k/dW| · |W|^power for every deep map of an Adapted model, loss(k) the loss of probe batch k. W may be frozen, it is
// again afterwards. Not |Δ · gradient|: a delta that is zero would have no sensitivity anywhere.            spec/seta.md section 2.3 (ours)
// cost: one forward and backward pass a batch, and a gradient of every map's size
template <class B, class Model, class F>
std::vector<std::vector<double>> sensitivity(Model& model, Index batches, double power, F&& loss) {
  check(batches > 0, ErrorKind::config, "sensitivity: ", batches, " probe batches");
  std::vector<std::vector<double>> scores;
  model.for_each_deep_map([&](auto& map) {
    scores.emplace_back(static_cast<std::size_t>(map.base.weight.size()), 0.0);
    map.base.weight.unfreeze();
  });
  for (Index k = 0; k < batches; ++k) {
    Tape<B> tape;
    tape.backward(loss(k));
    std::size_t m = 0;
    model.for_each_deep_map([&](auto& map) {
      std::vector<double>& sum = scores[m++];
      const auto g = map.base.weight.grad().values(), w = map.base.weight.values();
      for (std::size_t i = 0; i < g.size(); ++i) {
        const double size = power == 0 ? 1 : std::pow(std::abs(static_cast<double>(w[i])), power);
        sum[i] += std::abs(static_cast<double>(g[i])) * size / static_cast<double>(batches);
      }
      map.base.weight.clear_gradient();
    });
  }
  model.for_each_deep_map([](auto& map) { map.base.weight.freeze(); });
  return scores;
}

}  // namespace cmoe
