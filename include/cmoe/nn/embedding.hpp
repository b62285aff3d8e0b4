// The embedding table, and its second use as output layer.
#pragma once

#include <cmath>

#include "cmoe/nn/init.hpp"
#include "cmoe/nn/module.hpp"
#include "cmoe/ops/index.hpp"
#include "cmoe/ops/matmul.hpp"

namespace cmoe {

// ids (...) -> (...,C), a row of the table for each id.
template <class B>
struct Embedding {
  Param<B> weight;  // (V,C)

  Embedding() = default;
  Embedding(Index vocabulary, Index width, const Rng& rng)
      : weight(init::normal<B>({vocabulary, width}, 1 / std::sqrt(static_cast<double>(width)), rng.fork("weight"))) {}
  // Not yet filled: whoever makes it assigns the table.
  Embedding(Index vocabulary, Index width) : weight(Array<B>({vocabulary, width})) {}

  Tensor<B> operator()(const Ids<B>& ids) const {
    return weight.stored() ? gather_stored(*weight.stored().matrix, ids) : gather_rows(weight, ids);
  }
  // (...,C) -> (...,V): tied output
  Tensor<B> scores(const Tensor<B>& x) const {
    return weight.stored() ? matmul_stored(x, weight.stored().matrix) : matmul_transposed(x, weight);
  }

  static void visit(auto& self, auto&& v) { v("weight", self.weight); }
};

}  // namespace cmoe
