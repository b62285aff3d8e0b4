// Methods by name: which learner, which model around the backbone, which settings by default.
#pragma once

#include "backbone.hpp"
#include "cmoe/continual/per_task.hpp"
#include "cmoe/continual/pmoe_learner.hpp"
#include "cmoe/continual/sequential.hpp"
#include "cmoe/continual/stream_run.hpp"
#include "method_names.hpp"
#include "modules.hpp"

namespace program {

// Settings that were found to work: generated skills with answers, and windows of plain text.
inline cmoe::RunConfig run_config(const LearnOptions& o, bool plain_text) {
  cmoe::RunConfig config;
  const bool all_weights = o.method == "seqft";
  config.task_steps = o.task_epochs > 0 ? 0 : o.task_steps > 0 ? o.task_steps : plain_text ? 120 : 150;
  config.task_epochs = o.task_epochs;
  config.batch = o.batch > 0 ? o.batch : plain_text ? 8 : 16;
  config.accumulate = o.accumulate;
  config.save_every = o.save_every;
  config.log_every = o.log_every;
  config.joint = o.method == "multitask";
  config.optimizer.beta2 = plain_text ? 0.99 : 0.98;
  const double usual = all_weights ? 1e-3 : o.method == "moduleformer" ? 3e-3 : plain_text ? 1e-2 : 5e-3;
  config.optimizer.lr = o.options.lr > 0 ? o.options.lr : usual;
  return config;
}

namespace detail {

template <class Recipe>
typename Recipe::template On<Backend> adapted(const Backbone& backbone, const MethodOptions& o, cmoe::Index boundary, const cmoe::Rng& rng) {
  typename Recipe::Config config;
  static_cast<cmoe::DecoderConfig&>(config) = backbone.model.config;
  config.boundary = boundary;
  const cmoe::LoRA::Config lora{.rank = o.rank > 0 ? o.rank : 8, .alpha = 2.0 * static_cast<double>(o.rank > 0 ? o.rank : 8)};
  if constexpr (!std::is_same_v<typename Recipe::ShallowDelta, cmoe::NoDelta>) config.shallow = lora;
  if constexpr (!std::is_same_v<typename Recipe::DeepDelta, cmoe::NoDelta>) config.deep = lora;
  if (o.pmoe_dispatch == "top1") config.dispatch = cmoe::Dispatch::top1;
  typename Recipe::template On<Backend> model(config, rng.fork("model"));
  cmoe::copy_parameters(backbone.model, model);
  return model;
}

}  // namespace detail

// Builds the learner of a method and calls use(learner, tokenizer, context).
template <class F>
auto with_learner(const LearnOptions& o, Progress& progress, F&& use) {
  using namespace cmoe;
  check_method(o.method);
  const Rng rng = Rng(o.seed).fork("learner");
  if (o.method == "moduleformer") {
    ModuleFormerLearner<Backend> learner(load_moduleformer(o.source, progress), moduleformer_settings(o.options), rng);
    return use(learner, load_tokenizer(o.source), learner.model().context());
  }
  Backbone backbone = load_backbone(o.source, progress);
  const Index context = backbone.model.context(), layers = backbone.model.layers();
  if (o.method == "seqft") {
    SeqFt<Backend> learner(std::move(backbone.model), {}, rng);
    return use(learner, backbone.tokenizer, context);
  }
  if (o.method == "pertask") {
    PerTask<Backend> learner(detail::adapted<TaskLora>(backbone, o.options, 0, rng), rng);
    return use(learner, backbone.tokenizer, context);
  }
  if (o.method == "pmoe") {
    PMoEConfig config;
    const std::string& shallow = o.options.pmoe_shallow;
    check(shallow == "frozen" || shallow == "first-task" || shallow == "plastic", ErrorKind::config, "--pmoe-shallow '", shallow,
          "' is none of frozen, first-task, plastic");
    config.shallow = shallow == "frozen" ? ShallowPolicy::frozen : shallow == "plastic" ? ShallowPolicy::plastic : ShallowPolicy::first_task;
    config.memory_share = o.options.pmoe_memory;
    config.memory_batch = o.options.pmoe_memory_batch;
    config.router_weight = o.options.pmoe_router_weight;
    config.router_rate = o.options.pmoe_router_rate;
    const Index boundary = o.options.pmoe_boundary >= 0 ? o.options.pmoe_boundary : 2 * layers / 5;
    PMoELearner<Backend> learner(detail::adapted<PMoE>(backbone, o.options, boundary, rng), config, rng);
    return use(learner, backbone.tokenizer, context);
  }
  SeqLora<Backend>::Config config;
  if (o.method == "replay") {
    config.memory_share = o.options.replay_memory;
    config.memory_batch = o.options.replay_batch > 0 ? o.options.replay_batch : 4;
  }
  SeqLora<Backend> learner(detail::adapted<LoraLlama>(backbone, o.options, 0, rng), config, rng);
  return use(learner, backbone.tokenizer, context);
}

}  // namespace program
