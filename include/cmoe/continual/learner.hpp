// Learners: a model, an objective and the events before, during and after a task. All methods and baselines are one of these.
#pragma once

#include "cmoe/continual/encode.hpp"
#include "cmoe/models/decoder_config.hpp"
#include "cmoe/train/step.hpp"

namespace cmoe {

// What the stream's runner needs of a method. No method gets a branch in the runner.
//   before_task   grow and freeze; afterwards add_parameters lists what is trained
//   loss          the named terms for one batch
//   after_task    remember what the method keeps of a task; must not depend on the weights, so that a resumed run can repeat it
//   flow          how to run a batch at test time; `task` is known to oracles only
//   gates         the weights of the experts for each sequence, or an empty tensor: routing statistics
template <class L, class B>
concept Learner = requires(L& learner, const L& fixed, Index task, const EncodedTask& data, const Batch<B>& batch, AdamW<B>& optimizer,
                           Index step) {
  learner.before_task(task, data);
  learner.add_parameters(optimizer);
  { learner.loss(batch, task, step) } -> std::same_as<Loss<B>>;
  learner.after_task(task, data);
  { fixed.flow(batch, task) } -> std::same_as<Flow<B>>;
  { fixed.gates(batch) } -> std::same_as<Tensor<B>>;
  learner.model();
};

// The share of a task's training items that a memory keeps, at least one: floor(share · n), drawn without repetition.
inline std::vector<Sequence> draw_memory(const std::vector<Sequence>& items, double share, Rng rng) {
  check(share >= 0 && share <= 1, ErrorKind::config, "memory: the share ", share, " is not in [0,1]");
  const auto count = std::max<Index>(1, static_cast<Index>(share * static_cast<double>(items.size())));
  Shuffled order(items.size(), rng);
  std::vector<Sequence> kept;
  for (Index i = 0; i < std::min(count, static_cast<Index>(items.size())); ++i) kept.push_back(items[order(i)]);
  return kept;
}

// Next-token cross-entropy on the labels of a batch, and what the model adds to it.
template <class B>
Loss<B> language_loss(const Scores<B>& scores, const Batch<B>& batch) {
  Loss<B> loss;
  loss.add("lm", cross_entropy(scores.logits, batch.labels));
  loss.add("auxiliary", scores.auxiliary);
  return loss;
}

}  // namespace cmoe
