// Sums and means.
#pragma once

#include "cmoe/ops/elementwise.hpp"

namespace cmoe {

// The sum over the last axis: (...,C) -> (...)
template <class B>
Tensor<B> sum_last(const Tensor<B>& x) {
  check(x.shape().rank() >= 1, "sum_last: ", x.shape(), " has no axis");
  Shape shape;
  for (int i = 0; i + 1 < x.shape().rank(); ++i) shape.push_back(x.shape()[i]);
  const Index rows = x.shape().rows(), cols = x.shape().cols();
  Array<B> y(shape);
  B::sum_rows(rows, cols, x.data(), y.data());
  return Tape<B>::record(std::move(y), {&x}, [rows, cols, full = x.shape(), dx = x.slot()](const Array<B>& dy) {
    Array<B> gradient(full);
    B::template zip_broadcast<fn::Second>(1, rows, cols, gradient.data(), dy.data(), gradient.data());
    dx.add(std::move(gradient));
  });
}

// The sum over all axes but the last: (...,C) -> (C)
template <class B>
Tensor<B> sum_rows(const Tensor<B>& x) {
  check(x.shape().rank() >= 1, "sum_rows: ", x.shape(), " has no axis");
  const Index rows = x.shape().rows(), cols = x.shape().cols();
  Array<B> y({cols});
  B::sum_columns(rows, cols, x.data(), y.data());
  return Tape<B>::record(std::move(y), {&x}, [rows, cols, full = x.shape(), dx = x.slot()](const Array<B>& dy) {
    Array<B> gradient(full);
    B::template zip_broadcast<fn::Second>(rows, cols, 1, gradient.data(), dy.data(), gradient.data());
    dx.add(std::move(gradient));
  });
}

// The sum of all elements, a scalar. The sum of nothing is 0.
template <class B>
Tensor<B> sum(const Tensor<B>& x) {
  Array<B> y{Shape{}};
  B::sum_rows(1, x.size(), x.data(), y.data());
  return Tape<B>::record(std::move(y), {&x}, [full = x.shape(), dx = x.slot()](const Array<B>& dy) {
    Array<B> gradient(full);
    B::template zip_broadcast<fn::Second>(1, 1, full.size(), gradient.data(), dy.data(), gradient.data());
    dx.add(std::move(gradient));
  });
}

// The mean of all elements. throws Error for no elements
template <class B>
Tensor<B> mean(const Tensor<B>& x) {
  check(x.size() > 0, "mean: ", x.shape(), " has no elements");
  return affine(sum(x), typename B::Scalar(1) / static_cast<typename B::Scalar>(x.size()), 0);
}

// The mean of the rows first[n]..last[n] of each sequence: x (N,T,C) -> (N,C). An empty range gives 0.
// throws Error if a range does not lie in 0..T
template <class B>
Tensor<B> mean_of_range(const Tensor<B>& x, const Ids<B>& first, const Ids<B>& last) {
  const Shape& s = x.shape();
  check(s.rank() == 3 && first.size() == s[0] && last.size() == s[0], "mean_of_range: ranges ", first.shape(), " for ", s);
  const Index n = s[0], t = s[1], c = s[2];
  check(B::ids_within(n, first.data(), t + 1, 0) && B::ids_within(n, last.data(), t + 1, 0), ErrorKind::index,
        "mean_of_range: a range leaves the ", t, " positions of ", s);
  Array<B> y({n, c});
  B::mean_of_range(n, t, c, first.data(), last.data(), x.data(), y.data());
  return Tape<B>::record(std::move(y), {&x}, [n, t, c, first, last, full = s, dx = x.slot()](const Array<B>& dy) {
    Array<B> gradient(full);
    B::mean_of_range_back(n, t, c, first.data(), last.data(), dy.data(), gradient.data());
    dx.add(std::move(gradient));
  });
}

// The largest value of each column over the rows first[n]..last[n] of each sequence: x (N,T,C) -> (N,C). An empty range gives 0.
// gradient flows to the first of the largest. throws Error if a range does not lie in 0..T
template <class B>
Tensor<B> max_of_range(const Tensor<B>& x, const Ids<B>& first, const Ids<B>& last) {
  const Shape& s = x.shape();
  check(s.rank() == 3 && first.size() == s[0] && last.size() == s[0], "max_of_range: ranges ", first.shape(), " for ", s);
  const Index n = s[0], t = s[1], c = s[2];
  check(B::ids_within(n, first.data(), t + 1, 0) && B::ids_within(n, last.data(), t + 1, 0), ErrorKind::index,
        "max_of_range: a range leaves the ", t, " positions of ", s);
  Array<B> y({n, c});
  Ids<B> place({n, c});
  B::max_of_range(n, t, c, first.data(), last.data(), x.data(), y.data(), place.data());
  return Tape<B>::record(std::move(y), {&x}, [n, t, c, place, full = s, dx = x.slot()](const Array<B>& dy) {
    Array<B> gradient(full, typename B::Scalar(0));
    B::max_of_range_back(n, t, c, place.data(), dy.data(), gradient.data());
    dx.add(std::move(gradient));
  });
}

}  // namespace cmoe
