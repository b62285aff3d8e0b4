// How PMoE learns a stream: a new expert a task, old experts frozen, the router kept by a small memory of prompts.
#pragma once

#include "cmoe/continual/replay.hpp"
#include "cmoe/models/pmoe.hpp"
#include "cmoe/regularizer/anchor.hpp"
#include "cmoe/regularizer/orthogonal.hpp"

namespace cmoe {

enum class RouterGradient { lm_and_ce, ce_only };  // does the language loss train the router too
enum class ExpertPhase { routed, oracle };         // the new expert learns under the router's weights, or alone

// How PMoE learns: docs/papers/pmoe.md says what is the paper's and what ours.
struct PMoEConfig {
  ShallowPolicy shallow = ShallowPolicy::first_task;
  double memory_share = 0.015;  // of each past task's items, prompts only: they train the router
  Index memory_batch = 48;      // remembered prompts beside each batch
  double router_weight = 1;     // λ_r of the router's cross-entropy
  double router_rate = 10;      // the router's learning rate over the experts'
  RouterGradient router_gradient = RouterGradient::lm_and_ce;
  ExpertPhase phase = ExpertPhase::routed;
  double replay_weight = 0;     // λ_p of the language loss on remembered items
  Index replay_batch = 4;
  double orthogonal_weight = 0; // λ_o
  OverlapNorm orthogonal_norm = OverlapNorm::frobenius;
  double anchor_weight = 1;     // λ_a of the anchored shallow LoRA
  Index fisher_samples = 24;
  Index router_prompts = 1024;  // of a task, taken in by an analytic router
};

// L = L_LM + λ_r · mean −log g_task + λ_p L_LM(memory) + λ_o Σ overlap(A_e, A_t) + λ_a L_anchor                  spec/pmoe.md 1.4, 1.5
// The router's cross-entropy runs over the batch and as many tasks' remembered prompts; its gradient is not clipped with the
// experts' (ours). An analytic router is solved after each task instead and needs no memory; then experts learn alone.
template <class B, class Recipe = PMoE>
class PMoELearner {
  using Model = typename Recipe::template On<B>;
  using Real = typename B::Scalar;
  static constexpr bool analytic = requires(Model& m, const Tensor<B>& q) { m.gate.absorb(q, 0); };

 public:
  PMoELearner(Model model, const PMoEConfig& config, const Rng& rng)
      : model_(std::move(model)),
        config_(config),
        rng_(rng),
        replay_(config.replay_weight > 0 ? config.memory_share : 0, config.replay_batch, rng.fork("items")) {
    if (analytic) config_.phase = ExpertPhase::oracle;
    check(!analytic || !drifting(), ErrorKind::config, "pmoe: an analytic router's sums go stale when the shallow layers keep learning");
  }

  void before_task(Index task, const EncodedTask&) {
    const bool keep_shallow = task > 0 && drifting();
    freeze(model_);
    model_.add_task(rng_.fork("deltas").fork(static_cast<std::uint64_t>(task)));
    if constexpr (!analytic) model_.gate.weight.unfreeze();
    model_.gate.active = task + 1;  // the mask is lifted when training starts: a masked gate gives its expert no gradient
    for (auto& block : model_.shallow) {
      if (config_.shallow == ShallowPolicy::frozen || (task > 0 && !keep_shallow)) freeze(block);
      else if (keep_shallow)
        for_each_param(block, [](const std::string& name, Param<B>& p) {
          if (name.find("delta") != std::string::npos) p.unfreeze();
        });
    }
    remembered_ = {};
  }

  void add_parameters(AdamW<B>& optimizer) {
    for_each_param(model_, [&](const std::string& name, Param<B>& p) {
      const bool router = name.rfind("gate.", 0) == 0;
      optimizer.add(name, p, router ? config_.router_rate : 1, !router);
    });
  }

