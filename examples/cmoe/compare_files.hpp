// The files of a comparison: compare.json, compare.csv, report.html; and reading finished runs back.
#pragma once

#include <map>
#include <optional>

#include "compare_plan.hpp"
#include "run.hpp"

namespace program {

// A run that ended: with a result, or with an error of one line.
struct ComparedResult {
  PlannedRun planned;
  RunResult result;
  std::string error;
  double seconds = 0;  // until the error
};

struct Comparison {
  ComparePlan plan;
  std::string out, command;
  std::map<std::size_t, ComparedResult> ended;  // by place in plan.runs
};

// The result of a run that a former call finished, or nothing. throws cmoe::Error if the folder holds a run of other options
std::optional<RunResult> read_finished(const LearnOptions& learn);

cmoe::Json comparison_json(const Comparison& comparison);

// Writes the three files, each whole or not at all.
void write_comparison(const Comparison& comparison);

// One line a method; then what a reader has to know.
std::string comparison_table(const Comparison& comparison);

}  // namespace program
