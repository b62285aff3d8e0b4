// AdamW over one flat list of trainable parameters, with clipping and a guard against NaN.           arXiv 1711.05101
#pragma once

#include <cmath>

#include "cmoe/nn/module.hpp"

namespace cmoe {

// The rate, and what is done to gradients and weights besides.
struct AdamWConfig {
  double lr = 1e-3;
  double beta1 = 0.9, beta2 = 0.98;
  double epsilon = 1e-8;
  double weight_decay = 0;
  double clip = 1;  // the largest norm of the gradient; 0: no clipping
};

// m ← β₁ m + (1−β₁) g,  v ← β₂ v + (1−β₂) g²,  p ← p − lr·wd·p − lr · (m/(1−β₁ᵗ)) / (√(v/(1−β₂ᵗ)) + ε)
// Only parameters that are not frozen when they are added take part; a frozen parameter has no moments and does not move.
template <class B>
class AdamW {
  using Real = typename B::Scalar;

 public:
  explicit AdamW(const AdamWConfig& config) : config_(config) {
    check(config.lr >= 0 && std::isfinite(config.lr), ErrorKind::config, "adamw: the learning rate is ", config.lr);
    check(config.beta1 >= 0 && config.beta1 < 1 && config.beta2 >= 0 && config.beta2 < 1, ErrorKind::config, "adamw: betas ",
          config.beta1, " and ", config.beta2, " are not in [0,1)");
    check(config.epsilon > 0 && config.weight_decay >= 0 && config.clip >= 0, ErrorKind::config, "adamw: epsilon ", config.epsilon,
          ", weight decay ", config.weight_decay, ", clip ", config.clip);
  }

  // Takes a parameter into the list. rate multiplies the learning rate; an unclipped parameter neither counts for the norm nor
  // is scaled by it (routers learn faster than experts and must not slow them down).
  void add(const std::string& name, Param<B>& p, double rate = 1, bool clipped = true) {
    if (!p.frozen()) entries_.push_back({name, &p, Array<B>(p.shape(), Real(0)), Array<B>(p.shape(), Real(0)), rate, clipped});
  }

  // Takes every trainable parameter of a module.
  template <class M>
  void add_module(M& module, double rate = 1) {
    for_each_param(module, [&](const std::string& name, Param<B>& p) { add(name, p, rate); });
  }

  // One step at learning rate lr · factor, then the gradients are cleared. Gradients are first multiplied by `scale` (one over
  // the number of accumulated batches). Returns the norm of the clipped group's gradient before clipping.
  // throws Error (numeric) naming the first parameter with a NaN or infinite gradient; then nothing has changed
  double step(double factor = 1, double scale = 1) {
    double squares = 0;
    for (const Entry& e : entries_) {
      const Array<B> g = e.param->grad();
      if (!g) continue;
      const double own = B::sum_squares(g.size(), g.data());
      check(std::isfinite(own) || B::all_finite(g.size(), g.data()), ErrorKind::numeric, "adamw: the gradient of ", e.name, " ",
            g.shape(), " has NaN or infinity at step ", steps_ + 1);
      if (e.clipped) squares += own;
    }
    const double norm = scale * std::sqrt(squares);
    const double clipped = config_.clip > 0 && norm > config_.clip ? config_.clip / (norm + 1e-6) : 1;
    ++steps_;
    const auto t = static_cast<double>(steps_);
    for (Entry& e : entries_) {
      const Array<B> g = e.param->grad();
      if (!g) continue;
      const AdamWStep<Real> s{static_cast<Real>(config_.lr * factor * e.rate), static_cast<Real>(config_.beta1),
                              static_cast<Real>(config_.beta2), static_cast<Real>(config_.epsilon), static_cast<Real>(config_.weight_decay),
                              static_cast<Real>(1 - std::pow(config_.beta1, t)), static_cast<Real>(1 - std::pow(config_.beta2, t)),
                              static_cast<Real>(scale * (e.clipped ? clipped : 1))};
      B::adamw(g.size(), e.param->data(), g.data(), e.first.data(), e.second.data(), s);
      e.param->clear_gradient();
    }
    return norm;
  }

  void clear_gradients() {
    for (const Entry& e : entries_) e.param->clear_gradient();
  }

  const AdamWConfig& config() const { return config_; }
  Index steps() const { return steps_; }
  void set_steps(Index steps) { steps_ = steps; }

  // f(name, array) for both moments of every parameter: what a checkpoint keeps beside the parameters.
  template <class F>
  void for_each_moment(F&& f) {
    for (Entry& e : entries_) {
      f("first." + e.name, e.first);
      f("second." + e.name, e.second);
    }
  }

 private:
  struct Entry {
    std::string name;
    Param<B>* param;
    Array<B> first, second;
    double rate;
    bool clipped;
  };
  AdamWConfig config_;
  std::vector<Entry> entries_;
  Index steps_ = 0;
};

}  // namespace cmoe
