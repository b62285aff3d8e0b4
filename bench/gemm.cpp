// bench_gemm [--json] [--threads n]: matrix products in GF/s beside Eigen's, and as parts of the multiply-add peak of this process.
#include <Eigen/Core>

#include <chrono>
#include <cstdio>
#include <ctime>
#include <string_view>

#include "cmoe/cpu/gemm.hpp"

namespace {

using namespace cmoe;

struct Work {
  const char* use;
  Form form;
  Index m, n, k;
};

const Work works[] = {{"square", Form::nn, 64, 64, 64},          {"square", Form::nn, 256, 256, 256},
                        {"square", Form::nn, 512, 512, 512},       {"square", Form::nn, 1024, 1024, 1024},
                        {"forward, torch layout", Form::nt, 1024, 1024, 256},
                        {"weight gradient", Form::tn, 1024, 256, 1024},
                        {"expert, 16 rows", Form::nn, 16, 1024, 512}, {"expert, 16 rows", Form::nt, 16, 1024, 512},
                        {"expert, 64 rows", Form::nn, 64, 1024, 512}, {"one row", Form::nn, 1, 1024, 512},
                        {"LoRA x A", Form::nn, 1024, 8, 512},      {"LoRA .. B", Form::nn, 1024, 512, 8},
                        {"LoRA dA", Form::tn, 512, 8, 1024},       {"LoRA dB", Form::tn, 8, 512, 1024},
                        {"scores", Form::nt, 128, 128, 64},        {"tiny", Form::nn, 16, 16, 16}};

// Of one thread the processor's time counts, so that a busy machine does not spoil the figures; of several the wall clock.
double seconds() {
  if (pool().threads() == 1) return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Seconds of the fastest of a few rounds of about 10 ms each.
template <class F>
double fastest(const F& f) {
  double best = 1e9;
  Index repeats = 1;
  for (int round = 0; round < 12; ++round) {
    const double start = seconds();
    for (Index i = 0; i < repeats; ++i) f();
    const double took = (seconds() - start) / static_cast<double>(repeats);
    best = std::min(best, took);
    repeats = std::max<Index>(1, static_cast<Index>(0.01 / std::max(best, 1e-9)));
  }
  return best;
}

// Independent multiply-adds on registers: nothing a core does is faster.
struct PeakKernel {
  static constexpr Index rounds = 20000;
  static constexpr int chains = 12;
  template <int Bytes>
  [[gnu::always_inline]] static void run(double* operations, float* sink) {
    using P = cpu::Pack<float, Bytes>;
    P sums[chains];
    const P factor = *sink + 0.999f, term = *sink + 0.001f;
    for (Index r = 0; r < rounds; ++r)
#pragma GCC unroll 12
      for (int i = 0; i < chains; ++i) sums[i] = fma(sums[i], factor, term);
    for (int i = 1; i < chains; ++i) sums[0] += sums[i];
    *sink += sum(sums[0]) * 0;
    *operations = 2. * static_cast<double>(rounds) * chains * P::width;
  }
};

double peak() {
  double operations = 0;
  float sink = 0;
  return 1e-9 / fastest([&] { cpu::dispatch<PeakKernel>(&operations, &sink); }) * operations;
}

struct Result {
  double ours, eigen;
};

Result measure(const Work& s) {
  using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const Matrix a = s.form == Form::tn ? Matrix::Random(s.k, s.m) : Matrix::Random(s.m, s.k);
  const Matrix b = s.form == Form::nt ? Matrix::Random(s.n, s.k) : Matrix::Random(s.k, s.n);
  Matrix c(s.m, s.n);
  const double operations = 2. * static_cast<double>(s.m * s.n * s.k) * 1e-9;
  const double ours = fastest([&] {
    cpu::gemm(s.form, s.m, s.n, s.k, 1.f, a.data(), a.cols(), b.data(), b.cols(), false, c.data(), s.n);
  });
  const double eigen = fastest([&] {
    if (s.form == Form::nn) c.noalias() = a * b;
    if (s.form == Form::nt) c.noalias() = a * b.transpose();
    if (s.form == Form::tn) c.noalias() = a.transpose() * b;
  });
  return {operations / ours, operations / eigen};
}

}  // namespace

int main(int argc, char** argv) {
  bool json = false;
  int threads = 1;
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--json") json = true;
    if (std::string_view(argv[i]) == "--threads" && i + 1 < argc) threads = std::atoi(argv[++i]);
  }
  pool().resize(threads);
  const double top = peak();
  const char* const form_names[] = {"nn", "nt", "tn"};
  std::printf(json ? "{\"isa\": \"%s\", \"threads\": %d, \"peak_gflops_per_core\": %.1f, \"products\": [" :
                     "%s, threads: %d, peak of one core: %.1f GF/s\n", cpu::isa_name(cpu::isa()).data(), threads, top);
  if (!json) std::printf("%-22s %-4s %16s %10s %6s %10s\n", "use", "form", "m x n x k", "cmoe GF/s", "peak", "Eigen GF/s");
  bool first = true;
  for (const Work& s : works) {
    const Result r = measure(s);
    const char* const form = form_names[static_cast<int>(s.form)];
    const auto m = static_cast<long>(s.m), n = static_cast<long>(s.n), k = static_cast<long>(s.k);
    if (json)
      std::printf("%s\n  {\"use\": \"%s\", \"form\": \"%s\", \"m\": %ld, \"n\": %ld, \"k\": %ld, \"gflops\": %.2f, \"eigen_gflops\": %.2f}",
                  first ? "" : ",", s.use, form, m, n, k, r.ours, r.eigen);
    else
      std::printf("%-22s %-4s %5ld %4ld %5ld %10.1f %5.0f%% %10.1f\n", s.use, form, m, n, k, r.ours, 100 * r.ours / top / threads, r.eigen);
    first = false;
  }
  if (json) std::printf("\n]}\n");
}
