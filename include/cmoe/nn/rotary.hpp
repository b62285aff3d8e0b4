// Rotary position embedding.                                                                   arXiv 2104.09864
#pragma once

#include <cmath>

#include "cmoe/autograd/tape.hpp"

namespace cmoe {

// Which two elements of a head turn together: (2p, 2p+1) as in llama2.c, or (p, p + D/2) as in Hugging Face files.
enum class RotaryLayout { adjacent, halves };

// cos and sin of position · base^(−2p/D) for positions 0..positions-1, tables (positions, D/2), computed in double.
template <class B>
struct RotaryTable {
  Array<B> cosine, sine;

  RotaryTable() = default;
  RotaryTable(Index positions, Index head_size, double base) {
    check(head_size > 0 && head_size % 2 == 0, ErrorKind::config, "rotary: the head size ", head_size, " is not even");
    check(base > 0, ErrorKind::config, "rotary: the base ", base, " is not positive");
    const Index half = head_size / 2;
    std::vector<typename B::Scalar> c, s;
    for (Index t = 0; t < positions; ++t)
      for (Index p = 0; p < half; ++p) {
        const double angle = static_cast<double>(t) * std::pow(base, -2.0 * static_cast<double>(p) / static_cast<double>(head_size));
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
