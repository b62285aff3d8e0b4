// Expected values of other implementations: how they are read and how ours are compared with them.
#pragma once

#include "cmoe/cpu/cpu.hpp"
#include "cmoe/autograd/tensor.hpp"
#include "cmoe/io/json.hpp"
#include "cmoe/io/safetensors.hpp"
#include "shared_data.hpp"

namespace golden {

template <class B>
cmoe::Tensor<B> tensor(const cmoe::SafeTensors& file, const std::string& name) {
  const cmoe::StoredTensor& stored = file.at(name);
  const auto values = stored.values<typename B::Scalar>();
  return cmoe::Tensor<B>(stored.shape, std::span<const typename B::Scalar>(values));
}

template <class B>
cmoe::Ids<B> ids(const cmoe::SafeTensors& file, const std::string& name) {
  const cmoe::StoredTensor& stored = file.at(name);
  return cmoe::Ids<B>(stored.shape, stored.values<cmoe::Id>());
}

// The largest difference over the largest expected value.
template <class Real>
double deviation(const std::vector<Real>& ours, const std::vector<double>& expected) {
  REQUIRE(ours.size() == expected.size());
  double worst = 0, largest = 1e-300;
  for (std::size_t i = 0; i < ours.size(); ++i) {
    const double difference = std::abs(static_cast<double>(ours[i]) - expected[i]);
    worst = std::isfinite(difference) ? std::max(worst, difference) : std::numeric_limits<double>::infinity();
    largest = std::max(largest, std::abs(expected[i]));
  }
  return worst / largest;
}

template <class B>
double deviation(const cmoe::Tensor<B>& ours, const cmoe::SafeTensors& file, const std::string& name) {
  CHECK(ours.shape().text() == file.at(name).shape.text());
  return deviation(ours.values(), file.at(name).values<double>());
}

}  // namespace golden
