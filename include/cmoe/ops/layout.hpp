// Reshaping, joining, cutting, swapping of axes.
#pragma once

#include <vector>

#include "cmoe/autograd/tape.hpp"

namespace cmoe {

// The same elements under another shape of the same size; costs nothing.
template <class B>
Tensor<B> reshape(const Tensor<B>& x, const Shape& shape) {
  return Tape<B>::record(x.value().reshape(shape), {&x}, [full = x.shape(), dx = x.slot()](const Array<B>& dy) {
    dx.add(dy.reshape(full));
  });
}

// Rows begin..end of the first axis; the way forward costs nothing.
template <class B>
Tensor<B> slice_rows(const Tensor<B>& x, Index begin, Index end) {
  return Tape<B>::record(x.value().rows(begin, end), {&x}, [=, full = x.shape(), dx = x.slot()](const Array<B>& dy) {
    Array<B> gradient(full, typename B::Scalar(0));
    if (dy.size() > 0) B::copy(dy.size(), dy.data(), gradient.rows(begin, end).data());
    dx.add(std::move(gradient));
  });
}

// Columns begin..end of the last axis.
template <class B>
Tensor<B> slice_columns(const Tensor<B>& x, Index begin, Index end) {
  const Index rows = x.shape().rows(), cols = x.shape().cols(), n = end - begin;
  check(x.shape().rank() >= 1 && begin >= 0 && begin <= end && end <= cols, ErrorKind::index, "slice_columns: ", begin, "..", end, " of ",
        x.shape());
  Array<B> y(x.shape().with(-1, n));
  B::copy_block(rows, n, x.data() + begin, cols, false, y.data(), n);
  return Tape<B>::record(std::move(y), {&x}, [=, full = x.shape(), dx = x.slot()](const Array<B>& dy) {
    Array<B> gradient(full, typename B::Scalar(0));
    B::copy_block(rows, n, dy.data(), n, false, gradient.data() + begin, cols);
    dx.add(std::move(gradient));
  });
}

namespace detail {

// Tensors side by side as column blocks of a (rows, Σ widths) matrix: both concatenations are this.
template <class B>
Tensor<B> join(std::span<const Tensor<B>> parts, Index rows, std::vector<Index> widths, const Shape& shape) {
  Index cols = 0;
  for (Index w : widths) cols += w;
  Array<B> y(shape);
  bool wanted = false;
  Index at = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    B::copy_block(rows, widths[i], parts[i].data(), widths[i], false, y.data() + at, cols);
    at += widths[i];
    wanted |= parts[i].wants_gradient();
  }
  std::vector<std::pair<Shape, SlotRef<B>>> inputs;
  if (wanted)
    for (const Tensor<B>& part : parts) inputs.emplace_back(part.shape(), part.slot());
  return Tape<B>::record_if(wanted, std::move(y), [rows, cols, inputs = std::move(inputs), widths = std::move(widths)](const Array<B>& dy) {
    Index from = 0;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (inputs[i].second) {
        Array<B> gradient(inputs[i].first);
        B::copy_block(rows, widths[i], dy.data() + from, cols, false, gradient.data(), widths[i]);
        inputs[i].second.add(std::move(gradient));
      }
      from += widths[i];
    }
  });
}

}  // namespace detail

// Tensors joined along the last axis: (...,C1), (...,C2), ... -> (..., C1 + C2 + ...)
// throws Error for an empty list or unequal other sizes
template <class B>
Tensor<B> concat_columns(std::span<const Tensor<B>> parts) {
  check(!parts.empty(), "concat_columns: nothing to join");
  std::vector<Index> widths;
  Index cols = 0;
  for (const Tensor<B>& part : parts) {
    check(part.shape().rank() >= 1 && part.shape().with(-1, 1) == parts[0].shape().with(-1, 1), "concat_columns: ", part.shape(),
          " beside ", parts[0].shape());
    widths.push_back(part.shape().cols());
    cols += widths.back();
  }
  return detail::join<B>(parts, parts[0].shape().rows(), std::move(widths), parts[0].shape().with(-1, cols));
}

// Tensors joined along the first axis: (N1,...), (N2,...) -> (N1 + N2, ...)
// throws Error for an empty list or unequal other sizes
template <class B>
Tensor<B> concat_rows(std::span<const Tensor<B>> parts) {
  check(!parts.empty(), "concat_rows: nothing to join");
  std::vector<Index> widths;
  Index rows = 0;
  for (const Tensor<B>& part : parts) {
    check(part.shape().rank() >= 1 && part.shape().with(0, 1) == parts[0].shape().with(0, 1), "concat_rows: ", part.shape(), " under ",
          parts[0].shape());
    widths.push_back(part.size());
    rows += part.shape()[0];
  }
  return detail::join<B>(parts, 1, std::move(widths), parts[0].shape().with(0, rows));
}
template <class B> Tensor<B> concat_columns(const std::vector<Tensor<B>>& parts) { return concat_columns(std::span<const Tensor<B>>(parts)); }
template <class B> Tensor<B> concat_rows(const std::vector<Tensor<B>>& parts) { return concat_rows(std::span<const Tensor<B>>(parts)); }

// Two neighbouring axes change places: (A,B,C,...) -> (A,C,B,...) for axis 1, (A,B,...) -> (B,A,...) for axis 0.
template <class B>
Tensor<B> swap_axes(const Tensor<B>& x, int axis) {
  const Shape& s = x.shape();
  check(axis >= 0 && axis + 1 < s.rank(), "swap_axes: axes ", axis, " and ", axis + 1, " of ", s);
  Index outer = 1, inner = 1;
  for (int i = 0; i < axis; ++i) outer *= s[i];
  for (int i = axis + 2; i < s.rank(); ++i) inner *= s[i];
  const Index b = s[axis], c = s[axis + 1];
  Array<B> y(s.with(axis, c).with(axis + 1, b));
  B::swap_axes(outer, b, c, inner, x.data(), y.data());
  return Tape<B>::record(std::move(y), {&x}, [=, full = s, dx = x.slot()](const Array<B>& dy) {
    Array<B> gradient(full);
    B::swap_axes(outer, c, b, inner, dy.data(), gradient.data());
    dx.add(std::move(gradient));
  });
}

}  // namespace cmoe
