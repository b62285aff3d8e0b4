// What a report is made of: the results of each method, as plain data.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "cmoe/continual/metrics.hpp"
#include "cmoe/core/shape.hpp"

namespace cmoe {

// What one method did on one stream. What was not measured stays empty and is left out of the page.
struct MethodReport {
  struct Point {
    Index task = 0, step = 0;  // task 0.., step within the task or over the whole run
    double value = 0;
  };
  std::string method;
  ScoreMatrix scores;
  std::vector<std::string> tasks;  // names, in the order of learning
  Metrics metrics;
  double seconds = 0;
  Index trainable = 0, stored = 0;                   // parameters: trained per task at most, kept at the end
  std::map<std::string, std::vector<Point>> curves;  // loss terms by name
  std::vector<std::vector<double>> routing;          // row: true task, column: share (0..1) of an expert
  std::vector<Index> growth;                         // stored parameters after each task
};

// What the page of one or more runs shows.
struct Report {
  std::string title, subtitle;
  std::vector<MethodReport> methods;
  std::vector<std::pair<std::string, std::string>> facts;  // model, stream, seed, version, machine
};

}  // namespace cmoe
