// Gradients.
//
// While a Tape lives, operations are recorded; backward() plays them in reverse and every parameter ends up with its gradient.
// There is nothing to switch off: without a tape nothing is recorded, and a frozen parameter costs nothing. This essay fits a
// small network to a function, checks one derivative against the difference quotient, and freezes half of the network.
//
// run:      bin/example_02_autograd
// ends with "frozen weights moved: no, the others: yes"

#include <cmath>
#include <cstdio>

#include "cmoe/cpu/cpu.hpp"
#include "cmoe/nn/linear.hpp"
#include "cmoe/ops/elementwise.hpp"
#include "cmoe/ops/reduce.hpp"
#include "cmoe/train/adamw.hpp"

using namespace cmoe;
using B = Cpu<double>;  // gradients are checked in double; the same code runs in float

// A module is a plain struct: parameters, what it computes, and one line that names its fields for whoever counts or saves them.
struct Net {
  Linear<B> first, second;

  explicit Net(const Rng& rng) : first(1, 24, rng.fork("first"), true), second(24, 1, rng.fork("second"), true) {}
  Tensor<B> operator()(const Tensor<B>& x) const { return second(tanh(first(x))); }

  using Backend = B;
  static void visit(auto& self, auto&& v) {
    v("first", self.first);
    v("second", self.second);
  }
};

int main() {
  // Data: 64 points of sin(3x).
  std::vector<double> xs, ys;
  for (int i = 0; i < 64; ++i) {
    xs.push_back(-1 + 2.0 * i / 63);
    ys.push_back(std::sin(3 * xs.back()));
  }
  const Tensor<B> x({64, 1}, std::span<const double>(xs)), y({64, 1}, std::span<const double>(ys));

  Net net(Rng(7));
  const auto error = [&] { return mean(square(net(x) - y)); };  // scalar

  // One derivative, twice: from the tape, and from the difference quotient.
  {
    Tape<B> tape;
    tape.backward(error());
  }
  const double by_tape = net.first.weight.grad().values()[5];
  double* weight = net.first.weight.data() + 5;
  const double kept = *weight, step = 1e-6;
  *weight = kept + step;
  const double above = error().item();  // no tape lives: this records nothing
  *weight = kept - step;
  const double below = error().item();
  *weight = kept;
  std::printf("derivative: tape and quotient agree to 1e-8: %s\n", std::abs(by_tape - (above - below) / (2 * step)) < 1e-8 ? "yes" : "no");

  // The loop: record, play back, update.
  clear_gradients(net);
  AdamW<B> optimizer({.lr = 0.02});
  optimizer.add_module(net);
  for (int i = 0; i <= 400; ++i) {
    Tape<B> tape;
    const Tensor<B> loss = error();
    if (i % 50 == 0 && i <= 100) std::printf("step %3d: error %.2f\n", i, loss.item());
    tape.backward(loss);
    optimizer.step();  // also clears the gradients
  }

  // A frozen parameter has no gradient and no place in the optimiser, so nothing can move it, not even weight decay.
  freeze(net.first);
  const std::uint64_t first = hash(net.first), second = hash(net.second);
  AdamW<B> last_layer({.lr = 0.01, .weight_decay = 0.1});
  last_layer.add_module(net);
  {
    Tape<B> tape;
    tape.backward(error());
  }
  last_layer.step();
  std::printf("%lld of %lld parameters are trained\n", static_cast<long long>(parameter_count(net, Count::trainable)),
              static_cast<long long>(parameter_count(net)));
  std::printf("frozen weights moved: %s, the others: %s\n", hash(net.first) == first ? "no" : "yes", hash(net.second) == second ? "no" : "yes");
}
