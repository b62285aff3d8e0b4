// Modules inserted and pruned.                                           ModuleFormer, arXiv 2306.04640; how: spec, our reading
//
// A modular model can learn a second language without touching the first: new modules are inserted beside the old ones, only they
// and their router rows are trained, and each token goes to the modules that serve it. And it can be made smaller for one
// language: modules that its text hardly uses are removed.
//
// Two languages of eight letters each; the next letter follows from the two before it, one time in ten it is any letter. A small
// ModuleFormer learns the first, then the second in two ways: with all its weights, and with inserted modules. In the end the
// grown model is made small for the second language alone.
//
// run:      bin/example_08_moduleformer_insert_prune
// ends with "modules keep the first language better than fine-tuning: yes"

#include <cstdio>

#include "cmoe/cpu/cpu.hpp"
#include "cmoe/models/moduleformer.hpp"
#include "cmoe/train/step.hpp"

using namespace cmoe;
using B = Cpu<float>;
using Model = ModuleFormer::On<B>;

constexpr Index letters = 8, length = 32, lines = 16, steps = 250;

// A batch of one language: ids are 0..7 in the first and 8..15 in the second, labels are the next ids.
struct Text {
  Ids<B> ids, labels;  // (N,T)
};
Text speak(Index language, Rng rng, Index n = lines) {
  std::vector<Id> ids, labels;
  for (Index i = 0; i < n; ++i) {
    std::vector<Index> line = {rng.below(letters), rng.below(letters)};
    while (static_cast<Index>(line.size()) <= length) {
      const Index a = line[line.size() - 2], b = line.back();
      line.push_back(rng.below(10) == 0 ? rng.below(letters) : (language == 0 ? a + b + 1 : 3 * a + b) % letters);
    }
    for (std::size_t t = 0; t < static_cast<std::size_t>(length); ++t) {
      ids.push_back(static_cast<Id>(language * letters + line[t]));
      labels.push_back(t == 0 ? ignored_label : static_cast<Id>(language * letters + line[t + 1]));
    }
  }
  return {Ids<B>({n, length}, ids), Ids<B>({n, length}, labels)};
}

void learn(Model& model, Index language, double rate) {
  AdamW<B> optimizer({.lr = rate});
  optimizer.add_module(model);  // takes what is not frozen
  for (Index step = 0; step < steps; ++step)
    training_step(optimizer, Schedule{.warmup = 20}, step, steps, 1, [&](Index) {
      const Text text = speak(language, Rng(1).fork(static_cast<std::uint64_t>(language)).fork(static_cast<std::uint64_t>(step)));
      const Scores<B> scores = model(text.ids, {});
      Loss<B> loss;
      loss.add("lm", cross_entropy(scores.logits, text.labels));
      loss.add("auxiliary", scores.auxiliary);
      return loss;
    });
}

// The share of next letters that the model predicts, in percent, and which modules it used.
double percent_right(const Model& model, Index language, std::vector<ExpertUse>* use = nullptr) {
  const Text text = speak(language, Rng(2), 64);
  std::vector<Routing<B>> routings;
  const std::vector<Id> said = argmax(model(text.ids, {}, nullptr, &routings).logits).values(), right = text.labels.values();
  if (use) use->resize(routings.size());
  for (std::size_t i = 0; use && i < routings.size(); ++i) (*use)[i].add(routings[i]);
  double correct = 0, all = 0;
  for (std::size_t i = 0; i < said.size(); ++i) {
    if (right[i] == ignored_label) continue;
    correct += said[i] == right[i];
    ++all;
  }
  return 100 * correct / all;
}

double report(const char* what, const Model& model) {
  const double first = percent_right(model, 0);
  std::printf("%-36s %7.0f %7.0f %11lld\n", what, first, percent_right(model, 1), static_cast<long long>(parameter_count(model)));
  return first;
}

Model pretrained() {
  ModuleFormer::Config config{.vocabulary = 2 * letters, .width = 32, .layers = 2};
  config.block.mix = {.size = 32, .heads = 2, .router = {.experts = 4, .chosen = 2}};
  config.block.feed = {.hidden = 32, .router = {.experts = 4, .chosen = 2}};
  Model model(config, Rng(3));
  learn(model, 0, 5e-3);
  return model;
}

int main() {
  std::printf("%-36s %7s %7s %11s\n", "percent of next letters", "first", "second", "parameters");
  Model tuned = pretrained(), grown = pretrained();
  report("the first language is learnt", tuned);

  // All weights learn the second language: the first has no protection.
  learn(tuned, 1, 5e-3);
  const double kept_by_tuning = report("fine-tuned on the second", tuned);

  // Two attention and four feed-forward modules more in each block, copies to begin with; nothing else is trained.
  freeze(grown);
  grown.insert(2, 4, Rng(4), Insertion::copies);
  learn(grown, 1, 3e-3);
  const double kept_by_modules = report("modules inserted for the second", grown);

  // A smaller model for the second language alone: a loss concentrates its load on few modules (experimental), then those that
  // it hardly uses go, half of each mixture.
  grown.config.information_weight = grown.config.switch_weight = 0;
  grown.config.concentration_weight = 0.1;
  learn(grown, 1, 1e-2);
  report("the second concentrated on few", grown);
  std::vector<ExpertUse> use;
  percent_right(grown, 1, &use);
  std::vector<std::vector<Index>> kept;
  for (std::size_t i = 0; i < use.size(); ++i) kept.push_back(most_used(use[i].frequency(), i % 2 == 0 ? 3 : 4));
  grown.keep(kept);
  report("half of the modules pruned", grown);

  std::printf("modules keep the first language better than fine-tuning: %s\n", kept_by_modules > kept_by_tuning + 20 ? "yes" : "no");
}
