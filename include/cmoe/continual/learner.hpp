// Learners: a model, an objective and the events before, during and after a task. All methods and baselines are one of these.
#pragma once

#include <map>

#include "cmoe/continual/encode.hpp"
#include "cmoe/models/decoder_config.hpp"
#include "cmoe/train/step.hpp"

namespace cmoe {

// What a learner has found out between tasks and must find again in a checkpoint: arrays (Fisher information, anchors, statistics)
// and lists of ids (masks, pseudo-samples), by name.
template <class B>
struct LearnerState {
  std::map<std::string, Array<B>> arrays;
  std::map<std::string, std::vector<Id>> lists;

  // throws Error (format) if the state lacks the name
  const Array<B>& array(const std::string& name) const {
    const auto found = arrays.find(name);
    check(found != arrays.end(), ErrorKind::format, "learner: its state lacks ", name);
    return found->second;
  }
  const std::vector<Id>& list(const std::string& name) const {
    const auto found = lists.find(name);
    check(found != lists.end(), ErrorKind::format, "learner: its state lacks ", name);
    return found->second;
  }
};

// What the stream's runner needs of a method. No method gets a branch in the runner.
//   before_task   grow and freeze; afterwards add_parameters lists what is trained
//   loss          the named terms for one batch
//   after_task    remember what the method keeps of a task
// Both events are repeated when a run is resumed, so neither may depend on the weights. A method that must look at the weights
// (probes, Fisher information, generated samples) has any of these besides, called once and never repeated:
//   prepare       after before_task, before training
//   consolidate   after training, before after_task
//   state         what these two have found out: a LearnerState, kept in the checkpoint
//   restored      called when a checkpoint has filled the state, before it fills the parameters: the model takes its
//                 shape. May be called twice: what fits already must stay where it is, an optimiser may hold it
//   flow          how to run a batch at test time; `task` is known to oracles only
//   gates         the weights of the experts for each sequence, or an empty tensor: routing statistics
// A learner with a mixture may have, for one more metric:
//   oracle_flow   flow with every sequence on its own task's expert, whatever the gate says: oracle_AP
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

// A learner with a state that a checkpoint must keep.
template <class L, class B>
concept KeepsState = requires(L& learner) {
  { learner.state() } -> std::same_as<LearnerState<B>&>;
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

// Items cut down to their prompts (and one id more). A window of plain text is as good a prompt at any place of it: it is cut into
// prompts of the same length.
inline std::vector<Sequence> as_prompts(const std::vector<Sequence>& items, bool plain_text) {
  std::vector<Sequence> prompts;
  for (const Sequence& s : items) {
    const Index step = plain_text ? s.prompt : static_cast<Index>(s.ids.size());
    for (Index at = 0; at + s.prompt < static_cast<Index>(s.ids.size()); at += step)
      prompts.push_back({{s.ids.begin() + at, s.ids.begin() + at + s.prompt + 1}, s.prompt});
  }
  return prompts;
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