  Loss<B> loss(const Batch<B>& batch, Index task, Index step) {
    Flow<B> flow = batch.flow();
    const Tensor<B> state = model_.shallow_state(batch.ids, flow);
    const Tensor<B> query = model_.gate.query(state, flow);
    if (config_.phase == ExpertPhase::oracle) {
      flow.gates = oracle_gates<B>(batch.ids.shape()[0], task + 1, task);
    } else {
      const Tensor<B> weights = dispatched(model_.gate.weights(query), model_.config.top);
      flow.gates = config_.router_gradient == RouterGradient::ce_only ? weights.detach() : weights;
    }
    Loss<B> loss;
    loss.add("lm", cross_entropy(model_.finish(state, flow), batch.labels));
    if (task > 0) {
      if (!analytic) loss.add("router", router_loss(query, batch, task, step), config_.router_weight);
      if (config_.replay_weight > 0) replay_.add_loss(loss, model_, step, config_.replay_weight);
      if (config_.orthogonal_weight > 0) loss.add("orthogonal", orthogonal(task), config_.orthogonal_weight);
      if (config_.shallow == ShallowPolicy::anchored) loss.add("anchor", anchor_.loss(model_), config_.anchor_weight);
    }
    return loss;
  }

  // The anchor of the shallow layers and the analytic router look at the weights.
  void consolidate(Index task, const EncodedTask& data) {
    if (config_.shallow == ShallowPolicy::anchored) set_anchor(task, data);
    if constexpr (analytic) {
      const std::vector<Sequence> prompts = as_prompts(data.train, data.scoring == Scoring::next_token);
      for (std::size_t at = 0, n = std::min(prompts.size(), static_cast<std::size_t>(config_.router_prompts)); at < n; at += 64)
        model_.gate.absorb(queries({prompts.begin() + static_cast<std::ptrdiff_t>(at),
                                    prompts.begin() + static_cast<std::ptrdiff_t>(std::min(at + 64, n))}), task);
    }
  }

  void after_task(Index task, const EncodedTask& data) {
    const std::vector<Sequence> kept = draw_memory(data.train, config_.memory_share, rng_.fork("memory").fork(static_cast<std::uint64_t>(task)));
    memory_.push_back(as_prompts(kept, data.scoring == Scoring::next_token));
    replay_.keep(task, data);
  }

  LearnerState<B>& state() { return state_; }
  void restored() { read_anchor(); }
  Flow<B> flow(const Batch<B>& batch, Index) const { return batch.flow(); }
  // The same with the task known: what perfect routing would score.
  Flow<B> oracle_flow(const Batch<B>& batch, Index task) const {
    Flow<B> flow = batch.flow();
    if (task < model_.gate.active) flow.gates = oracle_gates<B>(batch.ids.shape()[0], model_.gate.active, task);
    return flow;
  }

  // One row for each sequence, also where every token decides for itself: then the mean over its valid tokens.
  Tensor<B> gates(const Batch<B>& batch) const {
    const Flow<B> flow = batch.flow();
    if (model_.gate.active == 0) return {};
    const Tensor<B> g = model_.gates(model_.shallow_state(batch.ids, flow), flow);
    return g.shape().rank() == 3 ? mean_of_range(g, batch.prompt_first, batch.prompt_last) : g;
  }
  const Model& model() const { return model_; }
  Model& model() { return model_; }

 private:
  bool drifting() const { return config_.shallow == ShallowPolicy::plastic || config_.shallow == ShallowPolicy::anchored; }

  // Cross-entropy of the router on this batch's prompts and on remembered ones, drawn evenly from the past tasks.
  Tensor<B> router_loss(const Tensor<B>& query, const Batch<B>& batch, Index task, Index step) {
    std::vector<Id> labels;
    std::vector<Tensor<B>> rows;
    if (query.shape().rank() == 3) {  // every token decides: padding has no label
      const Index n = query.shape()[0], t = query.shape()[1];
      const std::vector<Id> last = batch.last.values();
      for (Index i = 0; i < n; ++i)
        for (Index p = 0; p < t; ++p) labels.push_back(p < last[static_cast<std::size_t>(i)] ? static_cast<Id>(task) : ignored_label);
      rows.push_back(reshape(query, {n * t, query.shape()[2]}));
    } else {
      labels.assign(static_cast<std::size_t>(query.shape()[0]), static_cast<Id>(task));
      rows.push_back(query);
    }
    Rng draw = rng_.fork("replay").fork(static_cast<std::uint64_t>(task)).fork(static_cast<std::uint64_t>(step));
    if (!drifting() && remembered_.empty())
      for (const auto& prompts : memory_) remembered_.push_back(queries(prompts));
    for (Index i = 0; i < config_.memory_batch; ++i) {
      const auto old = static_cast<std::size_t>(i % task);
      if (drifting()) {
        rows.push_back(queries({memory_[old][static_cast<std::size_t>(draw.below(static_cast<Index>(memory_[old].size())))]}));
      } else {
        const Index pick = draw.below(remembered_[old].shape()[0]);
        rows.emplace_back(remembered_[old].value().rows(pick, pick + 1));
      }
      labels.insert(labels.end(), static_cast<std::size_t>(rows.back().shape()[0]), static_cast<Id>(old));
    }
    return cross_entropy(model_.gate.scores(concat_rows(rows)), Ids<B>({static_cast<Index>(labels.size())}, labels));
  }

