#include "run_files.hpp"

#include <cstdio>
#include <fstream>
#include <sstream>

#include "cmoe/continual/builtin_stream.hpp"
#include "cmoe/io/run_folder.hpp"
#include "cmoe/io/stream.hpp"
#include "method.hpp"

namespace program {

using namespace cmoe;
namespace fs = std::filesystem;

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> parts;
  std::stringstream in(list);
  for (std::string part; std::getline(in, part, ',');)
    if (!part.empty()) parts.push_back(part);
  return parts;
}

Json options_json(const LearnOptions& o) {
  Json json = {{"method", o.method}, {"model", o.source.model}, {"tokenizer", o.source.tokenizer}, {"stream", o.stream}, {"order", o.order},
               {"task_epochs", o.task_epochs}, {"task_steps", o.task_steps}, {"train_limit", o.train_limit}, {"test_limit", o.test_limit},
               {"window", o.window}, {"prompt_tokens", o.prompt_tokens}, {"max_tokens", o.max_tokens}, {"batch", o.batch},
               {"accumulate", o.accumulate}, {"seed", o.seed}, {"rank", o.rank}, {"lr", o.lr}, {"budget", o.budget}, {"ability", o.ability}};
  if (o.source.weights != "stored") json["weights"] = o.source.weights;
  if (o.dev) json["dev"] = true;
  for (const auto& [name, value] : o.options) std::visit([&](const auto& v) { json[name] = v; }, value);
  return json;
}

LearnOptions options_of(const Json& j, const std::string& name) {
  LearnOptions o;
  const auto get = [&](const std::string& key, auto& field) { field = required<std::remove_reference_t<decltype(field)>>(j, key.c_str(), name); };
  get("method", o.method), get("model", o.source.model), get("tokenizer", o.source.tokenizer), get("stream", o.stream), get("order", o.order);
  get("task_epochs", o.task_epochs), get("task_steps", o.task_steps), get("train_limit", o.train_limit), get("test_limit", o.test_limit);
  get("window", o.window), get("prompt_tokens", o.prompt_tokens), get("max_tokens", o.max_tokens), get("batch", o.batch);
  get("accumulate", o.accumulate), get("seed", o.seed), get("rank", o.rank), get("lr", o.lr);
  o.budget = optional<Index>(j, "budget", name).value_or(0);
  o.ability = optional<std::string>(j, "ability", name).value_or("");
  o.source.weights = optional<std::string>(j, "weights", name).value_or("stored");
  o.dev = optional<bool>(j, "dev", name).value_or(false);
  o.options = default_options(find_method(o.method));
  for (auto& [key, value] : o.options) std::visit([&](auto& v) { get(key, v); }, value);
  return o;
}

void Log::add(const StepLog& step) {
  Line line{step.task, step.step, {{"lr", step.result.lr}, {"grad_norm", step.result.gradient_norm}, {"tokens_per_second", step.tokens_per_second}}};
  for (const auto& [name, value] : step.result.terms) line.values[name] = value;
  lines.push_back(std::move(line));
}

void Log::read(const fs::path& path, const RunState& state) {
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
void Log::write(const fs::path& path) const {
  std::string text;
  for (const Line& line : lines) text += log_line(line.task, line.step, line.values);
  write_file_atomically(path, text);
}

std::vector<std::string> Log::silent_terms() const {
  std::map<std::string, bool> alive;
  for (const Line& line : lines)
    for (const auto& [name, value] : line.values) alive[name] = alive[name] || value != 0;
  std::vector<std::string> silent;
  for (const auto& [name, some] : alive)
    if (!some) silent.push_back(name);
  return silent;
}

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

}  // namespace program
