// Pseudo-samples: prompts of a past task, made by a model that learnt to write them.                           DAPT, arXiv 2401.08295
#pragma once

#include "cmoe/continual/learner.hpp"
#include "cmoe/models/generate.hpp"
#include "cmoe/models/adapted.hpp"

namespace cmoe {

// How the writer of pseudo-samples is trained and how it writes.
struct PseudoConfig {
  Index rank = 8;
  double alpha = 32;
  double lr = 5e-3;
  Index steps = 100;
  Index batch = 16;
  Sampling sampling = {.temperature = 1, .top_k = 20};
};

namespace detail {

// The prompts as sequences of their own: from the first id to one behind the prompt, which is trained on as well and ends a prompt.
inline std::vector<Sequence> prompt_items(const std::vector<Sequence>& items) {
  std::vector<Sequence> out;
  for (const Sequence& s : items)
    if (s.prompt >= 2) out.push_back({{s.ids.begin(), s.ids.begin() + s.prompt}, 1});
  return out;
}

}  // namespace detail

// Trains one LoRA on the backbone to continue the first id of a training item to its whole prompt, then samples `count` prompts.
// The backbone's arrays are shared, not copied. A sample ends with the id that ends all training prompts, if there is one, else at
// their mean length; the first ids are drawn from the items'.
// cost: steps · a training step of one LoRA, then count generations
// throws Error (misuse) if no item has a prompt of two ids
template <class B, class Model>
std::vector<Sequence> pseudo_prompts(const Model& backbone, const std::vector<Sequence>& items, Index count, const PseudoConfig& config,
                                     const Rng& rng) {
  const std::vector<Sequence> prompts = detail::prompt_items(items);
  check(!prompts.empty(), ErrorKind::misuse, "pseudo-samples: none of ", items.size(), " items has a prompt of two ids");
  using Writer = typename Model::template WithDelta<Single<LoRA>>;
  typename Writer::Config sizes;
  static_cast<typename Model::Sizes&>(sizes) = backbone.config;
  sizes.deep = {.rank = config.rank, .alpha = config.alpha};
  typename Writer::template On<B> writer(sizes, rng.fork("writer"), Pretrained::unfilled);
  share_parameters(backbone, writer);
  freeze(writer);
  writer.add_task(rng.fork("deltas"));

  AdamW<B> optimizer({.lr = config.lr});
  optimizer.add_module(writer);
  Shuffled order(prompts.size(), rng.fork("batches"));
  const Schedule schedule{.decay = Decay::cosine, .warmup = 10, .floor = 0.05};
  for (Index step = 0; step < config.steps; ++step)
    training_step(optimizer, schedule, step, config.steps, 1, [&](Index) {
      std::vector<const Sequence*> chosen;
      for (Index i = 0; i < config.batch; ++i) chosen.push_back(&prompts[order(step * config.batch + i)]);
      const Batch<B> batch = make_batch<B>(chosen);
      return language_loss(writer(batch.ids, batch.flow()), batch);
    });

  std::size_t total = 0;
  Id last = prompts[0].ids.back();
  for (const Sequence& s : prompts) {
    total += s.ids.size();
    if (s.ids.back() != last) last = -1;
  }
  const auto mean_length = static_cast<Index>(total / prompts.size());
  const Index limit = last >= 0 ? 2 * mean_length : mean_length - 1;
  std::vector<Sequence> made;
  for (Index i = 0; i < count; ++i) {
    Rng draw = rng.fork("sample").fork(static_cast<std::uint64_t>(i));
    std::vector<Id> ids = {prompts[static_cast<std::size_t>(draw.below(static_cast<Index>(prompts.size())))].ids[0]};
    const std::vector<Id> rest = generate(writer, ids, std::min(limit, backbone.context() - 2), last, config.sampling, draw, Flow<B>{});
    ids.insert(ids.end(), rest.begin(), rest.end());
    const auto length = static_cast<Index>(ids.size());
    ids.push_back(0);  // a sequence has something after its prompt
    made.push_back({std::move(ids), length});
  }
  return made;
}

}  // namespace cmoe
