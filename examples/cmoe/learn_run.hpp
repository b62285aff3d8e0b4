// The two things that are done with a learner of any type: to let it learn a stream, and to open what it has learnt.
#pragma once

#include <filesystem>
#include <memory>

#include "ability.hpp"
#include "backbone.hpp"
#include "budget.hpp"
#include "cmoe/continual/stream_run.hpp"
#include "cmoe/io/checkpoint.hpp"
#include "interrupt.hpp"
#include "method.hpp"
#include "run_files.hpp"
#include "version.hpp"

namespace program {

// Settings that were found to work: generated skills with answers, and windows of plain text.
inline cmoe::RunConfig run_config(const LearnOptions& o, const MethodSettings& settings, bool plain_text) {
  cmoe::RunConfig config;
  config.task_steps = o.task_epochs > 0 ? 0 : o.task_steps > 0 ? o.task_steps : plain_text ? 120 : 150;
  config.task_epochs = o.task_epochs;
  config.batch = o.batch > 0 ? o.batch : plain_text ? 8 : 16;
  config.accumulate = o.accumulate;
  config.save_every = o.save_every;
  config.log_every = o.log_every;
  config.joint = settings.joint;
  config.optimizer.beta2 = plain_text ? 0.99 : 0.98;
  config.optimizer.lr = o.lr > 0 ? o.lr : plain_text ? settings.lr_text : settings.lr_answers;
  return config;
}

// Learns and writes the run folder. throws cmoe::Error
template <class L>
RunResult learn_run(const LearnOptions& o, const MethodSettings& settings, Progress& progress, L& learner, const cmoe::Tokenizer& tokenizer,
                    cmoe::Index context) {
  using namespace cmoe;
  namespace fs = std::filesystem;
  check(!o.out.empty(), ErrorKind::config, "learn: name the run's folder with --out DIR");
  const fs::path out = o.out, checkpoint = out / "checkpoint" / "state.safetensors";
  const Json effective = options_json(o);
  const std::string fingerprint = hex(stable_hash(effective.dump()));
  const bool exists = fs::exists(checkpoint);
  check(o.resume || !exists, ErrorKind::config, o.out, " already holds a run; go on with --resume, or name another --out");
  RunState state;
  if (o.resume && exists) state = read_checkpoint_state(checkpoint, fingerprint);
  const Stream stream = load_stream(o.stream, o.order, o.seed);

  RunResult outcome;
  EncodeConfig encoding;
  encoding.context = o.max_tokens > 0 ? std::min(o.max_tokens, context) : context;
  encoding.window = o.window;
  encoding.prompt_tokens = o.prompt_tokens;
  encoding.train_limit = o.train_limit;
  encoding.test_limit = o.test_limit;
  std::vector<EncodedTask> data;
  std::vector<std::string> names;
  bool plain_text = true;
  for (const Task& task : stream) {
    data.push_back(encode_task(tokenizer, task, encoding));
    names.push_back(task.name);
    plain_text = plain_text && task.scoring == Scoring::next_token;
    if (data.back().truncated > 0)
      progress.keep(task.name + ": " + std::to_string(data.back().truncated) + " items were cut to " + std::to_string(encoding.context) +
                    " tokens");
  }
  const std::vector<EncodedTask> texts = ability_texts(o.ability, tokenizer, encoding);
  const RunConfig config = run_config(o, settings, plain_text);
  fs::create_directories(checkpoint.parent_path());

  const auto write_run = [&](bool finished) {
    write_run_json(o, {names, parameter_count(learner.model()), hash(learner.model()), finished}, config, state);
  };
  Log log;
  if (o.resume) log.read(out / "log.jsonl", state);
  write_run(false);

  RunHooks<Backend> hooks;
  hooks.clock = now;
  hooks.stop = [] { return interrupted != 0; };
  hooks.on_step = [&](const StepLog& step) {
    log.add(step);
    show_step(o, step, config.joint ? 1 : static_cast<Index>(data.size()), progress);
  };
  hooks.on_row = [&](Index after) { show_row(o, state.scores, names, after, progress); };
  hooks.save = [&](const RunState& saved, AdamW<Backend>* optimizer) {
    save_checkpoint(checkpoint, learner, optimizer, saved, fingerprint);
    log.write(out / "log.jsonl");
  };
  hooks.load = [&](AdamW<Backend>* optimizer) { load_checkpoint(checkpoint, learner, optimizer); };

  const Id end = tokenizer.eos().value_or(-1);
  outcome.finished = run_stream<Backend>(learner, data, config, Rng(o.seed), state, hooks, end,
                                         [&](const std::vector<Id>& ids) { return tokenizer.decode(ids); }, texts);
  log.write(out / "log.jsonl");
  write_run(outcome.finished);
  outcome.report = make_report(o, state, names, log);
  outcome.abilities = abilities(o.ability, state);
  outcome.fit = o.fit;
  outcome.facts = run_facts(o);
  if (!outcome.finished) return outcome;
  for (const std::string& term : log.silent_terms()) progress.keep("warning: the loss term '" + term + "' was 0 during the whole run");
  fs::create_directories(out / "adapter");
  save_parameters(out / "adapter" / "adapter.safetensors", learner.model(), {{"format", "cmoe adapter 1"}, {"method", o.method}},
                  [&](const std::string& name) {
                    return !settings.deltas || name.find(".delta.") != std::string::npos || name.rfind("gate.", 0) == 0 || name.rfind("prefix.", 0) == 0;
                  });
  write_results(o, outcome);
  return outcome;
}

// What was learnt, ready to be scored and to generate; without a folder the model as it is.
template <class L>
OpenedRun open_learner(const LearnOptions& options, const std::string& folder, const MethodSettings& settings, L&& learner,
                       const cmoe::Tokenizer& tokenizer, cmoe::Index context) {
  using namespace cmoe;
  const auto kept = std::make_shared<std::remove_cvref_t<L>>(std::move(learner));
  if (!folder.empty()) {
    const std::filesystem::path path = std::filesystem::path(folder) / "checkpoint" / "state.safetensors";
    const RunState state = read_checkpoint_state(path, "");
    for (Index t = 0; t < state.task + (state.step > 0 ? 1 : 0); ++t) kept->before_task(t, EncodedTask{});
    load_checkpoint(path, *kept, static_cast<AdamW<Backend>*>(nullptr));
  }
  OpenedRun run{options, tokenizer, context, settings.mixture, {}, {}, {}};
  run.score = [kept, tokenizer](const EncodedTask& data, Index task) {
    return cmoe::evaluate<Backend>(*kept, data, task, tokenizer.eos().value_or(-1),
                                   [&](const std::vector<Id>& ids) { return tokenizer.decode(ids); });
  };
  run.count = [kept](const Batch<Backend>& batch) { return cmoe::detail::count_batch(*kept, batch, Index{-1}); };
  run.generate = [kept](const std::vector<Id>& prompt, Index limit, Id end, const Sampling& how, Rng rng,
                        const std::function<bool(Id)>& each) {
    Flow<Backend> flow;
    if (!prompt.empty()) {  // the weights of experts and prompts that the learner decides itself
      Sequence asked{prompt, static_cast<Index>(prompt.size())};
      asked.ids.push_back(0);
      flow.gates = kept->flow(make_batch<Backend>({&asked}), Index{-1}).gates;
    }
    return cmoe::generate(kept->model(), prompt, limit, end, how, rng, flow, each);
  };
  return run;
}

// A method from its parts. build(options, progress, use) makes the learner and returns use(learner, tokenizer, context).
template <class Build>
Method make_method(std::string name, std::string what, const MethodSettings& settings, std::vector<OptionSpec> options, Build build) {
  Method method{std::move(name), std::move(what), std::move(options), {}, {}};
  method.learn = [build, settings](const LearnOptions& asked, Progress& progress) {
    const LearnOptions o = fit_budget(asked, progress, [&](const LearnOptions& candidate) {
      return build(candidate, progress, [](auto& learner, const cmoe::Tokenizer&, cmoe::Index) { return trained_size(learner); });
    });
    return build(o, progress, [&](auto& learner, const cmoe::Tokenizer& tokenizer, cmoe::Index context) {
      return learn_run(o, settings, progress, learner, tokenizer, context);
    });
  };
  method.open = [build, settings](const LearnOptions& o, const std::string& folder, Progress& progress) {
    return build(o, progress, [&](auto& learner, const cmoe::Tokenizer& tokenizer, cmoe::Index context) {
      return open_learner(o, folder, settings, std::move(learner), tokenizer, context);
    });
  };
  return method;
}

// The backbone's weights under the deltas of a recipe; LoRA blocks of the rank asked for, alpha twice the rank.
template <class Recipe>
typename Recipe::template On<Backend> adapt(const Backbone& backbone, const LearnOptions& o, typename Recipe::Config config = {}) {
  static_cast<cmoe::DecoderConfig&>(config) = backbone.model.config;
  const auto lora = [&](auto& delta) {
    if constexpr (std::is_base_of_v<cmoe::LoRA::Config, std::remove_reference_t<decltype(delta)>>) {
      delta.rank = o.rank > 0 ? o.rank : 8;
      delta.alpha = 2.0 * static_cast<double>(delta.rank);
    }
  };
  lora(config.shallow);
  lora(config.deep);
  typename Recipe::template On<Backend> model(config, cmoe::Rng(o.seed).fork("learner").fork("model"));
  cmoe::copy_parameters(backbone.model, model);
  return model;
}

}  // namespace program