  // What the gate reads of prompts, one row for each prompt or, where every token decides, for each of its tokens. The shallow layers
  // are frozen, so it is computed once a task.
  Tensor<B> queries(const std::vector<Sequence>& prompts) const {
    const typename Tape<B>::Pause no_recording;
    const Batch<B> batch = make_batch<B>(prompts, 0, prompts.size());
    const Flow<B> flow = batch.flow();
    const Tensor<B> query = model_.gate.query(model_.shallow_state(batch.ids, flow), flow);
    if (query.shape().rank() == 2) return query;
    const std::vector<Id> last = batch.prompt_last.values();
    std::vector<Id> valid;
    const Index t = query.shape()[1];
    for (std::size_t i = 0; i < last.size(); ++i)
      for (Id p = 0; p < last[i]; ++p) valid.push_back(static_cast<Id>(static_cast<Index>(i) * t) + p);
    return gather_rows(reshape(query, {query.shape()[0] * t, query.shape()[2]}), Ids<B>({static_cast<Index>(valid.size())}, valid));
  }

  // Σ over deep maps of the overlap of the new expert's A with the old experts'.
  Tensor<B> orthogonal(Index task) {
    Tensor<B> total;
    model_.for_each_deep_map([&](auto& map) {
      const auto& blocks = map.delta.blocks;
      std::vector<Tensor<B>> old;
      for (Index e = 0; e < task; ++e) old.push_back(blocks[static_cast<std::size_t>(e)].a);
      const Tensor<B> part = overlap<B>(concat_columns(old), blocks[static_cast<std::size_t>(task)].a, config_.orthogonal_norm);
      total = total ? total + part : part;
    });
    return total;
  }

  void read_anchor() {
    anchor_ = {};
    for (const auto& [name, array] : state_.arrays) {
      if (name.rfind("anchor.centre.", 0) == 0) anchor_.centre.emplace(name.substr(14), array);
      if (name.rfind("anchor.weight.", 0) == 0) anchor_.weight.emplace(name.substr(14), array);
    }
  }

  // Elastic weight consolidation of the shallow LoRA: merged over the tasks, so that one anchor holds all.
  void set_anchor(Index task, const EncodedTask& data) {
    std::vector<std::string> deep_trained;
    for_each_param(model_, [&](const std::string& name, Param<B>& p) {  // only what is shallow
      if (p.frozen() || name.find("delta.block.") != std::string::npos) return;
      deep_trained.push_back(name);
      p.freeze();
    });
    Rng draw = rng_.fork("fisher").fork(static_cast<std::uint64_t>(task));
    Anchor<B> fresh;
    fresh.weight = diagonal_fisher<B>(model_, config_.fisher_samples, [&](Index) {
      const auto pick = static_cast<std::size_t>(draw.below(static_cast<Index>(data.train.size())));
      const Batch<B> one = make_batch<B>(data.train, pick, pick + 1);
      Flow<B> flow = one.flow();
      flow.gates = oracle_gates<B>(1, task + 1, task);
      return cross_entropy(model_(one.ids, flow).logits, one.labels);
    }).normalised();
    fresh.centre = trained_values<B>(model_);
    for_each_param(model_, [&](const std::string& name, Param<B>& p) {
      if (std::find(deep_trained.begin(), deep_trained.end(), name) != deep_trained.end()) p.unfreeze();
    });
    anchor_ = task == 0 ? fresh : merged(anchor_, fresh);
    for (const auto& [name, array] : anchor_.centre) state_.arrays["anchor.centre." + name] = array;
    for (const auto& [name, array] : anchor_.weight) state_.arrays["anchor.weight." + name] = array;
  }

  Model model_;
  PMoEConfig config_;
  Rng rng_;
  ReplayMemory replay_;
  LearnerState<B> state_;
  Anchor<B> anchor_;                           // of the shallow layers; the state holds it too
  std::vector<std::vector<Sequence>> memory_;  // one list a task: prompts and one id more
  std::vector<Tensor<B>> remembered_;          // (queries,C) for each past task
};

}  // namespace cmoe
