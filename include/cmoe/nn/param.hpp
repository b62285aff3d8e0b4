// Parameters: tensors that a model owns and that training may change.
#pragma once

#include "cmoe/autograd/tape.hpp"

namespace cmoe {

// A named leaf of a module. It wants a gradient until it is frozen; a frozen parameter has no gradient and no optimiser state.
// Move-only, so that one parameter is never trained twice under two names; parameters shared on purpose are passed by reference.
template <class B>
class Param : public Tensor<B> {
 public:
  Param() = default;
  explicit Param(const Shape& shape, typename B::Scalar value = 0) : Tensor<B>(shape, value) { begin(); }
  explicit Param(Array<B> value) : Tensor<B>(std::move(value)) { begin(); }
  Param(Param&& other) noexcept : Tensor<B>(std::move(static_cast<Tensor<B>&>(other))), live_(std::exchange(other.live_, false)) {
    static_cast<Tensor<B>&>(other) = {};
  }
  Param& operator=(Param&& other) noexcept {
    if (this != &other) {
      end();
      static_cast<Tensor<B>&>(*this) = std::move(static_cast<Tensor<B>&>(other));
      static_cast<Tensor<B>&>(other) = {};
      live_ = std::exchange(other.live_, false);
    }
    return *this;
  }
  Param(const Param&) = delete;
  Param& operator=(const Param&) = delete;
  ~Param() { end(); }

  bool frozen() const { return !this->wants_gradient(); }
  void freeze() { this->stop_gradient(); }
  void unfreeze() { this->want_gradient(); }

  // Replaces the values, keeping shape and gradient. throws Error if the number of values differs
  void assign(std::span<const typename B::Scalar> values) {
    check(static_cast<Index>(values.size()) == this->size(), "param: ", values.size(), " values for ", this->shape());
    B::upload(this->size(), values.data(), this->data());
  }

  // Uses the memory of another parameter of the same shape and is frozen: both must never be trained.
  void share(const Array<B>& values) {
    check(values.shape() == this->shape(), "param: ", values.shape(), " to be shared as ", this->shape());
    static_cast<Tensor<B>&>(*this) = Tensor<B>(values);
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

  static inline std::atomic<Index> count_{0};
  bool live_ = false;
};

}  // namespace cmoe
