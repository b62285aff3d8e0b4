// Parameters: tensors that a model owns and that training may change.
#pragma once

#include <atomic>
#include <cstring>
#include <memory>
#include <vector>

#include "cmoe/autograd/tape.hpp"
#include "cmoe/core/random.hpp"
#include "cmoe/core/stored_matrix.hpp"

namespace cmoe {

// A frozen weight as it lies in a file; `turned` says that the parameter is its transpose.
struct StoredWeight {
  std::shared_ptr<const StoredMatrix> matrix;
  bool turned = false;
  explicit operator bool() const { return matrix != nullptr; }
};

// A named leaf of a module. It wants a gradient until it is frozen; a frozen parameter has no gradient and no optimiser state.
// Move-only, so that one parameter is never trained twice under two names; parameters shared on purpose are passed by reference.
template <class B>
class Param : public Tensor<B> {
 public:
  Param() = default;
  explicit Param(const Shape& shape, typename B::Scalar value = 0) : Tensor<B>(shape, value) { begin(); }
  explicit Param(Array<B> value) : Tensor<B>(std::move(value)) { begin(); }
  Param(Param&& other) noexcept : Tensor<B>(std::move(static_cast<Tensor<B>&>(other))), live_(std::exchange(other.live_, false)), stored_(std::move(other.stored_)) {
    static_cast<Tensor<B>&>(other) = {};
  }
  Param& operator=(Param&& other) noexcept {
    if (this != &other) {
      end();
      static_cast<Tensor<B>&>(*this) = std::move(static_cast<Tensor<B>&>(other));
      static_cast<Tensor<B>&>(other) = {};
      live_ = std::exchange(other.live_, false);
      stored_ = std::move(other.stored_);
    }
    return *this;
  }
  Param(const Param&) = delete;
  Param& operator=(const Param&) = delete;
  ~Param() { end(); }

  explicit operator bool() const { return stored_ || Tensor<B>::operator bool(); }

  bool frozen() const { return !this->wants_gradient(); }
  void freeze() { this->stop_gradient(); }
  // throws Error (misuse) if the values are kept as they lie in a file
  void unfreeze() {
    check(!stored_, ErrorKind::misuse, "param: ", this->shape(), " is kept as it lies in a file, which cannot be trained; read the weights unpacked");
    this->want_gradient();
  }

  // Replaces the values, keeping shape and gradient. throws Error if the number of values differs
  void assign(std::span<const typename B::Scalar> values) {
    check(static_cast<Index>(values.size()) == this->size(), "param: ", values.size(), " values for ", this->shape());
    B::upload(this->size(), values.data(), this->data());
  }

  // Uses the memory of another parameter of the same shape and is frozen: both must never be trained.
  void share(const Array<B>& values) {
    check(values.shape() == this->shape(), "param: ", values.shape(), " to be shared as ", this->shape());
    static_cast<Tensor<B>&>(*this) = Tensor<B>(values);
    stored_ = {};
  }

  // Gives its memory back and keeps a matrix as it lies in a file instead, frozen for good: linear maps and embeddings read it there.
  // Whoever asks for data() gets an Error.
  void store(const StoredWeight& weight) {
    const Shape s = weight.matrix->shape(), wanted = weight.turned ? Shape{s[1], s[0]} : s;
    check(this->shape() == wanted, "param: ", this->shape(), " to be stored as ", wanted);
    static_cast<Tensor<B>&>(*this) = Tensor<B>(Array<B>::outline(wanted));
    stored_ = weight;
  }
  const StoredWeight& stored() const { return stored_; }

  // The values on the host, decoded if they are kept as in a file.
  std::vector<typename B::Scalar> values() const { return stored_ ? decoded() : Tensor<B>::values(); }

  // A 64-bit hash of the shape and of the values in their places, the same whether they are kept as in a file or not. A stored weight is
  // decoded row by row for it.
  std::uint64_t hash() const {
    std::uint64_t sum = 0;  // of all places, so that their order does not matter
    const auto mix = [&sum](Index place, typename B::Scalar value) {
      std::uint64_t bits = 0;
      std::memcpy(&bits, &value, sizeof(value));
      std::uint64_t x = bits ^ (static_cast<std::uint64_t>(place) + 1) * 0x9E3779B97F4A7C15u;
      x = (x ^ (x >> 32)) * 0xD6E8FEB86659FD93u;
      sum += (x ^ (x >> 32)) * 0xD6E8FEB86659FD93u;
    };
    if (stored_) {
      decode([&](Index first, Index step, const std::vector<float>& row) {
        for (std::size_t c = 0; c < row.size(); ++c) mix(first + static_cast<Index>(c) * step, static_cast<typename B::Scalar>(row[c]));
      });
    } else {
      const auto all = Tensor<B>::values();
      for (std::size_t i = 0; i < all.size(); ++i) mix(static_cast<Index>(i), all[i]);
    }
    return stable_hash(this->shape().text(), sum);
  }

  // Parameters of backend B alive in this process: lets a test prove that a module's visit() forgets none.
  static Index live() { return count_.load(); }

 private:
  void begin() {
    this->want_gradient();
    live_ = true;
    ++count_;
  }
  void end() {
    if (std::exchange(live_, false)) --count_;
  }

  std::vector<typename B::Scalar> decoded() const {
    std::vector<typename B::Scalar> out(static_cast<std::size_t>(this->size()));
    decode([&](Index first, Index step, const std::vector<float>& row) {
      for (std::size_t c = 0; c < row.size(); ++c) out[static_cast<std::size_t>(first + static_cast<Index>(c) * step)] = row[c];
    });
    return out;
  }
  // f(first, step, row) for each row of the file: number c of it is element first + c·step of the parameter
  template <class F>
  void decode(F&& f) const {
    const StoredMatrix& w = *stored_.matrix;
    const Index rows = w.rows(), cols = w.cols(), blocks = cols / w.type().numbers;
    std::vector<float> row(static_cast<std::size_t>(cols));
    for (Index r = 0; r < rows; ++r) {
      for (Index b = 0; b < blocks; ++b) w.type().decode(w.row(r) + b * w.type().bytes, row.data() + b * w.type().numbers);
      f(stored_.turned ? r : r * cols, stored_.turned ? rows : Index{1}, row);
    }
  }

  static inline std::atomic<Index> count_{0};
  bool live_ = false;
  StoredWeight stored_;
};

}  // namespace cmoe
