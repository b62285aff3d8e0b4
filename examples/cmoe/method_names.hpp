// The methods there are.
#pragma once

#include <string>
#include <vector>

#include "cmoe/core/error.hpp"

namespace program {

struct Method {
  std::string name, what;
};

inline const std::vector<Method>& methods() {
  static const std::vector<Method> all = {
      {"pmoe", "PMoE: one LoRA expert a task in the deep layers, one router (arXiv 2407.21571)"},
      {"moduleformer", "ModuleFormer: new modules a task in a sparse modular decoder (arXiv 2306.04640)"},
      {"seqft", "all weights, one task after another"},
      {"seqlora", "one LoRA, one task after another"},
      {"replay", "seqlora with a memory of old items"},
      {"pertask", "one LoRA a task, told which task it is: an upper bound"},
      {"multitask", "one LoRA on all tasks at once: an upper bound"}};
  return all;
}

inline void check_method(const std::string& name) {
  std::string known;
  for (const Method& m : methods()) {
    if (m.name == name) return;
    known += (known.empty() ? "" : ", ") + m.name;
  }
  cmoe::fail(cmoe::ErrorKind::config, "--method '", name, "' is unknown; there are ", known);
}

}  // namespace program
