#include "budget.hpp"

#include <algorithm>
#include <cmath>

namespace program {

using namespace cmoe;

namespace {

constexpr Index most_rank = 1024;  // beyond that nothing is of low rank

// Most methods train a number linear in the rank: the line through ranks 16 and 32 gives the answer. Where it does not (a rank that
// is shared out among experts), the largest rank within the budget and the next size above it are searched for.
Index nearest_rank(Index budget, Index at_16, Index more, const std::function<Index(Index)>& at) {
  const double slope = static_cast<double>(more) / 16;
  const auto line = [&](Index rank) { return static_cast<double>(at_16) + static_cast<double>(rank - 16) * slope; };
  const Index guess = std::clamp<Index>(16 + static_cast<Index>(std::llround(static_cast<double>(budget - at_16) / slope)), 1, most_rank);
  if (std::llround(line(guess)) == at(guess)) return guess;
  const auto first_above = [&](Index bound) {  // the smallest rank that trains more than the bound
    Index low = 1, high = 2;
    while (high < most_rank && at(high) <= bound) low = high, high *= 2;
    while (low < high) {
      const Index middle = low + (high - low) / 2;
      if (at(middle) > bound) high = middle;
      else low = middle + 1;
    }
    return low;
  };
  const Index above = first_above(budget), below = above - 1;
  return below >= 1 && budget - at(below) <= at(above) - budget ? below : above;
}

}  // namespace

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
    const auto at = [&](Index rank) {
      fitted.rank = rank;
      return measure(fitted).trainable;
    };
    const Index some = at(16), more = at(32) - some;
    if (more <= 0) {
      const Index size = at(o.rank);
      fitted.fit = {"", 0, size};
    } else {
      const Index rank = nearest_rank(o.budget, some, more, at), size = at(rank);
      fitted.fit = {"rank", static_cast<double>(rank), size};
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
