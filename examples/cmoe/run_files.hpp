// What a run folder holds beside weights: its options, its log, where it was made.
#pragma once

#include <filesystem>
#include <map>

#include "cmoe/continual/stream_run.hpp"
#include "cmoe/io/json.hpp"
#include "run.hpp"

namespace program {

// The options that decide what a run computes, as they are written to run.json and compared on resuming.
cmoe::Json options_json(const LearnOptions& options);
LearnOptions options_of(const cmoe::Json& json, const std::string& name);

// The run's log in memory; a resumed run goes on from the lines that its checkpoint covers.
struct Log {
  struct Line {
    cmoe::Index task, step;
    std::map<std::string, double> values;
  };
  std::vector<Line> lines;

  void add(const cmoe::StepLog& step);
  void read(const std::filesystem::path& path, const cmoe::RunState& state);
  void write(const std::filesystem::path& path) const;
  std::vector<std::string> silent_terms() const;  // loss terms that were 0 in every line
};

// The report of a run so far.
cmoe::MethodReport make_report(const LearnOptions& o, const cmoe::RunState& state, const std::vector<std::string>& tasks, const Log& log);

// A list separated by commas; empty parts are left out.
std::vector<std::string> split(const std::string& list);

// What run.json says beside the options.
struct RunOutline {
  std::vector<std::string> tasks;
  cmoe::Index parameters;
  std::uint64_t hash;
  bool finished;
};
void write_run_json(const LearnOptions& o, const RunOutline& outline, const cmoe::RunConfig& config, const cmoe::RunState& state);

// metrics.json and report.html of a finished run.
void write_results(const LearnOptions& o, const RunResult& result);

// Where a run was made, as the report shows it.
std::vector<std::pair<std::string, std::string>> run_facts(const LearnOptions& o);

// Progress: a step, and a row of scores, which also goes to scores.csv.
void show_step(const LearnOptions& o, const cmoe::StepLog& step, cmoe::Index stages, Progress& progress);
void show_row(const LearnOptions& o, const cmoe::ScoreMatrix& scores, const std::vector<std::string>& names, cmoe::Index after, Progress& progress);

std::string machine();                 // the processor's name
std::string hex(std::uint64_t value);  // 16 digits

}  // namespace program
