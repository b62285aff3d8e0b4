// Stick-breaking attention.                         ModuleFormer, arXiv 2306.04640; on its own: arXiv 2410.17980
//
// Softmax compares all keys at once and needs to be told where they stand. Stick-breaking walks: from the newest token back to the
// oldest, each key takes its share of what is left of a stick,
//
//     A_ij = β_ij ∏_{j<l≤i} (1 − β_il),   β = σ(q·k / √D)
//
// so that the newest of several equal keys wins, without any position encoding. Here that is put to use: a token asks for the value
// that was written last under its name, which softmax without positions cannot know.
//
// run:      bin/example_04_stick_breaking
// ends with "solved: stick-breaking 100 %, softmax without positions below 80 %"

#include <cstdio>

#include "cmoe/attention/causal.hpp"
#include "cmoe/attention/stickbreaking.hpp"
#include "cmoe/cpu/cpu.hpp"
#include "cmoe/nn/embedding.hpp"
#include "cmoe/nn/linear.hpp"
#include "cmoe/ops/layout.hpp"
#include "cmoe/ops/loss.hpp"
#include "cmoe/train/step.hpp"

using namespace cmoe;
using B = Cpu<float>;

constexpr Index names = 4, values = 8, writes = 10, size = 32;  // size: C

// One question: ten times "name := value", then a name; the answer is the value written last under it. A write is one token.
struct Questions {
  Ids<B> ids, answers;  // (N,T), (N)
};
Questions ask(Index n, Rng rng) {
  std::vector<Id> ids, answers;
  for (Index i = 0; i < n; ++i) {
    std::vector<Id> last(names, -1);
    Index name = 0;
    for (Index t = 0; t < writes; ++t) {
      name = rng.below(names);
      const Index value = rng.below(values);
      last[static_cast<std::size_t>(name)] = static_cast<Id>(value);
      ids.push_back(static_cast<Id>(name * values + value));
    }
    do name = rng.below(names);
    while (last[static_cast<std::size_t>(name)] < 0);
    ids.push_back(static_cast<Id>(names * values + name));
    answers.push_back(last[static_cast<std::size_t>(name)]);
  }
  return {Ids<B>({n, writes + 1}, ids), Ids<B>({n}, answers)};
}

// One head of attention between an embedding and a choice of values: small enough to see that the attention does the work.
struct Model {
  Embedding<B> embedding;
  Linear<B> query, key, value, choice;
  bool stick;

  Model(bool stick_breaking, const Rng& rng)
      : embedding(names * values + names, size, rng.fork("embedding")),
        query(size, size, rng.fork("query"), true),
        key(size, size, rng.fork("key"), true),
        value(size, size, rng.fork("value")),
        choice(size, values, rng.fork("choice")),
        stick(stick_breaking) {}

  Tensor<B> operator()(const Ids<B>& ids) const {  // (N,T) -> (N,values)
    const Index n = ids.shape()[0], t = ids.shape()[1];
    const Tensor<B> x = embedding(ids);                                                         // (N,T,C)
    const auto head = [&](const Linear<B>& map) { return reshape(map(x), {n, t, 1, size}); };  // (N,T,H,D)
    const double scale = 1 / std::sqrt(static_cast<double>(size));
    const Tensor<B> out = stick ? stickbreaking_attention(head(query), head(key), head(value), scale).out
                                : causal_attention(head(query), head(key), head(value), scale);
    const Tensor<B> last = slice_columns(reshape(out, {n, t * size}), (t - 1) * size, t * size);  // (N,C): the question's token
    return choice(last);
  }

  using Backend = B;
  static void visit(auto& self, auto&& v) {
    v("embedding", self.embedding);
    v("query", self.query);
    v("key", self.key);
    v("value", self.value);
    v("choice", self.choice);
  }
};

double percent_right(bool stick) {
  Model model(stick, Rng(3));
  AdamW<B> optimizer({.lr = 1e-2});
  optimizer.add_module(model);
  constexpr Index steps = 500;
  for (Index step = 0; step < steps; ++step)
    training_step(optimizer, Schedule{.warmup = 20}, step, steps, 1, [&](Index) {
      const Questions batch = ask(64, Rng(1).fork(static_cast<std::uint64_t>(step)));
      Loss<B> loss;
      loss.add("answer", cross_entropy(model(batch.ids), batch.answers));
      return loss;
    });
  const Questions test = ask(1000, Rng(2));
  const std::vector<Id> said = argmax(model(test.ids)).values(), right = test.answers.values();
  Index correct = 0;
  for (std::size_t i = 0; i < said.size(); ++i) correct += said[i] == right[i];
  return 100 * static_cast<double>(correct) / static_cast<double>(said.size());
}

int main() {
  // The walk on one row: the newest key takes a quarter, the next half of what is left, the oldest three quarters of that.
  const Tensor<B> q({1, 3, 1, 1}, {0, 0, 1}), k({1, 3, 1, 1}, {1.0986123f, 0, -1.0986123f}), v({1, 3, 1, 1}, {100, 10, 1});
  const StickBreak<B> walk = stickbreaking_attention(q, k, v, 1);
  std::printf("0.28125 · 100 + 0.375 · 10 + 0.25 · 1 = %.3f, left of the stick %.5f\n", static_cast<double>(walk.out.values()[2]),
              static_cast<double>(walk.rest.values()[2]));

  const double stick = percent_right(true), softmax = percent_right(false);
  std::printf("solved: stick-breaking %.0f %%, softmax without positions %s\n", stick, softmax < 80 ? "below 80 %" : "80 % or more");
}
