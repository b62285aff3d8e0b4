// Equal budgets: the rank or the density at which a method trains about as many parameters a task as asked for.
#pragma once

#include <functional>

#include "cmoe/io/json.hpp"
#include "options.hpp"
#include "progress.hpp"

namespace program {

// What a learner trains in its second task (the first may train more, shared layers for example), and how many entries the maps
// have that sparse deltas choose from.
struct TrainedSize {
  cmoe::Index trainable = 0, entries = 0;
};

// The options with the rank, or with METHOD-density where the method has that, that comes nearest to o.budget; said on stderr and
// kept in `fit`. Without a budget they stay as they are. `measure` makes the learner that some options describe.
LearnOptions fit_budget(const LearnOptions& o, Progress& progress, const std::function<TrainedSize(const LearnOptions&)>& measure);

std::string budget_words(const LearnOptions& o);   // one line
cmoe::Json budget_json(const LearnOptions& o);     // {"asked", "by", "value", "expected"}
BudgetFit budget_of(const cmoe::Json& json, const std::string& name);

}  // namespace program
