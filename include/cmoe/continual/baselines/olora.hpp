// O-LoRA: every task gets a LoRA block of its own, whose directions keep off those of the old blocks. IncLoRA: the same without that.
#pragma once

#include "cmoe/continual/per_task.hpp"
#include "cmoe/continual/regularized.hpp"
#include "cmoe/regularizer/orthogonal.hpp"

namespace cmoe {

// A task's blocks on all adapted maps, the newest apart: f(map's name, the old ones, the newest); `leaf` is "a" or "b".
template <class B, class M, class F>
void for_each_newest(M& model, const std::string& leaf, F&& f) {
  std::vector<std::pair<std::string, std::vector<Param<B>*>>> maps;
  for_each_param(model, [&](const std::string& name, Param<B>& p) {
    const std::size_t at = name.find(".delta.experts.");
    if (at == std::string::npos || !name.ends_with("." + leaf)) return;
    const std::string map = name.substr(0, at);
    if (maps.empty() || maps.back().first != map) maps.push_back({map, {}});
    maps.back().second.push_back(&p);
  });
  for (auto& [map, blocks] : maps) {
    Param<B>& newest = *blocks.back();
    blocks.pop_back();
    f(map, blocks, newest);
  }
}

// L_LM + λ Σ_maps overlap(A_old, A_new), A_old the down-projections of all earlier tasks side by side.         arXiv 2310.14152
// entrywise: Σ |A_oldᵀ A_new|, what the code that came with the paper does; frobenius: ‖A_oldᵀ A_new‖²
struct OLora {
  double lambda = 0.5;
  OverlapNorm norm = OverlapNorm::entrywise;

  void prepare(auto&, Index, const EncodedTask&) const {}
  void consolidate(auto&, Index, const EncodedTask&) const {}

  template <class L, class B>
  void add_loss(L& learner, Loss<B>& loss, const Batch<B>&, const Flow<B>&, const Tensor<B>&, Index) const {
    loss.add("orthogonal", penalty<B>(learner.model(), norm), lambda);
  }

  // Σ_maps overlap; an empty tensor before there are old blocks. The old blocks are frozen: no gradient reaches them.
  template <class B, class M>
  static Tensor<B> penalty(M& model, OverlapNorm norm) {
    Tensor<B> total;
    for_each_newest<B>(model, "a", [&](const std::string&, const std::vector<Param<B>*>& old, Param<B>& newest) {
      if (old.empty()) return;
      std::vector<Tensor<B>> before;
      for (const Param<B>* p : old) before.push_back(p->detach());
      const Tensor<B> part = overlap<B>(before.size() == 1 ? before[0] : concat_columns(before), newest, norm);
      total = total ? total + part : part;
    });
    return total;
  }
};

// One LoRA block a task, all of them added, old ones frozen; nothing else.
template <class B>
using IncLoraLearner = Regularized<B, TaskLora::On<B>, Unprotected, true>;
// The same with a loss that keeps new blocks out of the old ones' directions.
template <class B>
using OLoraLearner = Regularized<B, TaskLora::On<B>, OLora, true>;

}  // namespace cmoe
