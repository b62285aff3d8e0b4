// Runs: learning a stream into a folder, and opening such a folder again.
#pragma once

#include "cmoe/continual/task.hpp"
#include "cmoe/io/report.hpp"
#include "options.hpp"
#include "progress.hpp"

namespace program {

// The stream by its option, in the order asked for. throws cmoe::Error
cmoe::Stream load_stream(const std::string& stream, const std::string& order, std::uint64_t seed);

struct RunResult {
  cmoe::MethodReport report;
  std::vector<std::pair<std::string, std::string>> facts;  // what was run on what
  bool finished = true;                                    // false: interrupted, resumable
};

// Learns and writes the run folder. throws cmoe::Error
RunResult run_learning(const LearnOptions& options, Progress& progress);

// The options a run folder was made with, and how many tasks it has learnt. throws cmoe::Error (format) if it is no run folder
LearnOptions read_run(const std::string& folder, std::vector<std::string>* tasks = nullptr);

}  // namespace program
