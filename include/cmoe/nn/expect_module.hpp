// What every module must fulfil, checked: a forgotten field is a parameter that is never trained and never saved.
#pragma once

#include <set>

#include "cmoe/autograd/gradcheck.hpp"
#include "cmoe/nn/module.hpp"

namespace cmoe {

namespace detail {
template <class B>
B backend_of(const Tensor<B>&);
}

// Builds a module and runs it once: as many parameters must come to life as visit() reports, under names that differ; a gradient
// must reach each that is not frozen, and agree with central differences.
//     expect_module<Linear<B>>([] { return Linear<B>(3, 2, Rng(1), true); }, [&](const auto& m) { return m(x); });
// make: () -> M, run: (const M&) -> Tensor<B> with a double scalar, so a pure function of the parameters
// throws Error (misuse) that says what is violated
template <class M, class Make, class Run>
void expect_module(Make&& make, Run&& run, double tolerance = 1e-6) {
  using B = decltype(detail::backend_of(run(std::declval<const M&>())));
  const Index before = Param<B>::live();
  M module = make();
  const Index born = Param<B>::live() - before;

  std::set<std::string> names;
  std::vector<std::pair<std::string, Tensor<B>*>> trained;
  for_each_param(module, [&](const std::string& name, Param<B>& p) {
    check(names.insert(name).second, ErrorKind::misuse, "expect_module: two parameters have the name ", name);
    if (!p.frozen()) trained.emplace_back(name, &p);
  });
  const auto reported = static_cast<Index>(names.size());
  check(born == reported, ErrorKind::misuse, "expect_module: building it made ", born, " parameters but visit() reports ",
        reported);

  {
    Tape<B> tape;
    const Tensor<B> y = run(std::as_const(module));
    if (!trained.empty()) tape.backward(y, Array<B>(y.shape(), 1));
  }
  for (const auto& [name, p] : trained)
    check(static_cast<bool>(p->grad()), ErrorKind::misuse, "expect_module: no gradient reaches ", name, " ", p->shape());
  if (trained.empty()) return;
  const GradientDeviation deviation = gradcheck_leaves<B>([&] { return run(std::as_const(module)); }, trained, 1e-6, 16);
  check(deviation.worst <= tolerance, ErrorKind::misuse, "expect_module: the gradient is wrong: ", deviation.where);
}

}  // namespace cmoe
