// Matrices as they lie in a file: blocks of small numbers that are decoded where a product needs them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "cmoe/core/shape.hpp"

namespace cmoe {

// Bytes that belong to someone else.
using Bytes = std::span<const std::byte>;

// One number type of a file: so many numbers share a block of so many bytes. The ids are those of GGUF files.
struct BlockType {
  std::uint32_t id;
  std::string_view name;
  Index numbers, bytes;
  void (*decode)(const std::uint8_t* block, float* out);
};

// A matrix (rows, cols), row after row in whole blocks, on the host. Copies share the bytes, which the owner keeps: a mapped file, as
// a rule.
class StoredMatrix {
 public:
  // throws Error if the rows are no whole blocks or the bytes are too few
  StoredMatrix(const BlockType& type, Index rows, Index cols, Bytes bytes, std::shared_ptr<const void> owner)
      : type_(&type), shape_{rows, cols}, bytes_(bytes), owner_(std::move(owner)) {
    check(cols > 0 && cols % type.numbers == 0, "stored matrix: rows of ", cols, " numbers are no whole ", type.name, " blocks of ", type.numbers);
    check(std::cmp_equal(bytes.size(), rows * row_bytes()), "stored matrix: ", bytes.size(), " bytes for ", shape_, " of ", type.name);
  }

  const BlockType& type() const { return *type_; }
  const Shape& shape() const { return shape_; }
  Index rows() const { return shape_[0]; }
  Index cols() const { return shape_[1]; }
  Bytes bytes() const { return bytes_; }
  const std::shared_ptr<const void>& owner() const { return owner_; }
  Index row_bytes() const { return cols() / type_->numbers * type_->bytes; }
  const std::uint8_t* row(Index r) const { return reinterpret_cast<const std::uint8_t*>(bytes_.data()) + r * row_bytes(); }

  // The same rows in another order: row r of this one becomes row place(r). cost: a copy of the bytes
  template <class Place>
  StoredMatrix reordered(Place&& place) const {
    auto own = std::make_shared<std::vector<std::byte>>(bytes_.size());
    for (Index r = 0; r < rows(); ++r) std::copy_n(bytes_.begin() + r * row_bytes(), row_bytes(), own->begin() + place(r) * row_bytes());
    const Bytes moved(*own);
    return {*type_, rows(), cols(), moved, std::move(own)};
  }

 private:
  const BlockType* type_;
  Shape shape_;
  Bytes bytes_;
  std::shared_ptr<const void> owner_;
};

}  // namespace cmoe
