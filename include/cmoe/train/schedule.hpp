// Learning-rate schedules.
#pragma once

#include <algorithm>
#include <cmath>
#include <numbers>

#include "cmoe/core/shape.hpp"

namespace cmoe {

// How the rate falls.
enum class Decay { constant, linear, cosine };

// The factor on the learning rate at a step: rises as step/warmup, then stays, falls in a line, or falls as half a cosine, from 1
// to `floor` at the last step. Steps count from 0, so with a warm-up the first factor is 0, as in transformers' schedules.
struct Schedule {
  Decay decay = Decay::cosine;
  Index warmup = 0;
  double floor = 0;

  double operator()(Index step, Index total) const {
    if (step < warmup) return static_cast<double>(step) / static_cast<double>(warmup);
    if (decay == Decay::constant) return 1;
    const double progress = std::clamp(static_cast<double>(step - warmup) / static_cast<double>(std::max<Index>(1, total - warmup)), 0.0, 1.0);
    const double falling = decay == Decay::linear ? 1 - progress : 0.5 * (1 + std::cos(std::numbers::pi * progress));
    return floor + (1 - floor) * falling;
  }
};

}  // namespace cmoe
