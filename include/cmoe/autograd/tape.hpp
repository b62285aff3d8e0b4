// The tape: a scope in which operations are recorded, and which plays them backwards.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>

#include "cmoe/autograd/tensor.hpp"

namespace cmoe {

// While a tape lives in a thread, every operation with an input that wants a gradient is recorded on it. The order of creation
// reversed is a valid order for the way back, so there is no graph to walk and nothing recursive. Tapes nest: the innermost
// records. Without a tape nothing is recorded and nothing is kept.
//
//     Tape<B> tape;
//     auto loss = cross_entropy(model(x), labels);
//     tape.backward(loss);                        // parameters now hold their gradients
//
// cost: one bump allocation and one virtual-free call a step; memory of a step is released as soon as it was played.
template <class B>
class Tape {
 public:
  Tape() : outer_(active_) { active_ = this; }
  ~Tape() {
    while (last_) finish(last_, false);
    active_ = outer_;
    while (chunk_) release(chunk_);
  }
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  // Fills the gradients of all leaves with d loss / d leaf, added to what they hold. The tape is empty afterwards.
  // throws Error if loss is not one number, or was not recorded on this tape
  void backward(const Tensor<B>& loss) {
    check(loss.size() == 1, "backward: the loss must be one number, it has shape ", loss.shape());
    backward(loss, Array<B>(loss.shape(), typename B::Scalar(1)));
  }

  // The same from any tensor: `gradient` is d objective / d output. Used by recomputed segments.
  void backward(const Tensor<B>& output, Array<B> gradient) {
    check(output.slot_ && output.slot_->tape == serial_, ErrorKind::misuse,
          "backward: this tensor was not recorded on this tape: either it was computed while no tape (or another one) was alive, "
          "or none of its inputs wants a gradient (all parameters frozen?)");
    check(gradient.shape() == output.shape(), "backward: gradient ", gradient.shape(), " for ", output.shape());
    output.slot_.add(std::move(gradient));
    const Pause nothing_is_recorded_on_the_way_back;
    while (last_) finish(last_, true);
  }

  Index steps() const { return steps_; }  // recorded and not yet played

  static bool recording() { return active_ != nullptr; }  // a tape lives in this thread

  // Makes y the result of an operation on the inputs; back(dy) must hand gradients to the inputs' slots. It may take dy as
  // const Array<B>& or, to pass it on as it is, as Array<B>&&.
  template <class F>
  static Tensor<B> record(Array<B> y, std::initializer_list<const Tensor<B>*> inputs, F&& back) {
    return record_if(any_wants(inputs), std::move(y), std::forward<F>(back));
  }

  // The same where the caller knows whether a gradient is wanted: for operations on lists of tensors.
  template <class F>
  static Tensor<B> record_if(bool wanted, Array<B>&& y, F&& back) {
    if (!active_ || !wanted) return Tensor<B>(std::move(y));
    auto [slot, of_step] = active_->new_slot();
    active_->push([slot = std::move(of_step), back = std::forward<F>(back)]() mutable {
      if (!slot->grad) return;  // the loss does not depend on y
      Array<B> dy = std::move(slot->grad);
      back(std::move(dy));
    });
    return Tensor<B>(std::move(y), std::move(slot));
  }

  // The same for two results; a gradient that did not arrive is an empty array.
  template <class F>
  static std::pair<Tensor<B>, Tensor<B>> record(Array<B> y, Array<B> z, std::initializer_list<const Tensor<B>*> inputs, F&& back) {
    if (!active_ || !any_wants(inputs)) return {Tensor<B>(std::move(y)), Tensor<B>(std::move(z))};
    auto [first, first_of_step] = active_->new_slot();
    auto [second, second_of_step] = active_->new_slot();
    active_->push([first = std::move(first_of_step), second = std::move(second_of_step), back = std::forward<F>(back)]() mutable {
      if (!first->grad && !second->grad) return;
      const Array<B> dy = std::move(first->grad), dz = std::move(second->grad);
      back(dy, dz);
    });
    return {Tensor<B>(std::move(y), std::move(first)), Tensor<B>(std::move(z), std::move(second))};
  }

