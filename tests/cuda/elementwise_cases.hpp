// Every formula, forward and back, and the other elementwise primitives.
#pragma once

#include "cuda/draw_case.hpp"

namespace parity {

template <class B, class F>
void add_unary(std::vector<Case<B>>& cases, F) {
  cases.push_back({"map", [](Draw<B>& d) {
                     const Index n = d.size() * d.some();
                     const Array<B> x = d.numbers(n, std::is_same_v<F, cmoe::fn::Log> ? 0.1 : -9, 9), dy = d.numbers(n);
                     Array<B> y({n}), dx({n}), in_place = x.copy();
                     B::template map<F>(n, x.data(), y.data());
                     B::template map_back<F>(n, x.data(), y.data(), dy.data(), dx.data());
                     B::template map<F>(n, in_place.data(), in_place.data());
                     d.keep(y);
                     d.keep(dx);
                     d.keep(in_place);
                   }});
}

template <class B, class F>
void add_pair(std::vector<Case<B>>& cases, F) {
  cases.push_back({"zip", [](Draw<B>& d) {
                     const Index n = d.size() * d.some(), outer = d.few(), mid = d.size(), inner = d.few();
                     const Array<B> a = d.numbers(n), b = d.numbers(n, 0.5, 2), x = d.numbers(outer * mid * inner), w = d.numbers(mid, 0.5, 2);
                     Array<B> y({n}), z({outer * mid * inner});
                     B::template zip<F>(n, a.data(), b.data(), y.data());
                     B::template zip_broadcast<F>(outer, mid, inner, x.data(), w.data(), z.data());
                     d.keep(y);
                     d.keep(z);
                     if constexpr (!std::is_same_v<F, cmoe::fn::Second>) {
                       const Array<B> dy = d.numbers(n);
                       Array<B> da({n}), db({n}), alone({n});
                       B::template zip_back<F>(n, a.data(), b.data(), y.data(), dy.data(), da.data(), db.data());
                       d.keep(da);
                       d.keep(db);
                       const bool first = d.coin();
                       B::template zip_back<F>(n, a.data(), b.data(), y.data(), dy.data(), first ? alone.data() : nullptr,
                                               first ? nullptr : alone.data());
                       d.keep(alone);
                     }
                   }});
}

template <class B, class... F, class Add>
void for_formulas(std::vector<Case<B>>& cases, xtl::mpl::vector<F...>, const Add& add) {
  (add(cases, F{}), ...);
}

template <class B>
std::vector<Case<B>> elementwise_cases() {
  std::vector<Case<B>> cases;
  for_formulas(cases, cmoe::fn::Unary{}, [](auto& all, auto f) { add_unary<B>(all, f); });
  for_formulas(cases, cmoe::fn::Binary{}, [](auto& all, auto f) { add_pair<B>(all, f); });
  add_pair<B>(cases, cmoe::fn::Second{});
  cases.push_back({"fill and copy", [](Draw<B>& d) {
                     const Index n = d.size();
                     Array<B> y({n}, d.number());
                     Ids<B> ids({n}, static_cast<Id>(d.below(100)));
                     d.keep(y);
                     d.keep(ids);
                     d.keep(d.numbers(n).copy());
                   }});
  cases.push_back({"affine and axpy", [](Draw<B>& d) {
                     const Index n = d.size() * d.some();
                     const Array<B> x = d.numbers(n);
                     Array<B> y = d.numbers(n), z({n});
                     B::affine(n, d.number(), x.data(), d.number(), z.data());
                     B::axpy(n, d.number(), x.data(), y.data());
                     d.keep(z);
                     d.keep(y);
                   }});
  cases.push_back({"dropout", [](Draw<B>& d) {
                     const Index n = d.size() * d.some();
                     const Array<B> x = d.numbers(n);
                     Array<B> y({n});
                     B::dropout(n, 0.3, d.rng.next64(), x.data(), y.data());
                     d.keep(y);
                   }});
  cases.push_back({"adamw", [](Draw<B>& d) {
                     using Real = typename B::Scalar;
                     const Index n = d.size() * d.some();
                     Array<B> p = d.numbers(n), m = d.numbers(n), v = d.numbers(n, 0.01, 1);
                     const Array<B> g = d.numbers(n);
                     B::adamw(n, p.data(), g.data(), m.data(), v.data(),
                              cmoe::AdamWStep<Real>{Real(0.01), Real(0.9), Real(0.99), Real(1e-8), Real(0.1), Real(0.3), Real(0.05), Real(0.7)});
                     d.keep(p);
                     d.keep(m);
                     d.keep(v);
                   }});
  return cases;
}

}  // namespace parity
