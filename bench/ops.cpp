// bench_ops: what recording costs: operations on 16 numbers, forward and backward, and a chain of a million. Handles are counted
// without locks as long as the process has one thread; the last figures are those of a process with two.
#include <cstdio>
#include <cstring>

#include "cmoe/core/parallel.hpp"
#include "cmoe/cpu/cpu.hpp"
#include "cmoe/ops/arithmetic.hpp"
#include "cmoe/ops/reduce.hpp"
#include "measure.hpp"

namespace {

using namespace cmoe;
using B = Cpu<float>;

// Nanoseconds an operation in a recorded chain of `length`, forward and backward together.
template <class F>
double chain(int length, F&& op) {
  Tensor<B> w({16}, 1.0f);
  w.want_gradient();
  const int rounds = std::max(1, 1000000 / length);
  const auto time = bench::measure(5, 1, [&] {
    for (int r = 0; r < rounds; ++r) {
      Tape<B> tape;
      Tensor<B> x = w;
      for (int i = 0; i < length; ++i) x = op(x, w);
      tape.backward(sum(x));
      w.clear_gradient();
    }
  });
  return time.median / rounds / length * 1e9;
}

}  // namespace

int main(int argc, char** argv) {
  const bool json = argc > 1 && std::strcmp(argv[1], "--json") == 0;
  const auto add = [](const Tensor<B>& x, const Tensor<B>& w) { return x + w; };
  const auto multiply = [](const Tensor<B>& x, const Tensor<B>& w) { return x * w; };
  const double a = chain(100, add), m = chain(100, multiply), million = chain(1000000, add);
  pool().resize(2);
  const double a2 = chain(100, add), m2 = chain(100, multiply);
  std::printf(json ? "{\"add_16_ns\": %.1f, \"multiply_16_ns\": %.1f, \"add_16_chain_of_a_million_ns\": %.1f, "
                     "\"add_16_ns_two_threads\": %.1f, \"multiply_16_ns_two_threads\": %.1f}\n"
                   : "recorded, forward and backward, on 16 numbers: add %.1f ns, multiply %.1f ns; in a chain of a million: add %.1f ns; "
                     "while a second thread lives: add %.1f ns, multiply %.1f ns\n",
              a, m, million, a2, m2);
}
