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

  void read(const std::filesystem::path& path, const cmoe::RunState& state);
  void write(const std::filesystem::path& path) const;
  std::vector<std::string> silent_terms() const;  // loss terms that were 0 in every line
};

// The report of a run so far.
cmoe::MethodReport make_report(const LearnOptions& o, const cmoe::RunState& state, const std::vector<std::string>& tasks, const Log& log);

// A list separated by commas; empty parts are left out.
std::vector<std::string> split(const std::string& list);

std::string machine();                 // the processor's name
std::string hex(std::uint64_t value);  // 16 digits

}  // namespace program
