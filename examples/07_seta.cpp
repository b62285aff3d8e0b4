// SETA: sparse experts that tasks share where they overlap.                                        arXiv 2601.17616
//
// A task does not need all weights. The entries that its loss is most sensitive to are its mask; where the mask meets what older tasks
// have trained, the older expert is split: the common part becomes a shared expert, held near its values by an elastic anchor, and the
// rest stays as it was. A gate over tasks, solved by ridge regression from the prompt, picks the combination without being told the task.
//
// Storage grows by what is new in each mask, not by whole masks: that is what this example prints, beside what anchoring is worth.
//
// run:      bin/example_07_seta
// ends with "anchoring keeps more: yes"

#include <cstdio>

#include "cmoe/continual/seta_learner.hpp"
#include "words_stream.hpp"

using namespace words;

RunState learn_with(const char* name, double anchor, const Llama::On<B>& backbone, const std::vector<EncodedTask>& data) {
  SetaAnalytic::Config sizes;
  sizes.top = 1;  // at test time one task's combination, not a blend
  SetaConfig config;
  config.density = 0.25;  // at most a quarter of each map's entries for a task
  config.anchor_weight = anchor;
  SetaLearner<B> learner(around<SetaAnalytic>(backbone, sizes), config, Rng(7));
  return learn(name, std::move(learner), data);
}

int main() {
  const std::vector<EncodedTask> data = stream();
  const Llama::On<B> backbone = pretrained();

  const RunState held = learn_with("SETA", 1, backbone, data);
  const RunState free = learn_with("shared entries without an anchor", 0, backbone, data);

  const Index first = held.growth[0] - parameter_count(backbone), all = held.growth[3] - parameter_count(backbone);
  std::printf("stored for the first task %lld, for all four %lld: %.1f times as much\n", static_cast<long long>(first),
              static_cast<long long>(all), static_cast<double>(all) / static_cast<double>(first));
  std::printf("anchoring keeps more: %s\n", held.scores.average(4).value() > free.scores.average(4).value() + 5 ? "yes" : "no");
}
