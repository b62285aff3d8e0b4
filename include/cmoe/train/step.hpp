// One training step: named loss terms, backward, clipping, update; with nothing changed if a number is bad.
#pragma once

#include <string>
#include <utility>

#include "cmoe/ops/arithmetic.hpp"
#include "cmoe/train/adamw.hpp"
#include "cmoe/train/schedule.hpp"

namespace cmoe {

// A loss as the sum of named terms, so that each can be logged.
template <class B>
class Loss {
 public:
  // Adds weight · term; the log shows the term without its weight.
  void add(const std::string& name, const Tensor<B>& term, double weight = 1) {
    if (!term) return;
    const Tensor<B> weighted = weight == 1 ? term : term * static_cast<typename B::Scalar>(weight);
    total_ = total_ ? total_ + weighted : weighted;
    terms_.emplace_back(name, static_cast<double>(term.item()));
  }
  const Tensor<B>& total() const { return total_; }
  const std::vector<std::pair<std::string, double>>& terms() const { return terms_; }

 private:
  Tensor<B> total_;
  std::vector<std::pair<std::string, double>> terms_;
};

// What a step did.
struct StepResult {
  std::vector<std::pair<std::string, double>> terms;
  double gradient_norm = 0;
  double lr = 0;
};

// `make_loss(part)` for part 0..accumulate-1 gives the loss of one batch; gradients are averaged over the parts.
// throws Error (numeric) if a term or a gradient is not finite, naming it; parameters and moments are unchanged then
template <class B, class F>
StepResult training_step(AdamW<B>& optimizer, const Schedule& schedule, Index step, Index steps, Index accumulate, F&& make_loss) {
  StepResult result;
  optimizer.clear_gradients();  // what a step that failed has left
  for (Index part = 0; part < accumulate; ++part) {
    Tape<B> tape;
    const Loss<B> loss = make_loss(part);
    check(static_cast<bool>(loss.total()), ErrorKind::misuse, "training step: the loss has no terms");
    for (std::size_t i = 0; i < loss.terms().size(); ++i) {
      const auto& [name, value] = loss.terms()[i];
      check(std::isfinite(value), ErrorKind::numeric, "training step ", step, ": the loss term ", name, " is ", value);
      if (result.terms.size() <= i) result.terms.emplace_back(name, 0.0);
      result.terms[i].second += value / static_cast<double>(accumulate);
    }
    tape.backward(loss.total());
  }
  const double factor = schedule(step, steps);
  result.gradient_norm = optimizer.step(factor, 1 / static_cast<double>(accumulate));
  result.lr = optimizer.config().lr * factor;
  return result;
}

}  // namespace cmoe
