// What cmoe generate and its conversations share.
#pragma once

#include "cmoe/io/json.hpp"
#include "run.hpp"

namespace program {

// One line of JSON on stdout.
void print_json(const cmoe::Json& json);
void print_part(const std::string& part);

inline cmoe::Sampling sampling(const GenerateOptions& o) { return {o.temperature, o.top_k, o.top_p, o.repetition_penalty}; }

// A conversation: with one prompt a single turn, without one a turn for each line of stdin.
int chat(const GenerateOptions& o, const OpenedRun& run, const cmoe::Ends& ends, const std::vector<std::string>& prompts);

}  // namespace program
