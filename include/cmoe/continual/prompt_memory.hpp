// A gate's memory: what it read of a few prompts of past tasks, on which it goes on learning whose prompt is whose.
#pragma once

#include "cmoe/continual/learner.hpp"

namespace cmoe {

// Prompts of past tasks and, as long as what the gate reads is frozen, the queries that they give. What is kept and what is drawn
// are functions of the seed, the task and the step.
template <class B>
class PromptMemory {
 public:
  PromptMemory(double share, Index batch, const Rng& rng) : share_(share), batch_(batch), rng_(rng) {}

  // Keeps the prompts of a share of a task's items.
  void keep(Index task, const EncodedTask& data) {
    prompts_.push_back(as_prompts(draw_memory(data.train, share_, rng_.fork("memory").fork(static_cast<std::uint64_t>(task))),
                                  data.scoring == Scoring::next_token));
  }
  void forget_queries() { queries_.clear(); }  // what the gate reads has changed

  // Cross-entropy of the gate on these queries (N,C) of the task and on remembered ones, drawn evenly from the past tasks.
  // read(batch) -> (N,C) gives the queries of prompts
  template <class G, class Read>
  Tensor<B> loss(const G& gate, const Tensor<B>& query, Index task, Index step, Read&& read) {
    check(task <= static_cast<Index>(prompts_.size()), ErrorKind::misuse, "prompt memory: task ", task, " after ", prompts_.size(), " tasks");
    for (std::size_t t = queries_.size(); t < prompts_.size(); ++t) {
      const typename Tape<B>::Pause no_recording;
      queries_.push_back(read(make_batch<B>(prompts_[t], 0, prompts_[t].size())));
    }
    std::vector<Id> labels(static_cast<std::size_t>(query.shape()[0]), static_cast<Id>(task));
    Rng draw = rng_.fork("replay").fork(static_cast<std::uint64_t>(task)).fork(static_cast<std::uint64_t>(step));
    std::vector<Tensor<B>> queries = {query};
    for (Index i = 0; task > 0 && i < batch_; ++i) {
      const auto old = static_cast<std::size_t>(i % task);
      const Index pick = draw.below(queries_[old].shape()[0]);
      queries.push_back(Tensor<B>(queries_[old].value().rows(pick, pick + 1)));
      labels.push_back(static_cast<Id>(old));
    }
    return cross_entropy(gate.scores(concat_rows(queries)), Ids<B>({static_cast<Index>(labels.size())}, labels));
  }

 private:
  double share_;
  Index batch_;
  Rng rng_;
  std::vector<std::vector<Sequence>> prompts_;  // one list a task: prompts and one id more
  std::vector<Tensor<B>> queries_;              // (prompts,C) for each past task
};

}  // namespace cmoe
