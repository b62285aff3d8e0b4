// Elementwise formulas, each written once with its derivative: x is a vector pack on the CPU, a number on the GPU.
#pragma once

#include <xtl/xmeta_utils.hpp>

#include "cmoe/core/scalar.hpp"

namespace cmoe::fn {

// A constant in the precision of x.
template <class X>
constexpr real_of<X> as(const X&, double value) {
  return static_cast<real_of<X>>(value);
}

// One argument: y = f(x) and df(x, y) = dy/dx.
struct Negate {
  static constexpr auto f(const auto& x) { return -x; }
  static constexpr auto df(const auto& x, const auto&) { return x * 0 - 1; }
};
struct Square {
  static constexpr auto f(const auto& x) { return x * x; }
  static constexpr auto df(const auto& x, const auto&) { return 2 * x; }
};
struct Exp {
  static constexpr auto f(const auto& x) { return exp(x); }
  static constexpr auto df(const auto&, const auto& y) { return y; }
};
struct Log {  // x > 0
  static constexpr auto f(const auto& x) { return log(x); }
  static constexpr auto df(const auto& x, const auto&) { return 1 / x; }
};
struct Tanh {
  static constexpr auto f(const auto& x) { return tanh(x); }
  static constexpr auto df(const auto&, const auto& y) { return 1 - y * y; }
};
struct Sigmoid {
  static constexpr auto f(const auto& x) { return sigmoid(x); }
  static constexpr auto df(const auto&, const auto& y) { return y * (1 - y); }
};
struct Softplus {  // log(1 + e^x)
  static constexpr auto f(const auto& x) { return softplus(x); }
  static constexpr auto df(const auto& x, const auto&) { return sigmoid(x); }
};
struct Relu {  // the derivative at 0 is 0
  static constexpr auto f(const auto& x) { return max(x, as(x, 0)); }
  static constexpr auto df(const auto& x, const auto&) { return select(x > as(x, 0), x * 0 + 1, x * 0); }
};
struct Silu {  // x σ(x)
  static constexpr auto f(const auto& x) { return x * sigmoid(x); }
  static constexpr auto df(const auto& x, const auto& y) { return sigmoid(x) * (1 - y) + y; }
};
struct Gelu {  // x Φ(x) with the error function
  static constexpr auto f(const auto& x) { return as(x, 0.5) * x * (1 + erf(x * as(x, 0.70710678118654752440))); }
  static constexpr auto df(const auto& x, const auto&) {
    return as(x, 0.5) * (1 + erf(x * as(x, 0.70710678118654752440))) + x * exp(as(x, -0.5) * x * x) * as(x, 0.39894228040143267794);
  }
};
struct GeluTanh {  // ½ x (1 + tanh(√(2/π) (x + 0.044715 x³))), "gelu_new"
  static constexpr auto f(const auto& x) { return as(x, 0.5) * x * (1 + tanh(inner(x))); }
  static constexpr auto df(const auto& x, const auto&) {
    const auto t = tanh(inner(x));
    const auto slope = as(x, 0.79788456080286535588) * (1 + as(x, 0.134145) * x * x);
    return as(x, 0.5) * (1 + t) + as(x, 0.5) * x * (1 - t * t) * slope;
  }
  static constexpr auto inner(const auto& x) { return as(x, 0.79788456080286535588) * (x + as(x, 0.044715) * x * x * x); }
};

// Two arguments: y = f(a, b), da(a, b, y) = dy/da and db(a, b, y) = dy/db. One whose derivatives read y says so with a
// member `reads_result`; the y of the others is not kept for the way back.
struct Add {
  static constexpr auto f(const auto& a, const auto& b) { return a + b; }
  static constexpr auto da(const auto& a, const auto&, const auto&) { return a * 0 + 1; }
  static constexpr auto db(const auto&, const auto& b, const auto&) { return b * 0 + 1; }
};
struct Subtract {
  static constexpr auto f(const auto& a, const auto& b) { return a - b; }
  static constexpr auto da(const auto& a, const auto&, const auto&) { return a * 0 + 1; }
  static constexpr auto db(const auto&, const auto& b, const auto&) { return b * 0 - 1; }
};
struct Multiply {
  static constexpr auto f(const auto& a, const auto& b) { return a * b; }
  static constexpr auto da(const auto&, const auto& b, const auto&) { return b; }
  static constexpr auto db(const auto& a, const auto&, const auto&) { return a; }
};
struct Divide {
  static constexpr bool reads_result = true;
  static constexpr auto f(const auto& a, const auto& b) { return a / b; }
  static constexpr auto da(const auto&, const auto& b, const auto&) { return 1 / b; }
  static constexpr auto db(const auto&, const auto& b, const auto& y) { return -y / b; }
};
struct Second {  // b alone: b repeated over a
  static constexpr auto f(const auto&, const auto& b) { return b; }
};
struct SwiGlu {  // silu(a) b: the gated activation of Llama, arXiv 2002.05202
  static constexpr auto f(const auto& a, const auto& b) { return a * sigmoid(a) * b; }
  static constexpr auto da(const auto& a, const auto& b, const auto&) {
    const auto s = sigmoid(a);
    return b * (s * (1 + a * (1 - s)));
  }
  static constexpr auto db(const auto& a, const auto&, const auto&) { return a * sigmoid(a); }
};

// Every formula by kind: what a backend compiles, and what the gradient table tests.
using Unary = xtl::mpl::vector<Negate, Square, Exp, Log, Tanh, Sigmoid, Softplus, Relu, Silu, Gelu, GeluTanh>;
using Binary = xtl::mpl::vector<Add, Subtract, Multiply, Divide, SwiGlu>;

}  // namespace cmoe::fn
