// Normalisations over the last axis.
#pragma once

#include "cmoe/autograd/tape.hpp"

namespace cmoe {

// y = (x − mean) / √(var + ε) · gain + bias            x (...,C), gain and bias (C)
// gradient in x, gain, bias; keeps the mean and 1/√(var + ε) of each row
template <class B>
Tensor<B> layer_norm(const Tensor<B>& x, const Tensor<B>& gain, const Tensor<B>& bias, double epsilon = 1e-5) {
  using Real = typename B::Scalar;
  const Index rows = x.shape().rows(), cols = x.shape().cols();
  check(gain.shape() == Shape{cols} && bias.shape() == Shape{cols}, "layer_norm: gain ", gain.shape(), " and bias ", bias.shape(), " for ",
        x.shape());
  Array<B> mean({rows}), scale({rows});
  const auto compute = [=, x = x.value(), gain = gain.value(), bias = bias.value()] {
    Array<B> y(x.shape()), m = mean, s = scale;
    B::layer_norm(rows, cols, static_cast<Real>(epsilon), x.data(), gain.data(), bias.data(), y.data(), m.data(), s.data());
    return y;
  };
  Tensor<B> y = Tape<B>::record(compute(), {&x, &gain, &bias},
                         [=, x = x.value(), gain = gain.value(), dx = x.slot(), dgain = gain.slot(), dbias = bias.slot()](const Array<B>& dy) {
    Array<B> gx(x.shape()), gg, gb;
    if (dgain || dbias) gg = Array<B>({cols}), gb = Array<B>({cols});
    B::layer_norm_back(rows, cols, x.data(), gain.data(), mean.data(), scale.data(), dy.data(), gx.data(), gg.data(), gb.data());
    dx.add(std::move(gx));
    dgain.add(std::move(gg));
    dbias.add(std::move(gb));
  });
  y.recompute(compute);
  return y;
}

namespace detail {

template <class B>
Tensor<B> rms_norm(const Tensor<B>& x, const Tensor<B>* gain, double epsilon) {
  using Real = typename B::Scalar;
  const Index rows = x.shape().rows(), cols = x.shape().cols();
  check(!gain || gain->shape() == Shape{cols}, "rms_norm: gain ", gain ? gain->shape() : Shape{}, " for ", x.shape());
  Array<B> scale({rows});
  const auto compute = [=, x = x.value(), gain = gain ? gain->value() : Array<B>()] {
    Array<B> y(x.shape()), s = scale;
    B::rms_norm(rows, cols, static_cast<Real>(epsilon), x.data(), gain.data(), y.data(), s.data());
    return y;
  };
  const bool wanted = x.wants_gradient() || (gain && gain->wants_gradient());
  Tensor<B> y = Tape<B>::record_if(wanted, compute(), [=, x = x.value(), gain = gain ? gain->value() : Array<B>(), dx = x.slot(),
                                                   dgain = gain ? gain->slot() : SlotRef<B>()](const Array<B>& dy) {
    Array<B> gx(x.shape()), gg;
    if (dgain) gg = Array<B>({cols});
    B::rms_norm_back(rows, cols, x.data(), gain.data(), scale.data(), dy.data(), gx.data(), gg.data());
    dx.add(std::move(gx));
    dgain.add(std::move(gg));
  });
  y.recompute(compute);
  return y;
}

}  // namespace detail

// y = x / √(mean(x²) + ε) · gain                        x (...,C), gain (C)                    arXiv 1910.07467
// gradient in x and gain; keeps 1/√(mean(x²) + ε) of each row
template <class B>
Tensor<B> rms_norm(const Tensor<B>& x, const Tensor<B>& gain, double epsilon = 1e-5) {
  return detail::rms_norm<B>(x, &gain, epsilon);
}

// The same without a gain.
template <class B>
Tensor<B> rms_norm(const Tensor<B>& x, double epsilon = 1e-5) {
  return detail::rms_norm<B>(x, nullptr, epsilon);
}

}  // namespace cmoe
