// What ptxas says about kernels, and the list of those that must be there with the registers each may use.
#pragma once

#include <cxxabi.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

namespace kernels {

// A kernel for one architecture.
struct Compiled {
  std::string architecture;  // "sm_90"
  int registers = 0;
  int spilled = 0;  // bytes of stack, spill stores and spill loads
};
using Kernels = std::map<std::string, std::vector<Compiled>>;

// "run_teams<CausalKernel<float>>" of "void cmoe::cuda::run_teams<cmoe::cuda::CausalKernel<float> >(cmoe::cuda::...)"
inline std::string short_name(const std::string& mangled) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text(abi::__cxa_demangle(mangled.c_str(), nullptr, nullptr, &status), std::free);
  std::string name = status == 0 ? text.get() : mangled;
  if (name.starts_with("void ")) name.erase(0, 5);
  int depth = 0;
  for (std::size_t at = 0; at < name.size(); ++at) {  // the arguments go
    depth += name[at] == '<' ? 1 : name[at] == '>' ? -1 : 0;
    if (depth == 0 && name[at] == '(') name.resize(at);
  }
  for (const char* part : {"cmoe::cuda::", "cmoe::"})
    for (std::size_t at; (at = name.find(part)) != std::string::npos;) name.erase(at, std::string(part).size());
  name.erase(std::remove(name.begin(), name.end(), ' '), name.end());
  return name;
}

inline int number_before(const std::string& line, const std::string& words) {
  const std::size_t at = line.find(words);
  if (at == std::string::npos) return 0;
  const std::size_t begin = line.find_last_not_of("0123456789", at - 2);
  return std::atoi(line.c_str() + (begin == std::string::npos ? 0 : begin + 1));
}

inline void read_log(std::istream& log, Kernels& kernels) {
  std::string line, name;
  Compiled one;
  while (std::getline(log, line)) {
    const auto quoted = [&](std::size_t from) {
      const std::size_t begin = line.find('\'', from) + 1;
      return line.substr(begin, line.find('\'', begin) - begin);
    };
    if (const std::size_t at = line.find("Compiling entry function"); at != std::string::npos) {
      name = short_name(quoted(at));
      one = {quoted(line.find(" for ", at)), 0, 0};
    } else if (line.find("bytes stack frame") != std::string::npos) {
      for (const char* words : {" bytes stack frame", " bytes spill stores", " bytes spill loads"}) one.spilled += number_before(line, words);
    } else if (line.find("Used ") != std::string::npos && !name.empty()) {
      one.registers = number_before(line, " registers");
      kernels[name].push_back(one);
      name.clear();
    }
  }
}

// Lines "64 run_teams<...>": at most so many registers on any architecture.
inline std::map<std::string, int> read_budget(std::istream& lines) {
  std::map<std::string, int> budget;
  std::string line;
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    int registers = 0;
    std::string name;
    if (!line.starts_with('#') && words >> registers >> name) budget[name] = registers;
  }
  return budget;
}

// What is wrong with the kernels, in words: one missing for an architecture, one that is not in the list, registers, spills.
inline std::string faults(const Kernels& kernels, const std::map<std::string, int>& budget, const std::vector<std::string>& architectures) {
  std::string text;
  for (const auto& [name, registers] : budget) {
    const auto found = kernels.find(name);
    for (const std::string& architecture : architectures) {
      const bool there = found != kernels.end() && std::any_of(found->second.begin(), found->second.end(), [&](const Compiled& one) {
                           return one.architecture == architecture;
                         });
      if (!there) text += name + " is missing for " + architecture + "\n";
    }
  }
  for (const auto& [name, all] : kernels) {
    const auto allowed = budget.find(name);
    if (allowed == budget.end()) text += name + " is not in the list\n";
    for (const Compiled& one : all) {
      if (allowed != budget.end() && one.registers > allowed->second)
        text += name + " uses " + std::to_string(one.registers) + " registers on " + one.architecture + ", " + std::to_string(allowed->second) + " are allowed\n";
      if (one.spilled > 0) text += name + " spills " + std::to_string(one.spilled) + " bytes on " + one.architecture + "\n";
    }
  }
  return text;
}

// The list as it would be for these kernels: registers in steps of 8, in which the device gives them out.
inline std::string list_of(const Kernels& kernels) {
  std::string text;
  for (const auto& [name, all] : kernels) {
    int most = 0;
    for (const Compiled& one : all) most = std::max(most, one.registers);
    text += std::to_string((most + 7) / 8 * 8) + ' ' + name + '\n';
  }
  return text;
}

}  // namespace kernels
