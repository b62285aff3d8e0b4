// Operands for the kernel tests: small whole numbers, for which every order of summation is exact, and a plain product.
#pragma once

#include <cstdint>
#include <vector>

#include "cmoe/core/product.hpp"

namespace test {

using cmoe::Form;
using cmoe::Index;

// n numbers in -8..8, or in (-1, 1) if `fraction`; the same for the same seed.
template <class Real>
std::vector<Real> numbers(Index n, unsigned seed, bool fraction = false) {
  std::vector<Real> x(static_cast<std::size_t>(n));
  std::uint64_t state = seed * 2654435761u + 12345u;
  for (Real& value : x) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const auto bits = static_cast<std::int64_t>(state >> 33);
    value = fraction ? static_cast<Real>(bits) / Real(1 << 30) - 1 : static_cast<Real>(bits % 17 - 8);
  }
  return x;
}

// The element (i,j) of op(a) op(b).
template <class Real>
double dot(Form form, Index m, Index n, Index k, const Real* a, const Real* b, Index i, Index j) {
  double sum = 0;
  for (Index p = 0; p < k; ++p)
    sum += static_cast<double>(form == Form::tn ? a[p * m + i] : a[i * k + p]) *
           static_cast<double>(form == Form::nt ? b[j * k + p] : b[p * n + j]);
  return sum;
}

}  // namespace test
