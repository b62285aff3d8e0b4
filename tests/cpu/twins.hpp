// Comparison of a kernel with its twin in Eigen's words.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "cpu/matrices.hpp"

namespace test {

// Both write all of their results into one vector; they may differ by rounding.
template <class Own, class Twin>
void check_same(const char* name, Index outputs, const Own& run_own, const Twin& run_twin) {
  std::vector<double> a(static_cast<std::size_t>(outputs), 3.0), b = a;
  run_own(a.data());
  run_twin(b.data());
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!(a[i] == b[i])) worst = std::max(worst, std::abs(a[i] - b[i]) / std::max(1.0, std::abs(b[i])));
  CHECK_MESSAGE(worst < 1e-12, name, ": ", worst);
}

}  // namespace test
