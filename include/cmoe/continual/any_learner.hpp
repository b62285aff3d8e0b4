// A learner of any type behind one type: a list of methods, and a runner that is compiled once for all of them.
#pragma once

#include <memory>

#include "cmoe/continual/evaluate.hpp"
#include "cmoe/models/any_model.hpp"

namespace cmoe {

// Has every event a learner may have (continual/learner.hpp); those that the learner behind it lacks do nothing.
//     std::vector<AnyLearner<B>> methods;
//     methods.emplace_back(PMoELearner<B>(...));      // moved in
//     AnyLearner<B> same(learner);                    // an lvalue is referred to and must outlive this
//     run_stream<B>(methods[0], data, ...);
template <class B>
class AnyLearner {
 public:
  template <class L>
    requires(!std::is_same_v<std::remove_cvref_t<L>, AnyLearner> && Learner<std::remove_cvref_t<L>, B>)
  AnyLearner(L&& learner) : learner_(std::make_unique<Known<L>>(std::forward<L>(learner))) {}

  void before_task(Index task, const EncodedTask& data) { learner_->before_task(task, data); }
  void prepare(Index task, const EncodedTask& data) { learner_->prepare(task, data); }
  void add_parameters(AdamW<B>& optimizer) { learner_->add_parameters(optimizer); }
  Loss<B> loss(const Batch<B>& batch, Index task, Index step) { return learner_->loss(batch, task, step); }
  void consolidate(Index task, const EncodedTask& data) { learner_->consolidate(task, data); }
  void after_task(Index task, const EncodedTask& data) { learner_->after_task(task, data); }
  Flow<B> flow(const Batch<B>& batch, Index task) const { return learner_->flow(batch, task); }
  Tensor<B> gates(const Batch<B>& batch) const { return learner_->gates(batch); }
  bool offers_oracle() const { return learner_->offers_oracle(); }
  // throws Error (misuse) unless offers_oracle()
  Flow<B> oracle_flow(const Batch<B>& batch, Index task) const { return learner_->oracle_flow(batch, task); }
  LearnerState<B>& state() { return learner_->state(); }
  void restored() { learner_->restored(); }
  AnyModel<B>& model() { return learner_->model; }
  const AnyModel<B>& model() const { return learner_->model; }

 private:
  struct Base {
    AnyModel<B> model;
    explicit Base(auto& m) : model(m) {}
    virtual ~Base() = default;
    virtual void before_task(Index task, const EncodedTask& data) = 0;
    virtual void prepare(Index task, const EncodedTask& data) = 0;
    virtual void add_parameters(AdamW<B>& optimizer) = 0;
    virtual Loss<B> loss(const Batch<B>& batch, Index task, Index step) = 0;
    virtual void consolidate(Index task, const EncodedTask& data) = 0;
    virtual void after_task(Index task, const EncodedTask& data) = 0;
    virtual Flow<B> flow(const Batch<B>& batch, Index task) const = 0;
    virtual Tensor<B> gates(const Batch<B>& batch) const = 0;
    virtual bool offers_oracle() const = 0;
    virtual Flow<B> oracle_flow(const Batch<B>& batch, Index task) const = 0;
    virtual LearnerState<B>& state() = 0;
    virtual void restored() = 0;
  };
  template <class L>
  struct Held {
    L learner;  // a reference if L is one
  };
  template <class L>
  struct Known final : Held<L>, Base {  // the learner is there before Base refers to its model
    using Type = std::remove_reference_t<L>;
    LearnerState<B> none;

    explicit Known(L&& l) : Held<L>{std::forward<L>(l)}, Base(this->learner.model()) {}
    void before_task(Index task, const EncodedTask& data) override { this->learner.before_task(task, data); }
    void prepare(Index task, const EncodedTask& data) override {
      if constexpr (requires(Type& l) { l.prepare(task, data); }) this->learner.prepare(task, data);
    }
    void add_parameters(AdamW<B>& optimizer) override { this->learner.add_parameters(optimizer); }
    Loss<B> loss(const Batch<B>& batch, Index task, Index step) override { return this->learner.loss(batch, task, step); }
    void consolidate(Index task, const EncodedTask& data) override {
      if constexpr (requires(Type& l) { l.consolidate(task, data); }) this->learner.consolidate(task, data);
    }
    void after_task(Index task, const EncodedTask& data) override { this->learner.after_task(task, data); }
    Flow<B> flow(const Batch<B>& batch, Index task) const override { return std::as_const(this->learner).flow(batch, task); }
    Tensor<B> gates(const Batch<B>& batch) const override { return std::as_const(this->learner).gates(batch); }
    bool offers_oracle() const override { return HasOracle<Type, B>; }
    Flow<B> oracle_flow(const Batch<B>& batch, Index task) const override {
      if constexpr (HasOracle<Type, B>) return std::as_const(this->learner).oracle_flow(batch, task);
      else fail(ErrorKind::misuse, "learner: it has no oracle_flow");
    }
    LearnerState<B>& state() override {
      if constexpr (KeepsState<Type, B>) return this->learner.state();
      else return none;
    }
    void restored() override {
      if constexpr (requires(Type& l) { l.restored(); }) this->learner.restored();
    }
  };

  std::unique_ptr<Base> learner_;
};

}  // namespace cmoe
