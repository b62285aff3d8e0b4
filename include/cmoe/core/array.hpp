// Arrays: a shape and a shared buffer on a device. Contiguous and row-major, always; reshaping and ranges of rows are free.
#pragma once

#include <span>
#include <vector>

#include "cmoe/core/memory.hpp"

namespace cmoe {

// An array of T in the memory of backend B. Copies share the memory; nothing here records gradients (see Tensor).
template <class B, class T = typename B::Scalar>
class Array {
 public:
  Array() = default;
  explicit Array(const Shape& shape)
      : shape_(shape),
        buffer_(static_cast<std::size_t>(checked_product(shape.size(), static_cast<Index>(sizeof(T))))),
        data_(static_cast<T*>(buffer_.data())) {}
  Array(const Shape& shape, T value) : Array(shape) { B::fill(size(), value, data()); }
  Array(const Shape& shape, std::span<const T> values) : Array(shape) {
    check(static_cast<Index>(values.size()) == size(), "array: ", values.size(), " values for shape ", shape);
    B::upload(size(), values.data(), data());
  }
  Array(const Shape& shape, std::initializer_list<T> values) : Array(shape, std::span<const T>(values.begin(), values.size())) {}

  // A shape alone, for what lies elsewhere (Param::store): it has no data().
  static Array outline(const Shape& shape) {
    Array empty;
    empty.shape_ = shape;
    return empty;
  }

  const Shape& shape() const { return shape_; }
  Index size() const { return shape_.size(); }
  // throws Error (misuse) if the values lie elsewhere
  T* data() { return held(data_); }
  const T* data() const { return held(data_); }

  explicit operator bool() const { return static_cast<bool>(buffer_); }         // false: holds nothing, not even 0 elements
  bool sole_owner() const { return buffer_.sole_owner(); }  // nobody else sees the memory

  // The same elements under another shape of the same size.
  Array reshape(const Shape& shape) const {
    check(shape.size() == size(), "reshape: ", shape_, " to ", shape);
    Array view = *this;
    view.shape_ = shape;
    return view;
  }

  // Rows begin..end of the first axis, sharing the memory.
  Array rows(Index begin, Index end) const {
    check(shape_.rank() > 0 && begin >= 0 && begin <= end && end <= shape_[0], ErrorKind::index, "rows: ", begin, "..", end, " of ",
          shape_);
    Array view = *this;
    view.data_ += begin * (shape_[0] == 0 ? 0 : size() / shape_[0]);
    view.shape_ = shape_.with(0, end - begin);
    return view;
  }

  Array copy() const {
    Array fresh(shape_);
    B::copy(size(), data(), fresh.data());
    return fresh;
  }

  std::vector<T> values() const {  // on the host
    std::vector<T> out(static_cast<std::size_t>(size()));
    if (size() > 0) B::download(size(), data(), out.data());
    return out;
  }

 private:
  template <class P>
  P held(P data) const {
    if (data == nullptr && size() > 0) [[unlikely]] not_here();
    return data;
  }
  [[noreturn, gnu::noinline]] void not_here() const {
    fail(ErrorKind::misuse, "array: the values of ", shape_, " are kept as they lie in a file; only products and look-ups read them there");
  }

  Shape shape_ = Shape::nothing();
  typename B::Buffer buffer_;
  T* data_ = nullptr;
};

// Token ids, labels, expert numbers, row positions.
template <class B>
using Ids = Array<B, Id>;

}  // namespace cmoe
