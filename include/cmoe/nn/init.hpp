// Initial values of parameters, drawn on the host from a named random sequence.
#pragma once

#include "cmoe/core/random.hpp"
#include "cmoe/nn/param.hpp"

namespace cmoe::init {

template <class B>
Param<B> normal(const Shape& shape, double deviation, Rng rng) {
  std::vector<typename B::Scalar> values(static_cast<std::size_t>(shape.size()));
  for (auto& x : values) x = static_cast<typename B::Scalar>(deviation * rng.normal());
  return Param<B>(Array<B>(shape, std::span<const typename B::Scalar>(values)));
}

// Uniform in ±bound.
template <class B>
Param<B> uniform(const Shape& shape, double bound, Rng rng) {
  std::vector<typename B::Scalar> values(static_cast<std::size_t>(shape.size()));
  for (auto& x : values) x = static_cast<typename B::Scalar>(rng.uniform(-bound, bound));
  return Param<B>(Array<B>(shape, std::span<const typename B::Scalar>(values)));
}

template <class B>
Param<B> constant(const Shape& shape, double value) {
  return Param<B>(shape, static_cast<typename B::Scalar>(value));
}

}  // namespace cmoe::init
