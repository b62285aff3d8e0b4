// The gradient table: one line for each differentiable operation, with random inputs of random shapes.
#pragma once

#include <functional>
#include <string>

#include "draw.hpp"

namespace cmoe::table {

using draw::B, draw::Draw, draw::T, draw::IdArray;

// A function and inputs to check it at.
struct Case {
  std::function<T(const std::vector<T>&)> f;
  std::vector<T> inputs;
};

struct Line {
  std::string recorded;  // the functions of include/cmoe that call Tape::record here, separated by spaces
  std::string name;
  std::function<Case(Draw&)> draw;
};

std::vector<Line> elementwise_lines();
std::vector<Line> structured_lines();
std::vector<Line> routed_lines();

}  // namespace cmoe::table
