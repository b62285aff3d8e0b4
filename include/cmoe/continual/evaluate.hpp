// Scores of a learner on a task's test items, 0..100, without the task's number (oracles excepted).
#pragma once

#include "cmoe/continual/learner.hpp"
#include "cmoe/continual/text_scores.hpp"
#include "cmoe/models/generate.hpp"

namespace cmoe {

// Ids to text, for scores that compare texts.
using ToText = std::function<std::string(const std::vector<Id>&)>;

// What a learner reaches on the test items of one task.
struct TaskScore {
  double score = 0;            // 0..100 by the task's scoring
  double nll = 0;              // mean −log p of the scored ids, nats
  Index ids = 0;               // scored ids
  std::vector<double> gates;   // mean weight of each expert over the test sequences; empty without a mixture
  double routed = -1;          // percent of sequences whose largest gate is the task's own; negative without a mixture
};

namespace detail {

// What one batch says about its labels.
struct BatchCounts {
  std::vector<Index> right, scored;  // for each sequence
  std::vector<double> log_likelihood;
};

template <class L, class B>
BatchCounts count_batch(const L& learner, const Batch<B>& batch, Index task) {
  const Tensor<B> logits = learner.model()(batch.ids, learner.flow(batch, task)).logits;
  const std::vector<Id> best = argmax(logits).values(), labels = batch.labels.values(), scored = batch.scored.values();
  const auto loss = cross_entropy_rows(logits, batch.labels).values();
  const auto n = static_cast<std::size_t>(batch.ids.shape()[0]), t = static_cast<std::size_t>(batch.ids.shape()[1]);
  BatchCounts counts{std::vector<Index>(n, 0), std::vector<Index>(n, 0), std::vector<double>(n, 0)};
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const std::size_t sequence = static_cast<std::size_t>(scored[i]) / t;
    ++counts.scored[sequence];
    counts.right[sequence] += best[i] == labels[i];
    counts.log_likelihood[sequence] -= static_cast<double>(loss[i]);
  }
  return counts;
}

// Sequences of about this many ids go through the model together.
inline std::size_t evaluation_batch(const std::vector<Sequence>& sequences) {
  std::size_t longest = 1;
  for (const Sequence& s : sequences) longest = std::max(longest, s.ids.size());
  return std::clamp<std::size_t>(8192 / longest, 1, 64);
}

template <class L, class B>
void add_routing(const L& learner, const Batch<B>& batch, Index task, std::vector<double>& mass, Index& routed, bool& mixture) {
  const Tensor<B> gates = learner.gates(batch);
  if (!gates) return;
  mixture = true;
  const auto values = gates.values();
  const auto experts = static_cast<std::size_t>(gates.shape()[1]);
  mass.resize(experts, 0);
  for (std::size_t i = 0; i < values.size(); ++i) mass[i % experts] += static_cast<double>(values[i]);
  for (Id best : argmax(gates).values()) routed += best == task;
}

}  // namespace detail

// Scoring::exact_match and next_token need one forward pass: greedy decoding gives the reference exactly when the likeliest next id
// equals it at every place. label_accuracy compares the likelihoods of all labels. rouge_l generates.
// to_text: ids -> text, used by rouge_l only; end: the id that ends an answer, or -1
template <class B, class L>
TaskScore evaluate(const L& learner, const EncodedTask& data, Index task, Id end, const ToText& to_text) {
  const typename Tape<B>::Pause no_recording;
  TaskScore result;
  double total = 0, log_likelihood = 0;
  Index routed = 0;
  bool mixture = false;
  const std::size_t size = detail::evaluation_batch(data.test), n = data.test.size();
  Index right_ids = 0;
  for (std::size_t begin = 0; begin < n; begin += size) {
    const Batch<B> batch = make_batch<B>(data.test, begin, begin + size);
    const detail::BatchCounts counts = detail::count_batch(learner, batch, task);
    detail::add_routing(learner, batch, task, result.gates, routed, mixture);
    for (std::size_t i = 0; i < counts.scored.size(); ++i) {
      result.ids += counts.scored[i];
      log_likelihood += counts.log_likelihood[i];
      right_ids += counts.right[i];
      if (data.scoring == Scoring::exact_match) total += counts.right[i] == counts.scored[i];
    }
  }
  if (data.scoring == Scoring::next_token) total = static_cast<double>(right_ids) / static_cast<double>(result.ids) * static_cast<double>(n);
  if (data.scoring == Scoring::label_accuracy)
    for (std::size_t i = 0; i < n; ++i) {
      std::vector<Sequence> choices;
      for (const std::vector<Id>& label : data.labels) {
        choices.push_back({{data.test[i].ids.begin(), data.test[i].ids.begin() + data.test[i].prompt}, data.test[i].prompt});
        choices.back().ids.insert(choices.back().ids.end(), label.begin(), label.end());
      }
      const auto counts = detail::count_batch(learner, make_batch<B>(choices, 0, choices.size()), task);
      const auto best = std::max_element(counts.log_likelihood.begin(), counts.log_likelihood.end()) - counts.log_likelihood.begin();
      total += static_cast<std::size_t>(best) == data.test_labels[i];
    }
  if (data.scoring == Scoring::rouge_l)
    for (std::size_t i = 0; i < n; ++i) {
      const std::vector<Id> prompt(data.test[i].ids.begin(), data.test[i].ids.begin() + data.test[i].prompt);
      const Batch<B> one = make_batch<B>(data.test, i, i + 1);
      Flow<B> flow;
      flow.gates = learner.flow(one, task).gates;
      std::vector<Id> made = generate(learner.model(), prompt, 50, end, {}, Rng(0), flow);
      if (!made.empty() && made.back() == end) made.pop_back();
      total += answer_score(Scoring::rouge_l, to_text(made), data.test_items[i]) / 100;
    }
  result.score = 100 * total / static_cast<double>(n);
  result.nll = -log_likelihood / static_cast<double>(std::max<Index>(result.ids, 1));
  if (mixture) {
    for (double& mass : result.gates) mass /= static_cast<double>(n);
    result.routed = 100 * static_cast<double>(routed) / static_cast<double>(n);
  }
  return result;
}

// What a learner with a mixture may offer besides: how to run a batch when the task is known, every item with its own expert.
template <class L, class B>
concept HasOracle = requires(const L& fixed, const Batch<B>& batch, Index task) {
  { fixed.oracle_flow(batch, task) } -> std::same_as<Flow<B>>;
};

// Whether this learner has an oracle_flow now: its type may have one that only some of its models can serve.
template <class B, class L>
bool offers_oracle(const L& learner) {
  if constexpr (requires { learner.offers_oracle(); }) return learner.offers_oracle();
  else return HasOracle<L, B>;
}

// A learner as it would be with perfect routing; only for scoring.
template <class B, class L>
  requires HasOracle<L, B>
struct WithOracle {
  const L& learner;

  Flow<B> flow(const Batch<B>& batch, Index task) const { return learner.oracle_flow(batch, task); }
  Tensor<B> gates(const Batch<B>&) const { return {}; }
  const auto& model() const { return learner.model(); }
};

}  // namespace cmoe
