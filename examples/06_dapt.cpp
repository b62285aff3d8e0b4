// DAPT: one attention that both learns and selects.                                               arXiv 2401.08295
//
// Every task gets a LoRA block and a key. The prompt's pooled embeddings make a query, the query attends to the keys, and the attention
// mixes the blocks: while a task is learnt and when it is asked for later, so there is no router that could disagree with training.
// Two things go wrong with the plain form in a short schedule, and this example shows the first of them: nothing forces a new block to be
// used, so what is learnt goes into old ones. A loss on the attention to the current task mends it. The second, old inputs that drift to
// new blocks, is what reflection on remembered prompts is for.
//
// run:      bin/example_06_dapt
// ends with "DAPT keeps more with both: yes"

#include <cstdio>

#include "cmoe/continual/dapt_learner.hpp"
#include "words_stream.hpp"

using namespace words;

// The weight of each task's block on each task's test prompts.
void show_attention(const RunState& state) {
  std::printf("  attention of the prompts of a task (rows) to the blocks:\n");
  for (const std::vector<double>& row : state.routing) {
    std::printf("   ");
    for (const double weight : row) std::printf(" %3.0f%%", 100 * weight);
    std::printf("\n");
  }
}

RunState learn_with(const char* name, const DaptConfig& config, const Llama::On<B>& backbone, const std::vector<EncodedTask>& data) {
  DaptMean::Config sizes;
  sizes.deep = {.rank = 8, .alpha = 16};
  sizes.gate.hidden = 24;
  const RunState state = learn(name, DaptLearner<B, DaptMean>(around<DaptMean>(backbone, sizes), config, Rng(6)), data);
  show_attention(state);
  return state;
}

int main() {
  const std::vector<EncodedTask> data = stream();
  const Llama::On<B> backbone = pretrained();

  DaptConfig both;  // reflection on remembered prompts, and a loss on the current task's attention
  both.memory_share = 0.05;
  DaptConfig neither = both;
  neither.reflection_weight = neither.current_weight = 0;

  const RunState kept = learn_with("DAPT", both, backbone, data);
  const RunState lost = learn_with("without reflection and without a loss on the attention", neither, backbone, data);
  std::printf("DAPT keeps more with both: %s\n", kept.scores.average(4).value() > lost.scores.average(4).value() + 10 ? "yes" : "no");
}
