// Random sizes and tensors for tests, in double.
#pragma once

#include <vector>

#include "cmoe/core/random.hpp"
#include "cmoe/cpu/cpu.hpp"
#include "cmoe/autograd/tape.hpp"
#if defined(CMOE_TEST_EMULATED)  // tests/cuda draws the same on the host's execution of the GPU's kernels
#include "host_execution.hpp"
#endif

namespace draw {

#if defined(CMOE_TEST_EMULATED)
using B = cmoe::Emulated<double>;
#else
using B = cmoe::Cpu<double>;
#endif
using T = cmoe::Tensor<B>;
using cmoe::Id;
using cmoe::Index;
using cmoe::Shape;
using IdArray = cmoe::Ids<B>;

struct Draw {
  cmoe::Rng rng;

  Index size() {  // 0 and 1 often, sometimes more than a vector register holds
    constexpr Index sizes[] = {0, 1, 1, 2, 3, 4, 5, 7, 9, 19};
    return sizes[rng.below(10)];
  }
  Index some() { return 1 + rng.below(rng.below(8) == 0 ? 20 : 4); }  // never 0
  Index few() { return rng.below(4); }
  Shape shape() {  // of any rank
    Shape s;
    for (Index i = rng.below(4); i > 0; --i) s.push_back(size() % 10);
    return s;
  }
  Shape rows_of(Index cols) {  // (...,cols)
    Shape s;
    for (Index i = rng.below(3); i > 0; --i) s.push_back(few());
    s.push_back(cols);
    return s;
  }
  T tensor(const Shape& shape) {
    std::vector<double> values(static_cast<std::size_t>(shape.size()));
    for (double& x : values) x = rng.normal();
    return T(shape, std::span<const double>(values));
  }
  T away_from_zero(const Shape& shape, bool positive = false) {
    std::vector<double> values = tensor(shape).values();
    for (double& v : values) v = v < 0 && !positive ? v - 0.2 : std::abs(v) + 0.2;
    return T(shape, std::span<const double>(values));
  }
  IdArray ids(const Shape& shape, Index limit) {  // limit > 0 or no ids
    std::vector<Id> values(static_cast<std::size_t>(shape.size()));
    for (Id& id : values) id = static_cast<Id>(rng.below(limit));
    return IdArray(shape, values);
  }
};

}  // namespace draw
