// The two things that are done with a learner: to let it learn a stream, and to open what it has learnt.
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

using namespace cmoe;

namespace {

// Settings that were found to work: generated skills with answers, and windows of plain text.
RunConfig run_config(const LearnOptions& o, const MethodSettings& settings, bool plain_text) {
  RunConfig config;
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

// What a learner trains in its second task (the first may train more, shared layers for example).
TrainedSize trained_size(Built built) {
  for (const Index task : {0, 1}) built.learner.before_task(task, EncodedTask{});
  return {parameter_count(built.learner.model(), Count::trainable), built.entries};
}

}  // namespace

RunResult learn_with(const Method& method, const LearnOptions& asked, Progress& progress) {
  namespace fs = std::filesystem;
  check(!asked.out.empty(), ErrorKind::config, "learn: name the run's folder with --out DIR");
  const fs::path out = asked.out, checkpoint = out / "checkpoint" / "state.safetensors";
  const bool exists = fs::exists(checkpoint);  // before anything is loaded or trained
  check(asked.resume || !exists, ErrorKind::config, asked.out, " already holds a run; go on with --resume, or name another --out");
  const LearnOptions o = fit_budget(asked, progress, [&](const LearnOptions& candidate) { return trained_size(method.build(candidate, progress)); });
  auto [learner, tokenizer, context, entries, exported, held] = method.build(o, progress);
  const Json effective = options_json(o);
  const std::string fingerprint = hex(stable_hash(effective.dump()));
  RunState state;
  if (o.resume && exists) state = read_checkpoint_state(checkpoint, fingerprint);
  Stream stream = load_stream(o.stream, o.order, o.seed);
  for (Task& task : stream)
    if (o.dev) {
      check(!task.dev.empty() || !task.dev_text.empty(), ErrorKind::config, "--dev: ", task.name, " has no dev split");
      task.test = task.dev, task.test_text = task.dev_text;
    }

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
  const RunConfig config = run_config(o, method.settings, plain_text);
  make_folder(checkpoint.parent_path());

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
  make_folder(out / "adapter");
  save_parameters(out / "adapter" / "adapter.safetensors", learner.model(), {{"format", "cmoe adapter 1"}, {"method", o.method}},
                  [&](const std::string& name) {
                    return !method.settings.deltas || name.find(".delta.") != std::string::npos || name.rfind("gate.", 0) == 0 || name.rfind("prefix.", 0) == 0;
                  });
  write_results(o, outcome);
  return outcome;
}

std::shared_ptr<Built> open_learner(const Method& method, const LearnOptions& options, const std::string& folder, Progress& progress,
                                    Index* tasks) {
  auto kept = std::make_shared<Built>(method.build(options, progress));
  const std::filesystem::path path = std::filesystem::path(folder) / "checkpoint" / "state.safetensors";
  const RunState state = read_checkpoint_state(path, "");
  const Index begun = state.task + (state.step > 0 ? 1 : 0);
  for (Index t = 0; t < begun; ++t) kept->learner.before_task(t, EncodedTask{});
  load_checkpoint(path, kept->learner, static_cast<AdamW<Backend>*>(nullptr));
  if (tasks) *tasks = begun;
  return kept;
}

OpenedRun open_with(const Method& method, const LearnOptions& options, const std::string& folder, Progress& progress) {
  return opened(method, options,
                folder.empty() ? std::make_shared<Built>(method.build(options, progress)) : open_learner(method, options, folder, progress));
}

OpenedRun opened(const Method& method, const LearnOptions& options, const std::shared_ptr<Built>& kept) {
  const Tokenizer& tokenizer = kept->tokenizer;
  OpenedRun run{options, tokenizer, kept->context, method.settings.mixture, {}, {}, {}, {}};
  run.score = [kept](const EncodedTask& data, Index task) {
    return cmoe::evaluate<Backend>(kept->learner, data, task, kept->tokenizer.eos().value_or(-1),
                                   [&](const std::vector<Id>& ids) { return kept->tokenizer.decode(ids); });
  };
  run.count = [kept](const Batch<Backend>& batch) { return cmoe::detail::count_batch(kept->learner, batch, Index{-1}); };
  run.logits = [kept](const Batch<Backend>& batch) {
    Flow<Backend> flow = kept->learner.flow(batch, Index{-1});
    flow.scored = {};
    return kept->learner.model()(batch.ids, flow).logits;
  };
  run.generate = [kept](const std::vector<std::vector<Id>>& prompts, Index limit, const Sampling& how, const Rng& rng,
                        const std::function<bool(Index, Id)>& each, TextRead<Backend>* read) {
    Flow<Backend> flow;
    std::vector<Sequence> asked;
    for (const auto& prompt : prompts) {
      check(!prompt.empty(), ErrorKind::misuse, "generate: the prompt has no tokens");
      asked.push_back({prompt, static_cast<Index>(prompt.size())});
      asked.back().ids.push_back(0);
    }
    if (!asked.empty())  // the weights of experts and prompts that the learner decides itself
      flow.gates = kept->learner.flow(make_batch<Backend>(asked, 0, asked.size()), Index{-1}).gates;
    return cmoe::generate(kept->learner.model(), prompts, limit, Ends(-1), how, rng, flow, each, read);
  };
  return run;
}

}  // namespace program
