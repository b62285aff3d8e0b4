// Shapes: the sizes of a contiguous row-major array, without heap memory.
#pragma once

#include <array>
#include <initializer_list>
#include <limits>

#include "cmoe/core/error.hpp"

namespace cmoe {

using Index = std::int64_t;  // every size, position and count; ids of tokens and experts are Id
// A token, a label, a row: whatever is looked up.
using Id = std::int32_t;

// a · b, refused when it does not fit: sizes from files are multiplied only through this.
inline Index checked_product(Index a, Index b) {
  Index product = 0;
  check(!__builtin_mul_overflow(a, b, &product), ErrorKind::shape, "shape: ", a, " times ", b, " overflows");
  return product;
}

// Up to eight sizes. A shape of rank 0 is a scalar and has one element.
class Shape {
 public:
  static constexpr int max_rank = 8;

  Shape() = default;
  Shape(std::initializer_list<Index> sizes) { for (Index n : sizes) push_back(n); }
  // The shape of an array that holds nothing: one axis of size 0.
  static Shape nothing() {
    Shape shape;
    shape.rank_ = 1;
    shape.size_ = shape.sizes_[0] = 0;
    return shape;
  }
  Shape(const Shape& other) : size_(other.size_), rank_(other.rank_) { copy_sizes(other); }
  Shape& operator=(const Shape& other) {
    size_ = other.size_;
    rank_ = other.rank_;
    copy_sizes(other);
    return *this;
  }

  int rank() const { return rank_; }
  Index operator[](int axis) const { return sizes_[position(axis)]; }
  const Index* begin() const { return sizes_.data(); }
  const Index* end() const { return sizes_.data() + rank_; }

  Index size() const { return size_; }  // number of elements; 0 if any size is 0

  // The array seen as a matrix: cols() is the last size, rows() the product of the others.
  Index cols() const { return rank_ == 0 ? 1 : sizes_[static_cast<std::size_t>(rank_ - 1)]; }
  Index rows() const {
    Index product = 1;
    for (int axis = 0; axis + 1 < rank_; ++axis) product *= sizes_[static_cast<std::size_t>(axis)];
    return product;
  }

  void push_back(Index n) {
    check(rank_ < max_rank, "shape: rank above ", max_rank);
    check(n >= 0, "shape: negative size ", n);
    size_ = checked_product(size_, n);
    sizes_[static_cast<std::size_t>(rank_++)] = n;
  }

  // The same shape with one size replaced; axis -1 is the last.
  Shape with(int axis, Index n) const {
    Shape changed;
    const int at = static_cast<int>(position(axis));
    for (int i = 0; i < rank_; ++i) changed.push_back(i == at ? n : (*this)[i]);
    return changed;
  }

  bool operator==(const Shape& other) const {
    if (rank_ != other.rank_ || size_ != other.size_) return false;
    for (int i = 0; i < rank_; ++i)
      if ((*this)[i] != other[i]) return false;
    return true;
  }

  std::string text() const {  // "(2,3)"
    std::string out = "(";
    for (int i = 0; i < rank_; ++i) {
      if (i > 0) out += ',';
      out += std::to_string((*this)[i]);
    }
    return out + ")";
  }

 private:
  // The sizes in use only: shapes are copied more often than anything else in a recorded operation. The empty asm keeps the
  // compiler from calling memcpy for eight to thirty-two bytes.
  void copy_sizes(const Shape& other) {
    for (std::size_t i = 0; i < static_cast<std::size_t>(rank_); ++i) {
      sizes_[i] = other.sizes_[i];
      asm volatile("");
    }
  }

  std::size_t position(int axis) const {
    const int at = axis < 0 ? axis + rank_ : axis;
    check(at >= 0 && at < rank_, "shape: axis ", axis, " of ", *this);
    return static_cast<std::size_t>(at);
  }

  std::array<Index, max_rank> sizes_;  // those at and beyond rank_ are never read
  Index size_ = 1;
  int rank_ = 0;
};

}  // namespace cmoe
