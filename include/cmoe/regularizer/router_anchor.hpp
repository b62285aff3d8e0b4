// Routers held near what they were when new modules were inserted.
#pragma once

#include <map>
#include <string>

#include "cmoe/nn/module.hpp"
#include "cmoe/ops/arithmetic.hpp"
#include "cmoe/ops/reduce.hpp"

namespace cmoe {

// L = Σ ||θ − θ_old||² over the router parameters that learn and were there when keep() was called; rows inserted since are free.
// Which parameters: those below a module named "router".           ours: the paper's abstract speaks of inserting modules, no formula was seen
template <class B>
class RouterAnchor {
 public:
  // Remembers all routers of the model as they are.
  template <class M>
  void keep(const M& model) {
    old_.clear();
    for_each_router(model, [&](const std::string& name, const Param<B>& p) { old_[name] = p.value().copy(); });
  }

  // A scalar, empty if no remembered router parameter learns. throws Error (misuse) if a remembered one changed its shape
  template <class M>
  Tensor<B> loss(const M& model) const {
    Tensor<B> total;
    for_each_router(model, [&](const std::string& name, const Param<B>& p) {
      const auto old = old_.find(name);
      if (old == old_.end() || p.frozen()) return;
      check(old->second.shape() == p.shape(), ErrorKind::misuse, "router anchor: ", name, " was ", old->second.shape(), " and is ", p.shape());
      const Tensor<B> term = sum(square(p - Tensor<B>(old->second)));
      total = total ? total + term : term;
    });
    return total;
  }

 private:
  template <class M>
  static void for_each_router(const M& model, auto&& f) {
    for_each_param(model, [&](const std::string& name, const Param<B>& p) {
      if (("." + name).find(".router.") != std::string::npos) f(name, p);
    });
  }

  std::map<std::string, Array<B>> old_;
};

}  // namespace cmoe
