// What the parts of your own are tried on: a language of eight letters, in which the next letter follows from the two before it.
#pragma once

#include "cmoe/models/moduleformer.hpp"
#include "cmoe/train/step.hpp"

namespace letters {

using namespace cmoe;

template <class B>
struct Text {
  Ids<B> ids, labels;  // (N,T)
};

template <class B>
Text<B> speak(Rng rng, Index lines = 16, Index length = 24) {
  std::vector<Id> ids, labels;
  for (Index i = 0; i < lines; ++i) {
    Index a = rng.below(8), b = rng.below(8);
    for (Index t = 0; t < length; ++t) {
      const Index next = (3 * a + b + 1) % 8;
      ids.push_back(static_cast<Id>(b));
      labels.push_back(t == 0 ? ignored_label : static_cast<Id>(next));  // at the first letter nobody can know
      a = b, b = next;
    }
  }
  return {Ids<B>({lines, length}, ids), Ids<B>({lines, length}, labels)};
}

// Learns the language for some steps, and says which share of next letters of new lines is right, in percent.
template <class B>
double learn(auto& model, Index steps) {
  AdamW<B> optimizer({.lr = 5e-3});
  optimizer.add_module(model);
  for (Index step = 0; step < steps; ++step)
    training_step(optimizer, Schedule{.warmup = 20}, step, steps, 1, [&](Index) {
      const Text<B> text = speak<B>(Rng(1).fork(static_cast<std::uint64_t>(step)));
      const Scores<B> scores = model(text.ids, Flow<B>());
      Loss<B> loss;
      loss.add("lm", cross_entropy(scores.logits, text.labels));
      loss.add("auxiliary", scores.auxiliary);
      return loss;
    });
  const Text<B> fresh = speak<B>(Rng(2), 64);
  const std::vector<Id> said = argmax(model(fresh.ids, Flow<B>()).logits).values(), right = fresh.labels.values();
  double correct = 0, all = 0;
  for (std::size_t i = 0; i < said.size(); ++i)
    if (right[i] != ignored_label) correct += said[i] == right[i], ++all;
  return 100 * correct / all;
}

}  // namespace letters
