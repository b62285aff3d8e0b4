// Elastic weight consolidation, with one anchor for all tasks together or with one that moves along (online).
#pragma once

#include "cmoe/continual/regularized.hpp"
#include "cmoe/models/generate.hpp"

namespace cmoe {

// Whose labels the Fisher information is taken at.
enum class FisherLabels {
  data,  // the empirical Fisher
  model  // drawn from the model's own distribution: the Fisher information proper
};

// L_LM + λ/2 Σ_k Σ_i F̂^k_i (θ_i − θ^k_i)²                                        arXiv 1612.00796;  online: arXiv 1805.06370
// F from gradients of single sequences at the end of a task, without the penalty, normalised to mean 1 (ours), so that λ has one scale.
// The tasks' penalties are kept as one merged anchor: the same gradients, and a loss that is smaller by a constant.
struct Ewc {
  double lambda = 0.1;
  Index samples = 48;      // sequences for F
  double decay = 1;        // γ: F ← γ F + F_task
  AnchorCentre centre = AnchorCentre::weighted;
  FisherLabels labels = FisherLabels::data;

  void prepare(auto&, Index, const EncodedTask&) const {}

  template <class L, class B>
  void add_loss(L& learner, Loss<B>& loss, const Batch<B>&, const Flow<B>&, const Tensor<B>&, Index) const {
    if (const Anchor<B> anchor = kept_anchor(learner.state(), "anchor"); !anchor.empty()) loss.add("ewc", anchor.loss(learner.model()), lambda);
  }

  template <class L>
  void consolidate(L& learner, Index task, const EncodedTask& data) const {
    using B = typename L::Backend;
    check(samples > 0, ErrorKind::config, "ewc: ", samples, " sequences for the Fisher information");
    Rng rng = learner.rng().fork("fisher").fork(static_cast<std::uint64_t>(task));
    Shuffled order(data.train.size(), rng.fork("order"));
    const auto fisher = diagonal_fisher<B>(learner.model(), std::min(samples, static_cast<Index>(data.train.size())), [&](Index n) {
      const std::size_t at = order(n);
      const Batch<B> one = make_batch<B>(data.train, at, at + 1);
      const Tensor<B> logits = learner.model()(one.ids, learner.flow(one, task)).logits;
      return sum(cross_entropy_rows(logits, labels == FisherLabels::data ? one.labels : drawn_labels(logits, one.labels, rng)));
    });
    const Anchor<B> fresh{trained_values<B>(learner.model()), fisher.normalised()};
    keep(learner.state(), "anchor", merged(kept_anchor(learner.state(), "anchor"), fresh, decay, centre));
  }

 private:
  // Labels drawn from softmax(logits).
  template <class B>
  static Ids<B> drawn_labels(const Tensor<B>& logits, const Ids<B>& labels, Rng& rng) {
    std::vector<Id> drawn = labels.values();
    const auto scores = logits.values();
    const auto v = static_cast<std::size_t>(logits.shape().cols());
    for (std::size_t i = 0; i < drawn.size(); ++i)
      drawn[i] = sample(std::span(scores).subspan(i * v, v), Sampling{.temperature = 1}, rng);
    return Ids<B>(labels.shape(), drawn);
  }
};

// EWC on one LoRA that every task trains in turn.
template <class B>
using EwcLearner = Regularized<B, LoraLlama::On<B>, Ewc>;

}  // namespace cmoe
