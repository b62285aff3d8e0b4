// cmoe learn: one stream, one method, one run folder.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "cmoe/continual/builtin_stream.hpp"
#include "cmoe/io/checkpoint.hpp"
#include "cmoe/io/run_folder.hpp"
#include "cmoe/io/stream.hpp"
#include "interrupt.hpp"
#include "methods.hpp"
#include "run.hpp"
#include "table.hpp"
#include "version.hpp"

namespace program {

using namespace cmoe;
namespace fs = std::filesystem;

namespace {

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> parts;
  std::stringstream in(list);
  for (std::string part; std::getline(in, part, ',');)
    if (!part.empty()) parts.push_back(part);
  return parts;
}

// The options that decide what a run computes, as they are written to run.json and compared on resuming.
Json options_json(const LearnOptions& o) {
  const MethodOptions& m = o.options;
  return {{"method", o.method}, {"model", o.source.model}, {"tokenizer", o.source.tokenizer}, {"stream", o.stream}, {"order", o.order},
          {"task_epochs", o.task_epochs}, {"task_steps", o.task_steps}, {"train_limit", o.train_limit}, {"test_limit", o.test_limit},
          {"window", o.window}, {"prompt_tokens", o.prompt_tokens}, {"max_tokens", o.max_tokens}, {"batch", o.batch},
          {"accumulate", o.accumulate}, {"seed", o.seed}, {"rank", m.rank}, {"lr", m.lr}, {"pmoe_boundary", m.pmoe_boundary},
          {"pmoe_shallow", m.pmoe_shallow}, {"pmoe_dispatch", m.pmoe_dispatch}, {"pmoe_memory", m.pmoe_memory},
          {"pmoe_router_weight", m.pmoe_router_weight}, {"pmoe_router_rate", m.pmoe_router_rate},
          {"pmoe_memory_batch", m.pmoe_memory_batch}, {"replay_memory", m.replay_memory}, {"replay_batch", m.replay_batch},
          {"moduleformer_attention_experts", m.moduleformer_attention_experts}, {"moduleformer_feed_experts", m.moduleformer_feed_experts},
          {"moduleformer_memory", m.moduleformer_memory}, {"moduleformer_memory_batch", m.moduleformer_memory_batch}};
}

LearnOptions options_of(const Json& j, const std::string& name) {
  LearnOptions o;
  MethodOptions& m = o.options;
  const auto get = [&](const char* key, auto& field) { field = required<std::remove_reference_t<decltype(field)>>(j, key, name); };
  get("method", o.method), get("model", o.source.model), get("tokenizer", o.source.tokenizer), get("stream", o.stream), get("order", o.order);
  get("task_epochs", o.task_epochs), get("task_steps", o.task_steps), get("train_limit", o.train_limit), get("test_limit", o.test_limit);
  get("window", o.window), get("prompt_tokens", o.prompt_tokens), get("max_tokens", o.max_tokens), get("batch", o.batch);
  get("accumulate", o.accumulate), get("seed", o.seed), get("rank", m.rank), get("lr", m.lr), get("pmoe_boundary", m.pmoe_boundary);
  get("pmoe_shallow", m.pmoe_shallow), get("pmoe_dispatch", m.pmoe_dispatch), get("pmoe_memory", m.pmoe_memory);
  get("pmoe_router_weight", m.pmoe_router_weight), get("pmoe_router_rate", m.pmoe_router_rate);
  get("pmoe_memory_batch", m.pmoe_memory_batch), get("replay_memory", m.replay_memory), get("replay_batch", m.replay_batch);
  get("moduleformer_attention_experts", m.moduleformer_attention_experts), get("moduleformer_feed_experts", m.moduleformer_feed_experts);
  get("moduleformer_memory", m.moduleformer_memory), get("moduleformer_memory_batch", m.moduleformer_memory_batch);
  return o;
}

// The run's log in memory; a resumed run goes on from the lines that its checkpoint covers.
struct Log {
  struct Line {
    Index task, step;
    std::map<std::string, double> values;
  };
  std::vector<Line> lines;

