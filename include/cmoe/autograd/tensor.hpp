// Tensors: an array that may want a gradient, and the slot where the gradient is collected.
#pragma once

#include <functional>
#include <memory>

#include "cmoe/core/array.hpp"
#include "cmoe/core/product.hpp"

namespace cmoe {

template <class B>
class Tape;

namespace detail {

// Where the gradient of one tensor is collected. Shared by the tensor and by the steps that read the tensor.
template <class B>
struct Slot {
  Owners owners;
  bool leaf = false;       // a parameter: its gradient survives the tape
  std::uint64_t tape = 0;  // the serial number of the tape that recorded the tensor
  Array<B> grad;

  explicit Slot(int handles) : owners(handles) {}
  static void* operator new(std::size_t bytes) { return allocate_block(bytes); }
  static void operator delete(void* p) { release_block(p, sizeof(Slot)); }
};

// A shared handle on a slot; empty when no gradient is wanted.
template <class B>
class SlotRef {
 public:
  SlotRef() = default;
  explicit SlotRef(Slot<B>* owned) : slot_(owned) {}
  SlotRef(const SlotRef& other) noexcept : slot_(other.slot_) {
    if (slot_) slot_->owners.add();
  }
  SlotRef(SlotRef&& other) noexcept : slot_(std::exchange(other.slot_, nullptr)) {}
  SlotRef& operator=(SlotRef other) noexcept {
    std::swap(slot_, other.slot_);
    return *this;
  }
  ~SlotRef() {
    if (slot_ && slot_->owners.leave()) delete slot_;
  }
  Slot<B>* operator->() const { return slot_; }
  Slot<B>* get() const { return slot_; }
  explicit operator bool() const { return slot_ != nullptr; }

  // Adds a gradient. The first one is kept as it is; a further one is added in place if nobody else sees the sum so far.
  void add(const Array<B>& gradient) const {
    if (!slot_) return;
    if (slot_->grad) add_in_place(gradient);
    else slot_->grad = gradient;
  }
  void add(Array<B>&& gradient) const {
    if (!slot_) return;
    if (slot_->grad) add_in_place(gradient);
    else slot_->grad = std::move(gradient);
  }

  // Adds a matrix product (m,n) to the gradient without a temporary: the product accumulates in place.
  void add_product(Form form, Index m, Index n, Index k, const Array<B>& a, const Array<B>& b, const Shape& shape) const {
    Array<B>& sum = slot_->grad;
    const bool accumulate = static_cast<bool>(sum);
    if (accumulate) own(sum);
    else sum = Array<B>(shape);
    B::gemm(form, m, n, k, typename B::Scalar(1), a.data(), form == Form::tn ? m : k, b.data(), form == Form::nt ? k : n, accumulate,
            sum.data(), n);
  }

 private:
  void add_in_place(const Array<B>& gradient) const {
    own(slot_->grad);
    B::axpy(gradient.size(), typename B::Scalar(1), gradient.data(), slot_->grad.data());
  }
  static void own(Array<B>& sum) {
    if (!sum.sole_owner()) sum = sum.copy();
  }

  Slot<B>* slot_ = nullptr;
};

}  // namespace detail

// What an operation keeps of an input for its way back: the values, or the recipe where computing them again costs less than keeping
// them (Tensor::recompute).
template <class B>
class Kept {
 public:
  using Recipe = std::shared_ptr<const std::function<Array<B>()>>;

  Kept() = default;
  Kept(const Array<B>& value, const Recipe& recipe) : value_(recipe ? Array<B>() : value), recipe_(recipe) {}
  Array<B> operator()() const { return recipe_ ? (*recipe_)() : value_; }

 private:
  Array<B> value_;
  Recipe recipe_;
};

// A value on backend B (a device and a scalar type). Copies share the value and the gradient.
template <class B>
class Tensor {
 public:
  using Scalar = typename B::Scalar;

  Tensor() = default;
  Tensor(Array<B> value) : value_(std::move(value)) {}  // NOLINT: an array is a tensor that wants no gradient
  explicit Tensor(const Shape& shape) : value_(shape) {}
  Tensor(const Shape& shape, Scalar value) : value_(shape, value) {}
  Tensor(const Shape& shape, std::initializer_list<Scalar> values) : value_(shape, values) {}
  Tensor(const Shape& shape, std::span<const Scalar> values) : value_(shape, values) {}

  const Array<B>& value() const { return value_; }
  const Shape& shape() const { return value_.shape(); }
  Index size() const { return value_.size(); }
  Scalar* data() { return value_.data(); }
  const Scalar* data() const { return value_.data(); }
  std::vector<Scalar> values() const { return value_.values(); }
  explicit operator bool() const { return static_cast<bool>(value_); }

  // The single number of a tensor of one element.
  Scalar item() const {
    check(size() == 1, "item: ", shape(), " has not one element");
    Scalar x{};
    B::download(1, data(), &x);
    return x;
  }

  const detail::SlotRef<B>& slot() const { return slot_; }
  bool wants_gradient() const { return static_cast<bool>(slot_); }

  // The gradient collected so far; an empty array before any arrived.
  Array<B> grad() const { return slot_ ? slot_->grad : Array<B>(); }

  // Makes this tensor a leaf: from now on its gradient is collected, until stop_gradient() or the end of the tensor.
  void want_gradient() {
    if (slot_) return;
    slot_ = detail::SlotRef<B>(new detail::Slot<B>(1));
    slot_->leaf = true;
  }
  void stop_gradient() { slot_ = {}; }
  void clear_gradient() const {
    if (slot_) slot_->grad = {};
  }

  // What a step keeps of this tensor. Operations whose result is cheap (a normalisation, an activation) give the recipe for it, which
  // must compute the same bits from arrays that are kept anyway; only products keep by recipe, as their inputs are most of what a
  // training step holds.
  Kept<B> kept() const { return {value_, recipe_}; }
  template <class F>
  void recompute(F&& recipe) {
    if (slot_) recipe_ = std::make_shared<const std::function<Array<B>()>>(std::forward<F>(recipe));
  }

  // The same value, unconnected: no gradient flows through it.
  Tensor detach() const { return Tensor(value_); }

 private:
  friend class Tape<B>;
  Tensor(Array<B>&& value, detail::SlotRef<B>&& slot) : value_(std::move(value)), slot_(std::move(slot)) {}

  Array<B> value_;
  detail::SlotRef<B> slot_;
  typename Kept<B>::Recipe recipe_;
};

}  // namespace cmoe
