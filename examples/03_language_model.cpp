// A language model from scratch.                              decoder of the Llama family, arXiv 2302.13971
//
// A model that predicts the next letter can write. It is given sentences of a tiny language, whose grammar it is never told: words
// are drawn at random, so the best possible loss is known, the entropy of the source,
//
//     log(3 determiners · 8 nouns · 6 verbs · 3 determiners · 8 nouns) nats for the letters of a sentence.
//
// The loss must come down to it and cannot pass it. Then the model writes a sentence, and we check its grammar.
//
// run:      bin/example_03_language_model
// ends with "grammatical sentences: 20 of 20"

#include <cmath>
#include <cstdio>
#include <string>

#include "cmoe/cpu/cpu.hpp"
#include "cmoe/models/generate.hpp"
#include "cmoe/models/llama.hpp"
#include "cmoe/ops/loss.hpp"
#include "cmoe/train/step.hpp"

using namespace cmoe;
using B = Cpu<float>;

const std::vector<std::string> determiners = {"the", "a", "one"}, verbs = {"sees", "likes", "hits", "finds", "eats", "wants"},
                               nouns = {"dog", "cat", "man", "hen", "fox", "boy", "cow", "bee"};

std::string sentence(Rng& rng) {
  const auto word = [&](const std::vector<std::string>& from) { return from[static_cast<std::size_t>(rng.below(static_cast<Index>(from.size())))]; };
  return word(determiners) + ' ' + word(nouns) + ' ' + word(verbs) + ' ' + word(determiners) + ' ' + word(nouns) + '\n';
}

// Whether a line follows the grammar: the only place where it is written down besides the source itself.
bool grammatical(const std::string& line) {
  std::size_t at = 0;
  const auto word = [&](const std::vector<std::string>& from, char after) {
    for (const std::string& w : from)
      if (line.compare(at, w.size() + 1, w + after) == 0) return at += w.size() + 1, true;
    return false;
  };
  return word(determiners, ' ') && word(nouns, ' ') && word(verbs, ' ') && word(determiners, ' ') && word(nouns, '\n') && at == line.size();
}

// N rows of T+1 letters, each row a run of sentences; a letter's id is its ASCII code. Inputs are the first T, labels the next ones.
struct Rows {
  Ids<B> ids, labels;  // (N,T)
};
Rows draw_rows(Index n, Index t, Rng rng) {
  std::vector<Id> ids, labels;
  for (Index i = 0; i < n; ++i) {
    std::string text = "\n";  // the end of a sentence that was not seen: what a model is asked to go on from
    while (static_cast<Index>(text.size()) <= t) text += sentence(rng);
    ids.insert(ids.end(), text.begin(), text.begin() + t);
    labels.insert(labels.end(), text.begin() + 1, text.begin() + t + 1);
  }
  return {Ids<B>({n, t}, ids), Ids<B>({n, t}, labels)};
}

int main() {
  // Data: made on the fly, a function of the seed and the step. How low the loss can get follows from it.
  Rng count(5);
  std::size_t letters = 0;
  for (int i = 0; i < 10000; ++i) letters += sentence(count).size();
  const double entropy = std::log(3.0 * 8 * 6 * 3 * 8) / (static_cast<double>(letters) / 10000);

  // Model and config.
  Llama::Config config;
  config.vocabulary = 128;
  config.width = 48;
  config.layers = 2;
  config.heads = config.kv_heads = 3;
  config.hidden = 96;
  config.context = 64;
  Llama::On<B> model(config, Rng(1));
  std::printf("%lld parameters; the source has %.2f nats a letter\n", static_cast<long long>(parameter_count(model)), entropy);

  // Loop.
  AdamW<B> optimizer({.lr = 6e-3});
  optimizer.add_module(model);
  const Schedule schedule{.decay = Decay::cosine, .warmup = 20, .floor = 0.02};
  constexpr Index steps = 300;
  for (Index step = 0; step < steps; ++step)
    training_step(optimizer, schedule, step, steps, 1, [&](Index) {
      const Rows rows = draw_rows(16, 48, Rng(2).fork(static_cast<std::uint64_t>(step)));
      Loss<B> loss;
      loss.add("lm", cross_entropy(model(rows.ids, {}).logits, rows.labels));
      return loss;
    });

  // Result, on sentences that were not trained on.
  const Rows fresh = draw_rows(64, 48, Rng(3));
  const double loss = static_cast<double>(cross_entropy(model(fresh.ids, {}).logits, fresh.labels).item());
  std::printf("loss on new sentences within 0.05 nats of the source: %s\n", std::abs(loss - entropy) < 0.05 ? "yes" : "no");

  int right = 0;
  for (std::uint64_t i = 0; i < 20; ++i) {  // twenty lines, drawn a little more carefully than the source does
    std::string line;
    for (Id id : generate(model, std::vector<Id>{'\n'}, 48, '\n', {.temperature = 0.5}, Rng(4).fork(i), Flow<B>{})) line += static_cast<char>(id);
    right += grammatical(line);
  }
  std::printf("grammatical sentences: %d of 20\n", right);
}
