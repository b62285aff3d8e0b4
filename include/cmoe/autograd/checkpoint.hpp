// Recomputation of a segment: its inputs are kept, what lies between is computed again on the way back.
#pragma once

#include <tuple>

#include "cmoe/autograd/tape.hpp"

namespace cmoe {

// y = f(inputs...), recorded as one step that keeps the inputs and nothing that f computes. f must be a pure function of its
// inputs and of parameters: on the way back it is called again, so the cost is one more forward pass of the segment.
// f: (const Tensor<B>&...) -> Tensor<B>, copyable
template <class B, class F, class... Rest>
Tensor<B> checkpoint(F f, const Tensor<B>& first, const Rest&... rest) {
  const auto leaves = [](const auto&... inputs) {  // the same values, cut off from what made them
    const auto leaf = [](const Tensor<B>& input) {
      Tensor<B> cut = input.detach();
      if (input.wants_gradient()) cut.want_gradient();
      return cut;
    };
    return std::make_tuple(leaf(inputs)...);
  };
  if (!Tape<B>::recording()) return f(first, rest...);

  bool wanted = false;
  Array<B> y;
  {
    const Tape<B> probe;  // what it records is forgotten at once; it tells whether f leads to anything that wants a gradient
    const Tensor<B> out = std::apply(f, leaves(first, rest...));
    wanted = out.wants_gradient();
    y = out.value();
  }
  return Tape<B>::record_if(wanted, std::move(y), [f, inputs = std::make_tuple(first, rest...), leaves](const Array<B>& dy) {
    Tape<B> tape;
    const auto cut = std::apply(leaves, inputs);
    const Tensor<B> out = std::apply(f, cut);
    if (tape.steps() > 0) tape.backward(out, dy);
    else out.slot().add(dy);  // f gives an input or a parameter back as it is
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      const auto hand_over = [](const Tensor<B>& to, const Tensor<B>& from) {
        if (from.grad()) to.slot().add(from.grad());
      };
      (hand_over(std::get<I>(inputs), std::get<I>(cut)), ...);
    }(std::index_sequence_for<Tensor<B>, Rest...>{});
  });
}

}  // namespace cmoe
