// What a comparison will run: methods x seeds x orders, checked before anything starts.
#pragma once

#include "cmoe/io/json.hpp"
#include "options.hpp"

namespace program {

struct PlannedRun {
  std::string method;
  std::uint64_t seed = 1;
  std::size_t order = 1;            // from 1
  std::vector<std::string> tasks;   // in this order
  std::string folder;               // METHOD-seedS-orderK
  LearnOptions learn;
};

struct ComparePlan {
  std::vector<std::string> methods;
  std::vector<PlannedRun> runs;  // every method once before a seed or an order is repeated
  cmoe::Json configuration;      // all that decides the results: a folder belongs to one of these
};

// throws cmoe::Error (config) for unknown or repeated methods, seeds, orders and tasks, and orders of other tasks than the first's
ComparePlan compare_plan(const CompareOptions& o);

}  // namespace program
