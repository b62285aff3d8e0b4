// PMoE on a stream of tasks.                                                                     arXiv 2407.21571
//
// A model that learns one task after another forgets: what the next task changes was what the last one needed. PMoE keeps its
// shallow layers, gives the deep ones a new LoRA expert for each task, and lets one gate, which reads the prompt at the boundary,
// say which experts speak. Nobody tells it at test time which task a prompt belongs to.
//
// The stream is in words_stream.hpp: four tasks that want different answers for the same short words, learnt in turn by PMoE and by one
// LoRA for all of them, on the same small backbone.
//
// run:      bin/example_05_pmoe_stream
// ends with "PMoE keeps more than sequential LoRA: yes"

#include <cstdio>

#include "cmoe/continual/pmoe_learner.hpp"
#include "words_stream.hpp"

using namespace words;

int main() {
  const std::vector<EncodedTask> data = stream();
  const Llama::On<B> backbone = pretrained();

  // The first block is shallow and carries one LoRA, the other two are deep and grow one expert a task.
  PMoE::Config asymmetric;
  asymmetric.boundary = 1;
  asymmetric.shallow = asymmetric.deep = {.rank = 8, .alpha = 16};

  // What it is compared with: one LoRA on the same backbone, trained by each task in turn.
  LoraLlama::Config single;
  single.deep = {.rank = 8, .alpha = 16};

  // Loop and result.
  const RunState pmoe = learn("PMoE", PMoELearner<B>(around<PMoE>(backbone, asymmetric), {.memory_share = 0.05}, Rng(6)), data);
  const RunState lora = learn("sequential LoRA", SeqLora<B>(around<LoraLlama>(backbone, single), {}, Rng(6)), data);
  std::printf("PMoE keeps more than sequential LoRA: %s\n", pmoe.scores.average(4).value() > lora.scores.average(4).value() + 20 ? "yes" : "no");
}
