// Cases for comparing backends: each draws sizes and operands, runs one primitive and keeps what it wrote. The same seed draws the
// same operands on every backend.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "cmoe/core/array.hpp"
#include "cmoe/core/backend.hpp"
#include "cmoe/core/random.hpp"

namespace parity {

using cmoe::Array, cmoe::Form, cmoe::Id, cmoe::Ids, cmoe::Index, cmoe::Shape;

// What a primitive wrote, result by result.
using Results = std::vector<std::vector<double>>;

template <class B>
struct Draw {
  using Real = typename B::Scalar;
  cmoe::Rng rng;
  Results results;

  Index below(Index n) { return rng.below(n); }
  Index size() {  // 0 and 1 often, around the sizes of warps, tiles and teams, odd ones
    constexpr Index sizes[] = {0, 1, 1, 2, 3, 5, 7, 16, 31, 32, 33, 63, 64, 65, 100, 127, 128, 129, 255, 257, 300};
    return sizes[below(21)];
  }
  Index some() { return std::max<Index>(1, size()); }
  Index few() { return below(5); }

  Array<B> numbers(Index n, double low = -1, double high = 1) {
    std::vector<Real> values(static_cast<std::size_t>(n));
    for (Real& x : values) x = static_cast<Real>(rng.uniform(low, high));
    return Array<B>({n}, std::span<const Real>(values));
  }
  // A few different numbers, so that equal ones meet; sometimes not a number or infinite.
  Array<B> ranked(Index n) {
    std::vector<Real> values(static_cast<std::size_t>(n));
    for (Real& x : values) {
      x = static_cast<Real>(below(5)) - 2;
      if (below(40) == 0) x = std::numeric_limits<Real>::quiet_NaN();
      if (below(40) == 0) x = (below(2) == 0 ? 1 : -1) * std::numeric_limits<Real>::infinity();
    }
    return Array<B>({n}, std::span<const Real>(values));
  }
  Ids<B> ids(Index n, Index limit) {  // limit > 0 or n = 0
    std::vector<Id> values(static_cast<std::size_t>(n));
    for (Id& id : values) id = static_cast<Id>(below(limit));
    return Ids<B>({n}, std::span<const Id>(values));
  }
  Ids<B> permutation(Index n) {
    std::vector<Id> values(static_cast<std::size_t>(n));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<Id>(i);
    rng.shuffle(values);
    return Ids<B>({n}, std::span<const Id>(values));
  }
  Real number() { return static_cast<Real>(rng.uniform(-2, 2)); }
  bool coin() { return below(2) == 0; }

  template <class T>
  void keep(const Array<B, T>& array) {
    const std::vector<T> values = array.values();
    results.emplace_back(values.begin(), values.end());
  }
  void keep(double value) { results.push_back({value}); }
};

template <class B>
struct Case {
  std::string name;
  void (*run)(Draw<B>&);
};

template <class B>
std::vector<Case<B>> elementwise_cases();
template <class B>
std::vector<Case<B>> product_cases();
template <class B>
std::vector<Case<B>> row_cases();
template <class B>
std::vector<Case<B>> index_cases();
template <class B>
std::vector<Case<B>> layout_cases();
template <class B>
std::vector<Case<B>> attention_cases();

}  // namespace parity