  // While this lives, the thread records nothing: evaluation inside a training step.
  class Pause {
   public:
    Pause() : paused_(active_) { active_ = nullptr; }
    ~Pause() { active_ = paused_; }
    Pause(const Pause&) = delete;
    Pause& operator=(const Pause&) = delete;

   private:
    Tape* paused_;
  };

 private:
  // A recorded step lies in a chunk: this header, then the closure.
  struct Step {
    Step* previous;
    void (*finish)(Step*, bool play);  // plays if asked to, destroys the closure
  };
  template <class F>
  struct Recorded : Step {
    F run;
    Recorded(Step* before, F&& f)
        : Step{before,
               [](Step* step, bool play) {
                 auto* self = static_cast<Recorded*>(step);
                 const std::unique_ptr<Recorded, Destroy> guard(self);
                 if (play) self->run();
               }},
          run(std::move(f)) {}
    struct Destroy {
      void operator()(Recorded* r) const { r->~Recorded(); }
    };
  };

  struct Chunk {
    Chunk* previous;
    std::size_t used, size;
  };
  static constexpr std::size_t chunk_bytes = 64 * 1024;

  static bool any_wants(std::initializer_list<const Tensor<B>*> inputs) {
    for (const Tensor<B>* input : inputs)
      if (input->wants_gradient()) return true;
    return false;
  }

  // A slot with two handles: one for the result, one for the step.
  std::pair<detail::SlotRef<B>, detail::SlotRef<B>> new_slot() const {
    auto* slot = new detail::Slot<B>(2);
    slot->tape = serial_;
    return {detail::SlotRef<B>(slot), detail::SlotRef<B>(slot)};
  }

  template <class F>
  void push(F&& f) {
    using R = Recorded<std::remove_cvref_t<F>>;
    static_assert(alignof(R) <= alignof(std::max_align_t));
    constexpr std::size_t bytes = (sizeof(R) + alignof(std::max_align_t) - 1) / alignof(std::max_align_t) * alignof(std::max_align_t);
    if (!chunk_ || chunk_->used + bytes > chunk_->size) add_chunk(bytes);
    last_ = new (reinterpret_cast<std::byte*>(chunk_) + chunk_->used) R(last_, std::forward<F>(f));
    chunk_->used += bytes;
    ++steps_;
  }

  void finish(Step* step, bool play) {
    last_ = step->previous;
    --steps_;
    struct Rewind {  // gives the step's bytes back, also when it throws
      Tape& tape;
      std::byte* at;
      ~Rewind() {
        auto* base = reinterpret_cast<std::byte*>(tape.chunk_);
        tape.chunk_->used = static_cast<std::size_t>(at - base);
        if (tape.chunk_->used == chunk_start && tape.chunk_->previous) tape.release(tape.chunk_);
      }
    } const rewind{*this, reinterpret_cast<std::byte*>(step)};
    step->finish(step, play);
  }

  static constexpr std::size_t chunk_start = (sizeof(Chunk) + alignof(std::max_align_t) - 1) / alignof(std::max_align_t) * alignof(std::max_align_t);
  void add_chunk(std::size_t need) {
    const std::size_t size = std::max(chunk_bytes, need + chunk_start);
    chunk_ = new (detail::allocate_block(size)) Chunk{chunk_, chunk_start, size};
  }
  void release(Chunk* chunk) {
    chunk_ = chunk->previous;
    detail::release_block(chunk, chunk->size);
  }

  static inline thread_local Tape* active_ = nullptr;
  static inline std::atomic<std::uint64_t> tapes_{0};
  const std::uint64_t serial_ = 1 + tapes_.fetch_add(1, std::memory_order_relaxed);
  Tape* outer_;
  Step* last_ = nullptr;
  Chunk* chunk_ = nullptr;
  Index steps_ = 0;
};

}  // namespace cmoe
