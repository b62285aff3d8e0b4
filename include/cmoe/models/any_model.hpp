// A language model of any type behind one type: what scores, generates or saves models need not be compiled for each of them.
#pragma once

#include "cmoe/models/generate.hpp"
#include "cmoe/nn/module.hpp"

namespace cmoe {

// Refers to a model that must outlive it. It is a module and a language model itself: for_each_param, generate and evaluate take it.
// cost: one virtual call where the model is called
template <class B>
class AnyModel {
 public:
  template <class M>
  explicit AnyModel(M& model) : model_(std::make_unique<Known<M>>(model)) {}

  Scores<B> operator()(const Ids<B>& ids, const Flow<B>& flow, std::vector<KvCache<B>>* caches = nullptr) const {
    return model_->scores(ids, flow, caches);
  }
  Tensor<B> next_logits(const Ids<B>& ids, Flow<B>& flow, const Tensor<B>& given, std::vector<KvCache<B>>& caches) const {
    return model_->next_logits(ids, flow, given, caches);
  }
  Index layers() const { return model_->layers(); }
  Index vocabulary() const { return model_->vocabulary(); }
  Index context() const { return model_->context(); }
  bool pads_left() const { return model_->pads_left(); }

  using Backend = B;
  static void visit(auto& self, auto&& v) {
    for (const auto& [name, param] : self.model_->named()) v(name.c_str(), *param);
  }

 private:
  struct Base {
    virtual ~Base() = default;
    virtual Scores<B> scores(const Ids<B>& ids, const Flow<B>& flow, std::vector<KvCache<B>>* caches) const = 0;
    virtual Tensor<B> next_logits(const Ids<B>& ids, Flow<B>& flow, const Tensor<B>& given, std::vector<KvCache<B>>& caches) const = 0;
    virtual Index layers() const = 0;
    virtual Index vocabulary() const = 0;
    virtual Index context() const = 0;
    virtual bool pads_left() const = 0;
    virtual std::vector<NamedParam<B>> named() const = 0;
  };
  template <class M>
  struct Known final : Base {
    M& model;
    explicit Known(M& m) : model(m) {}
    Scores<B> scores(const Ids<B>& ids, const Flow<B>& flow, std::vector<KvCache<B>>* caches) const override {
      return std::as_const(model)(ids, flow, caches);
    }
    Tensor<B> next_logits(const Ids<B>& ids, Flow<B>& flow, const Tensor<B>& given, std::vector<KvCache<B>>& caches) const override {
      return detail::next_logits(std::as_const(model), ids, flow, given, caches);
    }
    Index layers() const override { return model.layers(); }
    Index vocabulary() const override { return model.vocabulary(); }
    Index context() const override { return model.context(); }
    bool pads_left() const override { return detail::pads_left(model); }
    std::vector<NamedParam<B>> named() const override { return parameters(model); }
  };

  std::unique_ptr<Base> model_;
};

}  // namespace cmoe
