#include "budget.hpp"

#include <algorithm>
#include <cmath>

namespace program {

using namespace cmoe;

LearnOptions fit_budget(const LearnOptions& o, Progress& progress, const std::function<TrainedSize(const LearnOptions&)>& measure) {
  if (o.budget == 0) return o;
  LearnOptions fitted = o;
  if (const std::string density = o.method + "-density"; o.options.contains(density)) {
    const TrainedSize size = measure(o);
    const auto entries = static_cast<double>(std::max<Index>(size.entries, 1));
    const double share = std::clamp(static_cast<double>(o.budget - size.trainable) / entries, 1e-6, 1.0);
    fitted.options[density] = share;
    fitted.fit = {"density", share, size.trainable + static_cast<Index>(share * entries)};
  } else {
    const auto at = [&](Index rank) {  // linear in the rank
      fitted.rank = rank;
      return measure(fitted).trainable;
    };
    const Index one = at(1), more = at(2) - one;
    if (more == 0) {
      fitted.rank = o.rank;
      fitted.fit = {"", 0, one};
    } else {
      const double ranks = static_cast<double>(o.budget - one) / static_cast<double>(more);
      const Index rank = std::max<Index>(1, 1 + static_cast<Index>(std::llround(ranks)));
      fitted.fit = {"rank", static_cast<double>(rank), at(rank)};
    }
  }
  progress.keep(o.method + ": " + budget_words(fitted));
  return fitted;
}

std::string budget_words(const LearnOptions& o) {
  const std::string size = std::to_string(o.fit.expected) + " trainable parameters a task, budget " + std::to_string(o.budget);
  if (o.fit.by.empty()) return "not matched: neither rank nor density; " + size;
  return o.fit.by + " " + (o.fit.by == "rank" ? fixed(o.fit.value, 0) : fixed(o.fit.value, 6)) + ": " +
         (o.fit.by == "rank" ? "" : "at most ") + size;
}

Json budget_json(const LearnOptions& o) {
  return {{"asked", o.budget}, {"by", o.fit.by.empty() ? Json(nullptr) : Json(o.fit.by)}, {"value", o.fit.value}, {"expected", o.fit.expected}};
}

BudgetFit budget_of(const Json& json, const std::string& name) {
  return {optional<std::string>(json, "by", name).value_or(""), required<double>(json, "value", name), required<Index>(json, "expected", name)};
}

}  // namespace program
