// The stream that examples 05, 06, 07, 09, 10 and 11 learn: four tasks that want different answers for the same short words, and a small backbone
// that has learnt only to copy, to turn and to step through the alphabet.
#pragma once

#include <cstdio>

#include "cmoe/continual/any_learner.hpp"
#include "cmoe/continual/sequential.hpp"
#include "cmoe/continual/stream_run.hpp"
#include "cmoe/cpu/cpu.hpp"
#include "cmoe/io/byte_tokenizer.hpp"

namespace words {

using namespace cmoe;
using B = Cpu<float>;

// What the tasks do to a word of the letters a to h.
inline std::string rotated(std::string word, int by) {
  for (char& c : word) c = static_cast<char>('a' + (c - 'a' + by + 8) % 8);
  return word;
}
inline std::string backwards(const std::string& word) { return {word.rbegin(), word.rend()}; }
using Rule = std::string (*)(const std::string&);
struct Skill {
  const char* name;
  Rule rule;
};

inline const std::vector<Skill> known = {{"SAME", [](const std::string& w) { return w; }},
                                  {"NEXT", [](const std::string& w) { return rotated(w, 1); }},
                                  {"PREV", [](const std::string& w) { return rotated(w, -1); }},
                                  {"TURN", [](const std::string& w) { return w.substr(1) + w[0]; }},
                                  {"LAST", [](const std::string& w) { return std::string(1, w.back()); }}};
inline const std::vector<Skill> tasks = {{"BACK", backwards},
                                  {"JUMP", [](const std::string& w) { return rotated(w, 2); }},
                                  {"HEAD", [](const std::string& w) { return std::string(3, w[0]); }},
                                  {"DROP", [](const std::string& w) { return rotated(w, -2); }}};

inline Item item(const Skill& skill, Rng& rng) {
  std::string word;
  for (int i = 0; i < 3; ++i) word += static_cast<char>('a' + rng.below(8));
  return {std::string(skill.name) + ' ' + word, skill.rule(word), {}};
}

inline DecoderConfig small_decoder() {
  DecoderConfig small;
  small.width = 48, small.layers = 3, small.heads = small.kv_heads = 4, small.hidden = 96, small.context = 16;
  return small;
}

// The backbone: a small decoder that learns the known skills, then never changes again.
inline Llama::On<B> pretrained() {
  Llama::Config config;
  static_cast<DecoderConfig&>(config) = small_decoder();
  Llama::On<B> model(config, Rng(1));
  AdamW<B> optimizer({.lr = 3e-3});
  optimizer.add_module(model);
  constexpr Index steps = 700;
  for (Index step = 0; step < steps; ++step)
    training_step(optimizer, Schedule{.warmup = 20}, step, steps, 1, [&](Index) {
      Rng rng = Rng(2).fork(static_cast<std::uint64_t>(step));
      std::vector<Sequence> batch(32);
      for (Sequence& s : batch) encode_item(ByteTokenizer(), item(known[static_cast<std::size_t>(rng.below(5))], rng), config.context, s);
      const Batch<B> b = make_batch<B>(batch, 0, batch.size());
      Loss<B> loss;
      loss.add("lm", cross_entropy(model(b.ids, b.flow()).logits, b.labels));
      return loss;
    });
  return model;
}

// The stream: each task has 200 words to learn from and 50 others to be tested on.
inline std::vector<EncodedTask> stream() {
  std::vector<EncodedTask> data;
  Rng rng(3);
  for (const Skill& skill : tasks) {
    Task task;
    task.name = skill.name;
    for (int i = 0; i < 250; ++i) (i < 200 ? task.train : task.test).push_back(item(skill, rng));
    data.push_back(encode_task(ByteTokenizer(), task, {.context = 16}));
  }
  return data;
}

// A model of any recipe with the backbone's weights in it.
template <class Recipe>
typename Recipe::template On<B> around(const Llama::On<B>& backbone, typename Recipe::Config config) {
  static_cast<DecoderConfig&>(config) = backbone.config;
  typename Recipe::template On<B> model(config, Rng(4));
  copy_parameters(backbone, model);
  return model;
}

// Learns the stream and prints the score of every task after each.
inline RunState learn(const char* name, AnyLearner<B> learner, const std::vector<EncodedTask>& data) {
  RunConfig config;
  config.task_steps = 80;
  config.optimizer.lr = 5e-3;
  RunState state;
  run_stream<B>(learner, data, config, Rng(5), state, {}, *ByteTokenizer().eos(), [](const auto&) { return std::string(); });
  std::printf("%s\n", name);
  for (Index after = 0; after <= state.scores.tasks(); ++after) {
    std::printf("  after %lld:", static_cast<long long>(after));
    for (Index t = 0; t < state.scores.tasks(); ++t) std::printf(" %5.0f", state.scores.at(after, t).value());
    std::printf("\n");
  }
  return state;
}

}  // namespace words
