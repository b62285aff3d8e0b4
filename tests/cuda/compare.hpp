// The comparison of a device's results with the CPU's.
#pragma once

#include <algorithm>
#include <cstring>

#include "cmoe/cpu/cpu.hpp"
#include "cuda/attention_cases.hpp"
#include "cuda/elementwise_cases.hpp"
#include "cuda/index_cases.hpp"
#include "cuda/layout_cases.hpp"
#include "cuda/product_cases.hpp"
#include "cuda/row_cases.hpp"

namespace parity {

template <class B>
std::vector<Case<B>> all_cases() {
  std::vector<Case<B>> all;
  for (const auto& part : {elementwise_cases<B>(), product_cases<B>(), row_cases<B>(), index_cases<B>(), layout_cases<B>(), attention_cases<B>()})
    all.insert(all.end(), part.begin(), part.end());
  return all;
}

template <class B>
Results run(const Case<B>& one, std::size_t line, int shape) {
  Draw<B> d{cmoe::Rng(20261126).fork(line).fork(static_cast<std::uint64_t>(shape)), {}};
  one.run(d);
  return d.results;
}

// Bit by bit, NaN included.
inline bool same_bits(const Results& a, const Results& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (a[i].size() != b[i].size() || (!a[i].empty() && std::memcmp(a[i].data(), b[i].data(), a[i].size() * sizeof(double)) != 0)) return false;
  return true;
}

// The largest difference of two results, in units of the largest number of the result or 1. Not finite numbers must be the same.
inline double deviation(const std::vector<double>& a, const std::vector<double>& b) {
  double scale = 1, worst = 0;
  for (const double x : b)
    if (std::isfinite(x)) scale = std::max(scale, std::abs(x));
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i]))) continue;
    const double difference = std::abs(a[i] - b[i]) / scale;
    worst = std::isfinite(difference) ? std::max(worst, difference) : std::numeric_limits<double>::infinity();
  }
  return worst;
}
inline double deviation(const Results& a, const Results& b) {
  double worst = a.size() == b.size() ? 0 : std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    worst = std::max(worst, a[i].size() == b[i].size() ? deviation(a[i], b[i]) : std::numeric_limits<double>::infinity());
  return worst;
}

}  // namespace parity