  void read(const fs::path& path, const RunState& state) {
    if (!fs::exists(path)) return;
    std::stringstream in(read_file(path));
    for (std::string text; std::getline(in, text);) {
      const Json json = parse_json(text, path.string());
      Line line{required<Index>(json, "task", path.string()), required<Index>(json, "step", path.string()), {}};
      if (line.task > state.task || (line.task == state.task && line.step > state.step)) break;
      for (const auto& [key, value] : json.items())
        if (key != "task" && key != "step" && value.is_number()) line.values[key] = value.get<double>();
      lines.push_back(std::move(line));
    }
  }
  void write(const fs::path& path) const {
    std::string text;
    for (const Line& line : lines) text += log_line(line.task, line.step, line.values) + "\n";
    write_file_atomically(path, text);
  }
};

std::string machine() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);)
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  return "unknown";
}

std::string hex(std::uint64_t value) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
  return text;
}

// Loss terms that were zero in every line: said once, so that a term that does nothing is not mistaken for one that works.
void warn_of_silent_terms(const Log& log, Progress& progress) {
  std::map<std::string, bool> alive;
  for (const Log::Line& line : log.lines)
    for (const auto& [name, value] : line.values) alive[name] = alive[name] || value != 0;
  for (const auto& [name, some] : alive)
    if (!some) progress.keep("warning: the loss term '" + name + "' was 0 during the whole run");
}

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

Stream load_stream(const std::string& stream, const std::string& order, std::uint64_t seed) {
  Stream tasks = stream == "builtin" ? builtin_stream(seed) : read_stream(stream);
  if (order.empty()) return tasks;
  Stream chosen;
  for (const std::string& name : split(order)) {
    const auto found = std::find_if(tasks.begin(), tasks.end(), [&](const Task& t) { return t.name == name; });
    std::string known;
    for (const Task& t : tasks) known += (known.empty() ? "" : ", ") + t.name;
    check(found != tasks.end(), ErrorKind::config, "--order names '", name, "'; the stream has ", known);
    chosen.push_back(*found);
  }
  return chosen;
}

LearnOptions read_run(const std::string& folder, std::vector<std::string>* tasks) {
  const fs::path path = fs::path(folder) / "run.json";
  const Json json = read_json(path);
  check(json.contains("options"), ErrorKind::format, path.string(), ": not a run: no options");
  if (tasks) *tasks = required<std::vector<std::string>>(json, "tasks", path.string());
  LearnOptions o = options_of(json.at("options"), path.string());
  o.out = folder;
  return o;
}

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
      const double left_of_task = static_cast<double>((step.steps - step.step) * config.batch);
      shown += "  " + fixed(step.tokens_per_second, 0) + " tokens/s";
      if (step.tokens_per_second > 0) {
        const double done = static_cast<double>(step.task) + static_cast<double>(step.step) / static_cast<double>(step.steps);
        const double rest = static_cast<double>(config.joint ? 1 : data.size()) - done;
        (void)left_of_task;
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
    warn_of_silent_terms(log, progress);
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

int learn(const LearnOptions& o) {
  Progress progress(o.quiet);
  const RunResult result = run_learning(o, progress);
  if (!result.finished) {
    std::fprintf(stderr, "cmoe: interrupted; everything is saved, go on with: the same command and --resume\n");
    return 130;
  }
  if (o.json) {
    Json json = {{"method", o.method}, {"out", o.out}, {"tasks", result.report.tasks}, {"scores", cmoe::detail::scores_json(result.report.scores)},
                 {"metrics", parse_json(metrics_json(result.report.metrics), "metrics")}, {"seconds", result.report.seconds}};
    std::printf("%s\n", json.dump(1).c_str());
    return 0;
  }
  std::printf("%s\n%s", score_table(result.report).c_str(), summary_table({result.report}).c_str());
  std::printf("\nreport: %s/report.html\n", o.out.c_str());
  return 0;
}

}  // namespace program
