// How ModuleFormer learns a stream: new modules for each task, everything old frozen, a gate that says whose modules take part.
#pragma once

#include "cmoe/continual/prompt_memory.hpp"
#include "cmoe/continual/replay.hpp"
#include "cmoe/models/moduleformer.hpp"

namespace cmoe {

// How ModuleFormer learns a stream: what is inserted for a task, and what is trained.
struct ModuleFormerConfig {
  Index attention_experts = 2;  // inserted into every layer from the model's boundary on, for each task
  Index feed_experts = 4;
  Insertion insertion = Insertion::copies;
  bool gated = true;            // false: token routers alone decide, held by replayed items
  double memory_share = 0.015;  // of each past task's items; gated: their prompts only
  Index memory_batch = 48;      // remembered prompts beside each batch, for the gate
  Index replay_batch = 8;       // remembered items beside each batch, without the gate
  double gate_rate = 10;        // the gate's learning rate over the modules'
};

// Before each task modules are inserted; old modules, router rows of old modules, embeddings and norms are frozen.
// ours: spec/moduleformer.md section 7, the paper's section was not available. Token routers alone forget: rows that learn a new
// task win the tokens of old ones, and old rows cannot answer. So a gate reads the prompt in front of the first block with
// inserted modules, and a sequence uses the first modules and those of one task; what an old task computes then does not
// change while the gate knows its prompts, which it goes on learning from a few remembered ones. Without the gate
// (gated = false) remembered items are trained on beside new ones.
template <class B>
class ModuleFormerLearner {
 public:
  ModuleFormerLearner(ModuleFormer::On<B> model, const ModuleFormerConfig& config, const Rng& rng)
      : model_(std::move(model)),
        config_(config),
        rng_(rng),
        replay_(config.memory_share, config.replay_batch, rng),
        prompts_(config.memory_share, config.memory_batch, rng) {}

  void before_task(Index task, const EncodedTask&) {
    check(!config_.gated || model_.gate.experts() == task, ErrorKind::misuse, "moduleformer: the model's gate knows ", model_.gate.experts(),
          " insertions before task ", task, "; the prompts of tasks that another run has learnt are not there to hold them");
    freeze(model_);
    model_.insert(config_.attention_experts, config_.feed_experts, rng_.fork("modules").fork(static_cast<std::uint64_t>(task)),
                  config_.insertion);
    if (!config_.gated) return;
    model_.gate.grow();
    model_.gate.active = task + 1;
  }
  void add_parameters(AdamW<B>& optimizer) {
    for_each_param(model_, [&](const std::string& name, Param<B>& p) {
      const bool gate = name.rfind("gate.", 0) == 0;
      optimizer.add(name, p, gate ? config_.gate_rate : 1, !gate);
    });
  }

  Loss<B> loss(const Batch<B>& batch, Index task, Index step) {
    Flow<B> flow = batch.flow();
    flow.training = true;  // routers explore, if they are set to
    flow.dropout_key = rng_.fork("exploration").fork(static_cast<std::uint64_t>(task)).fork(static_cast<std::uint64_t>(step)).next64();
    if (!config_.gated) {
      Loss<B> loss = language_loss(model_(batch.ids, flow), batch);
      replay_.add_loss(loss, model_, step);
      return loss;
    }
    const Tensor<B> state = model_.shallow_state(batch.ids, flow);
    const Tensor<B> query = model_.gate.query(state, flow);
    flow.gates = oracle_gates<B>(batch.ids.shape()[0], task + 1, task);
    Loss<B> loss = language_loss(model_.from_state(state, batch.ids, flow), batch);
    if (task > 0) loss.add("gate", prompts_.loss(model_.gate, query, task, step, [&](const Batch<B>& old) { return this->query(old); }));
    return loss;
  }

  void after_task(Index task, const EncodedTask& data) { config_.gated ? prompts_.keep(task, data) : replay_.keep(task, data); }

  Flow<B> flow(const Batch<B>& batch, Index) const { return batch.flow(); }
  // The same with the task known: what perfect routing would score.
  Flow<B> oracle_flow(const Batch<B>& batch, Index task) const {
    Flow<B> flow = batch.flow();
    if (task < model_.gate.active) flow.gates = oracle_gates<B>(batch.ids.shape()[0], model_.gate.active, task);
    return flow;
  }
  Tensor<B> gates(const Batch<B>& batch) const {
    return model_.gate.active > 0 ? model_.gate.weights(query(batch)) : Tensor<B>();
  }
  const ModuleFormer::On<B>& model() const { return model_; }
  ModuleFormer::On<B>& model() { return model_; }

 private:
  Tensor<B> query(const Batch<B>& batch) const {
    const Flow<B> flow = batch.flow();
    return model_.gate.query(model_.shallow_state(batch.ids, flow), flow);
  }

  ModuleFormer::On<B> model_;
  ModuleFormerConfig config_;
  Rng rng_;
  ReplayMemory replay_;
  PromptMemory<B> prompts_;
};

}  // namespace cmoe
