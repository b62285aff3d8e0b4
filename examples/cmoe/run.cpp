#include "run.hpp"

#include <filesystem>

#include "cmoe/io/checkpoint.hpp"
#include "cmoe/io/run_folder.hpp"
#include "interrupt.hpp"
#include "methods.hpp"
#include "run_files.hpp"
#include "version.hpp"

namespace program {

using namespace cmoe;
namespace fs = std::filesystem;

namespace {

MethodReport make_report(const LearnOptions& o, const RunState& state, const std::vector<EncodedTask>& data, const Log& log) {
  MethodReport report;
  report.method = o.method;
  report.scores = state.scores;
  for (const EncodedTask& task : data) report.tasks.push_back(task.name);
  MetricSources sources;
  sources.routing_accuracy = state.routing_accuracy;
  report.metrics = metrics(state.scores, sources);
  report.seconds = state.seconds;
  report.trainable = state.trainable;
  report.stored = state.growth.empty() ? 0 : state.growth.back();
  for (const Log::Line& line : log.lines)
    for (const auto& [name, value] : line.values)
      if (name != "lr" && name != "grad_norm" && name != "tokens_per_second") report.curves[name].push_back({line.task, line.step, value});
  report.routing = state.routing;
  report.growth = state.growth;
  return report;
}

}  // namespace

RunResult run_learning(const LearnOptions& o, Progress& progress) {
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
  with_learner(o, progress, [&](auto& learner, const Tokenizer& tokenizer, Index context) {
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
    const RunConfig config = run_config(o, plain_text);
    fs::create_directories(checkpoint.parent_path());

    const auto write_run = [&](bool finished) {
      Json json = {{"version", version}, {"options", effective}, {"tasks", names}, {"threads", pool().threads()},
                   {"kernel", std::string(cpu::isa_name(cpu::isa()))}, {"machine", machine()}, {"seconds", state.seconds},
                   {"finished", finished}, {"trainable", state.trainable}, {"parameters", parameter_count(learner.model())},
                   {"parameters_hash", hex(hash(learner.model()))}, {"method", o.method}, {"model", o.source.model}, {"stream", o.stream},
                   {"seed", o.seed}, {"tasks_learnt", state.task},
                   {"optimizer", {{"lr", config.optimizer.lr}, {"beta1", config.optimizer.beta1}, {"beta2", config.optimizer.beta2},
                                  {"clip", config.optimizer.clip}, {"batch", config.batch}, {"task_steps", config.task_steps}}}};
      write_file_atomically(out / "run.json", json.dump(1) + "\n");
    };
    Log log;
    if (o.resume) log.read(out / "log.jsonl", state);
    write_run(false);

    RunHooks<Backend> hooks;
    hooks.clock = now;
    hooks.stop = [] { return interrupted != 0; };
    hooks.on_step = [&](const StepLog& step) {
      Log::Line line{step.task, step.step, {{"lr", step.result.lr}, {"grad_norm", step.result.gradient_norm},
                                            {"tokens_per_second", step.tokens_per_second}}};
      std::string shown = o.method + "  task " + std::to_string(step.task + 1) + "/" + std::to_string(config.joint ? 1 : data.size()) +
                          " step " + std::to_string(step.step) + "/" + std::to_string(step.steps);
      for (const auto& [name, value] : step.result.terms) {
        line.values[name] = value;
        shown += "  " + name + " " + fixed(value, 3);
      }
      log.lines.push_back(std::move(line));
      shown += "  " + fixed(step.tokens_per_second, 0) + " tokens/s";
      if (step.tokens_per_second > 0) {
        const double done = static_cast<double>(step.task) + static_cast<double>(step.step) / static_cast<double>(step.steps);
        const double rest = static_cast<double>(config.joint ? 1 : data.size()) - done;
        shown += "  eta " + fixed(progress.seconds() * rest / std::max(done, 1e-9), 0) + " s";
      }
      progress.update(shown);
    };
    hooks.on_row = [&](Index after) {
      write_file_atomically(out / "scores.csv", scores_csv(state.scores, names));
      std::string row = o.method + "  after " + std::to_string(after) + (after == 1 ? " task :" : " tasks:");
      for (Index t = 0; t < state.scores.tasks(); ++t) row += padded(fixed(state.scores.at(after, t).value(), 1), 7);
      progress.keep(row);
    };
    hooks.save = [&](const RunState& saved, AdamW<Backend>* optimizer) {
      save_checkpoint(checkpoint, learner.model(), optimizer, saved, fingerprint);
      log.write(out / "log.jsonl");
    };
    hooks.load = [&](AdamW<Backend>* optimizer) { load_checkpoint(checkpoint, learner.model(), optimizer); };

    const Id end = tokenizer.eos().value_or(-1);
    outcome.finished = run_stream<Backend>(learner, data, config, Rng(o.seed), state, hooks, end,
                                           [&](const std::vector<Id>& ids) { return tokenizer.decode(ids); });
    log.write(out / "log.jsonl");
    write_run(outcome.finished);
    outcome.report = make_report(o, state, data, log);
    outcome.facts = {{"model", o.source.model}, {"stream", o.stream}, {"seed", std::to_string(o.seed)}, {"version", version},
                     {"kernel", std::string(cpu::isa_name(cpu::isa()))}, {"threads", std::to_string(pool().threads())}, {"machine", machine()}};
    if (!outcome.finished) return;
    write_file_atomically(out / "metrics.json", metrics_json(outcome.report.metrics));
    for (const std::string& term : log.silent_terms()) progress.keep("warning: the loss term '" + term + "' was 0 during the whole run");
    fs::create_directories(out / "adapter");
    const bool deltas = o.method != "seqft" && o.method != "moduleformer";
    save_parameters(out / "adapter" / "adapter.safetensors", learner.model(), {{"format", "cmoe adapter 1"}, {"method", o.method}},
                    [&](const std::string& name) {
                      return !deltas || name.find(".delta.") != std::string::npos || name.rfind("gate.", 0) == 0;
                    });
    write_file_atomically(out / "report.html",
                          html({"cmoe learn " + o.method, "One stream, one method", {outcome.report}, outcome.facts}));
  });
  return outcome;
}

OpenedRun open_run(const std::string& folder, const ModelOptions& source, Progress& progress) {
  const fs::path path = fs::path(folder) / "checkpoint" / "state.safetensors";
  LearnOptions options;
  RunState state;
  if (folder.empty()) {
    options.method = is_moduleformer_folder(source.model) ? "moduleformer" : "seqft";  // a plain model is a learner that has learnt nothing
    options.source = source;
  } else {
    options = read_run(folder);
    state = read_checkpoint_state(path, "");
  }
  return with_learner(options, progress, [&]<class L>(L& learner, const Tokenizer& tokenizer, Index context) {
    const auto kept = std::make_shared<L>(std::move(learner));
    if (!folder.empty()) {
      for (Index t = 0; t < state.task + (state.step > 0 ? 1 : 0); ++t) kept->before_task(t, EncodedTask{});
      load_checkpoint(path, kept->model(), static_cast<AdamW<Backend>*>(nullptr));
    }
    OpenedRun run{options, tokenizer, context, options.method == "pmoe" || options.method == "moduleformer", {}, {}, {}};
    run.score = [kept, tokenizer](const EncodedTask& data, Index task) {
      return cmoe::evaluate<Backend>(*kept, data, task, tokenizer.eos().value_or(-1),
                                     [&](const std::vector<Id>& ids) { return tokenizer.decode(ids); });
    };
    run.count = [kept](const Batch<Backend>& batch) { return cmoe::detail::count_batch(*kept, batch, Index{-1}); };
    run.generate = [kept](const std::vector<Id>& prompt, Index limit, Id end, const Sampling& how, Rng rng,
                          const std::function<bool(Id)>& each) {
      return cmoe::generate(kept->model(), prompt, limit, end, how, rng, Flow<Backend>{}, each);
    };
    return run;
  });
}

}  // namespace program
