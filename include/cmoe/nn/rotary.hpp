// Rotary position embedding.                                                                   arXiv 2104.09864
#pragma once

#include <cmath>
#include <numbers>

#include "cmoe/autograd/tape.hpp"

namespace cmoe {

// Which two elements of a head turn together: (2p, 2p+1) as in llama2.c, or (p, p + D/2) as in Hugging Face files.
enum class RotaryLayout { adjacent, halves };

// How a model reads more positions than it was first trained on: the frequency of pair p is divided.
//     linear    by the factor
//     llama3    by the factor where a turn is longer than context/low_frequency, by 1 where it is shorter than
//               context/high_frequency, and in between by what interpolates the frequencies; as Llama 3.1 was released
//     listed    by divisors[p]: what GGUF files hold
struct RotaryScaling {
  enum class Kind { none, linear, llama3, listed };
  Kind kind = Kind::none;
  double factor = 1, low_frequency = 1, high_frequency = 4;
  Index context = 8192;          // positions before the scaling
  std::vector<double> divisors = {};  // (D/2)

  // throws Error if a number makes no sense for heads of this size
  void validate(Index head_size) const {
    check(factor > 0 && std::isfinite(factor), ErrorKind::config, "rotary: the scaling factor ", factor, " is not positive");
    check(kind != Kind::llama3 || (low_frequency > 0 && high_frequency > low_frequency && context > 0), ErrorKind::config,
          "rotary: llama3 scaling between frequencies ", low_frequency, " and ", high_frequency, " of ", context, " positions");
    if (kind != Kind::listed) return;
    check(std::cmp_equal(divisors.size(), head_size / 2), ErrorKind::config, "rotary: ", divisors.size(), " divisors for heads of size ", head_size);
    for (double d : divisors) check(d > 0 && std::isfinite(d), ErrorKind::config, "rotary: the divisor ", d, " is not positive");
  }

  double scaled(double frequency, Index pair) const {
    if (kind == Kind::none) return frequency;
    if (kind == Kind::linear) return frequency / factor;
    if (kind == Kind::listed) return frequency / divisors[static_cast<std::size_t>(pair)];
    const double turns = static_cast<double>(context) * frequency / (2 * std::numbers::pi);  // in the first context
    if (turns < low_frequency) return frequency / factor;
    if (turns > high_frequency) return frequency;
    const double kept = (turns - low_frequency) / (high_frequency - low_frequency);
    return (1 - kept) * frequency / factor + kept * frequency;
  }
};

// cos and sin of position · base^(−2p/D), scaled, for positions 0..positions-1, tables (positions, D/2), computed in double.
template <class B>
struct RotaryTable {
  Array<B> cosine, sine;

  RotaryTable() = default;
  RotaryTable(Index positions, Index head_size, double base, const RotaryScaling& scaling = {}) {
    check(head_size > 0 && head_size % 2 == 0, ErrorKind::config, "rotary: the head size ", head_size, " is not even");
    check(base > 0, ErrorKind::config, "rotary: the base ", base, " is not positive");
    scaling.validate(head_size);
    const Index half = head_size / 2;
    std::vector<double> frequencies;
    for (Index p = 0; p < half; ++p)
      frequencies.push_back(scaling.scaled(std::pow(base, -2.0 * static_cast<double>(p) / static_cast<double>(head_size)), p));
    std::vector<typename B::Scalar> c, s;
    c.reserve(static_cast<std::size_t>(checked_product(positions, half)));
    s.reserve(c.capacity());
    for (Index t = 0; t < positions; ++t)
      for (double frequency : frequencies) {
        const double angle = static_cast<double>(t) * frequency;
        c.push_back(static_cast<typename B::Scalar>(std::cos(angle)));
        s.push_back(static_cast<typename B::Scalar>(std::sin(angle)));
      }
    cosine = Array<B>({positions, half}, std::span<const typename B::Scalar>(c));
    sine = Array<B>({positions, half}, std::span<const typename B::Scalar>(s));
  }
  Index positions() const { return cosine ? cosine.shape()[0] : 0; }
};

// Turns each pair of x (N,T,H,D) by its position's angle; the first token stands at position `start`.
// gradient: the turn backwards. throws Error if a position is beyond the table
template <class B>
Tensor<B> rotary(const Tensor<B>& x, const RotaryTable<B>& table, RotaryLayout layout, Index start = 0) {
  using Real = typename B::Scalar;
  const Shape& s = x.shape();
  check(s.rank() == 4 && s[3] == 2 * table.cosine.shape()[1], "rotary: ", s, " for tables ", table.cosine.shape());
  check(start >= 0 && start + s[1] <= table.positions(), ErrorKind::index, "rotary: position ", start + s[1] - 1,
        " is beyond the context of ", table.positions(), " tokens");
  const Array<B> c = table.cosine.rows(start, start + s[1]), sn = table.sine.rows(start, start + s[1]);
  const bool adjacent = layout == RotaryLayout::adjacent;
  Array<B> y(s);
  B::rotary(s[0], s[1], s[2], s[3], adjacent, Real(1), c.data(), sn.data(), x.data(), y.data());
  return Tape<B>::record(std::move(y), {&x}, [=, dx = x.slot()](const Array<B>& dy) {
    const Shape& shape = dy.shape();
    Array<B> gradient(shape);
    B::rotary(shape[0], shape[1], shape[2], shape[3], adjacent, Real(-1), c.data(), sn.data(), dy.data(), gradient.data());
    dx.add(std::move(gradient));
  });
}

}  // namespace cmoe
