// A regulariser of your own: stay near the weights of before the task, all of them alike (the simplest anchor there is).
//     L = L_LM + λ Σ_i (θ_i − θ⁰_i)²      θ⁰: the trained values when the task began
#include <cstdio>

#include "../words_stream.hpp"
#include "cmoe/continual/regularized.hpp"
#include "cmoe/regularizer/anchor.hpp"

using namespace words;

// Settings only. What it finds out stands in the learner's state, which a checkpoint keeps.
struct StayNear {
  double lambda = 2;

  template <class L>
  void prepare(L& learner, Index task, const EncodedTask&) const {  // once, when a task begins
    if (task > 0) keep(learner.state(), "before", trained_values<typename L::Backend>(learner.model()));
  }

  template <class L, class B>
  void add_loss(L& learner, Loss<B>& loss, const Batch<B>&, const Flow<B>&, const Tensor<B>&, Index task) const {
    if (task == 0) return;
    const NamedArrays<B> before = kept(learner.state(), "before");
    Tensor<B> distance;
    for_each_param(learner.model(), [&](const std::string& name, const Param<B>& p) {
      if (p.frozen()) return;
      const Tensor<B> d = sum(square(p - Tensor<B>(before.at(name))));
      distance = distance ? distance + d : d;
    });
    loss.add("stay_near", distance, lambda);
  }

  void consolidate(auto&, Index, const EncodedTask&) const {}  // once, when it ends: nothing to find out
};

int main() {
  const std::vector<EncodedTask> data = stream();
  const Llama::On<B> backbone = pretrained();
  LoraLlama::Config sizes;
  sizes.deep = {.rank = 8, .alpha = 16};
  const auto drift = [&](double lambda) {  // how far the LoRA has moved when the second task is learnt
    Regularized<B, LoraLlama::On<B>, StayNear> learner(around<LoraLlama>(backbone, sizes), {lambda}, Rng(6));
    learn(lambda > 0 ? "near" : "free", AnyLearner<B>(learner), {data[0], data[1]});
    double far = 0;
    const NamedArrays<B> before = kept(learner.state(), "before");
    for_each_param(learner.model(), [&](const std::string& name, const Param<B>& p) {
      if (!p.frozen()) far += static_cast<double>(sum(square(p.detach() - Tensor<B>(before.at(name)))).item());
    });
    return far;
  };
  const double near = drift(2), free = drift(0);
  std::printf("weights stay nearer to where they were: %s\n", near < 0.5 * free ? "yes" : "no");
}
