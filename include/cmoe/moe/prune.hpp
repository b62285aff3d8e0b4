// Which experts are used: counted on a calibration text, and the choice of those that stay.
#pragma once

#include <algorithm>

#include "cmoe/moe/router.hpp"

namespace cmoe {

// How often each expert of one mixture was among the chosen: f_e = tokens with e in their top k / (tokens · k), so Σ_e f_e = 1.
class ExpertUse {
 public:
  // valid (n) 1 for the tokens that count, empty: all do
  template <class B>
  void add(const Routing<B>& routing, const Tensor<B>& valid = {}) {
    const auto experts = static_cast<std::size_t>(routing.probabilities.shape()[1]), k = static_cast<std::size_t>(routing.chosen.shape()[1]);
    check(counts_.empty() || counts_.size() == experts, ErrorKind::misuse, "expert use: decisions over ", experts, " experts after such over ",
          counts_.size());
    counts_.resize(experts, 0);
    const std::vector<Id> chosen = routing.chosen.values();
    const auto marks = valid ? valid.values() : std::vector<typename B::Scalar>(chosen.size() / k, 1);
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      counts_[static_cast<std::size_t>(chosen[i])] += marks[i / k] > 0;
      total_ += marks[i / k] > 0;
    }
  }

  // throws Error (misuse) if nothing was counted
  std::vector<double> frequency() const {
    check(total_ > 0, ErrorKind::misuse, "expert use: no token was counted");
    std::vector<double> out;
    for (Index count : counts_) out.push_back(static_cast<double>(count) / static_cast<double>(total_));
    return out;
  }

 private:
  std::vector<Index> counts_;
  Index total_ = 0;
};

// The `count` most used experts, ascending; of equals the lower. All of them if there are not more.
// throws Error (config) if count is not positive
inline std::vector<Index> most_used(const std::vector<double>& frequency, Index count) {
  check(count >= 1, ErrorKind::config, "prune: ", count, " experts would stay");
  std::vector<Index> order;
  for (std::size_t e = 0; e < frequency.size(); ++e) order.push_back(static_cast<Index>(e));
  std::stable_sort(order.begin(), order.end(),
                   [&](Index a, Index b) { return frequency[static_cast<std::size_t>(a)] > frequency[static_cast<std::size_t>(b)]; });
  order.resize(std::min(order.size(), static_cast<std::size_t>(count)));
  std::sort(order.begin(), order.end());
  return order;
}

// The experts that are used at least so often, ascending. throws Error (config) unless the threshold lies in [0,1]
inline std::vector<Index> used_at_least(const std::vector<double>& frequency, double threshold) {
  check(threshold >= 0 && threshold <= 1, ErrorKind::config, "prune: the threshold ", threshold, " is not in [0,1]");
  std::vector<Index> out;
  for (std::size_t e = 0; e < frequency.size(); ++e)
    if (frequency[e] >= threshold) out.push_back(static_cast<Index>(e));
  return out;
}

}  // namespace cmoe
