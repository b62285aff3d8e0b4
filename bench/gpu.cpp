// bench_gpu: training steps, products, primitives and attentions on the GPU. One line a figure: name, value, unit;
// with --json one document. The same steps on the CPU are bench_steps'.
#include <cstdio>

#include "cmoe/cuda/cuda.hpp"
#include "cmoe/models/llama.hpp"
#include "cmoe/models/moduleformer.hpp"
#include "cmoe/models/pmoe.hpp"
#include "cmoe/train/step.hpp"
#include "measure.hpp"

namespace {

using namespace cmoe;
using D = Cuda<float>;

bool json = false, first = true;

void print(const char* name, double value, const char* unit) {
  if (json) std::printf("%s{\"name\": \"%s\", \"value\": %.6g, \"unit\": \"%s\"}", first ? "[" : ",\n ", name, value, unit);
  else std::printf("%-28s %12.4g %s\n", name, value, unit);
  first = false;
  std::fflush(stdout);
}

// Seconds a call, the device's work included: ten calls at a time, as a model would queue them.
template <class F>
double seconds(const F& f) {
  constexpr int calls = 10;
  return bench::measure(5, 1, [&] {
           for (int i = 0; i < calls; ++i) f();
           cuda::Gpu::wait();
         }).median /
         calls;
}

Array<D> numbers(Index n, double size = 1) {
  std::vector<float> values(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(size * (static_cast<double>(random_bits(1, i)) * 0x1p-31 - 1));
  return Array<D>({n}, std::span<const float>(values));
}

// Bytes moved for each element over the time: what the device's memory bandwidth bounds.
void memory_bound() {
  constexpr Index n = Index{1} << 26, rows = 8192, cols = 8192;
  const Array<D> x = numbers(n), dy = numbers(n), gain = numbers(cols);
  Array<D> y({n}), m({n}, 0.0F), v({n}, 0.0F), scale({rows});
  const auto report = [&](const char* name, double bytes, const auto& f) { print(name, bytes * static_cast<double>(n) / seconds(f) * 1e-9, "GB/s"); };
  report("copy", 8, [&] { D::copy(n, x.data(), y.data()); });
  report("silu", 8, [&] { D::map<fn::Silu>(n, x.data(), y.data()); });
  report("silu back", 16, [&] { D::map_back<fn::Silu>(n, x.data(), y.data(), dy.data(), y.data()); });
  report("multiply", 12, [&] { D::zip<fn::Multiply>(n, x.data(), dy.data(), y.data()); });
  report("adamw", 28, [&] {
    D::adamw(n, y.data(), dy.data(), m.data(), v.data(), AdamWStep<float>{1e-3F, 0.9F, 0.99F, 1e-8F, 0.01F, 0.1F, 0.01F, 1});
  });
  report("softmax rows of 8192", 8, [&] { D::softmax_rows(rows, cols, x.data(), y.data()); });
  report("rms norm rows of 8192", 8, [&] { D::rms_norm(rows, cols, 1e-5F, x.data(), gain.data(), y.data(), scale.data()); });
  report("sum of columns", 4, [&] { D::sum_columns(rows, cols, x.data(), y.data()); });
}

void products() {
  constexpr Index n = 4096, experts = 16, tokens = 8192, width = 1024, hidden = 2048;
  const Array<D> a = numbers(n * n), b = numbers(n * n);
  Array<D> c({n * n});
  const auto report = [](const char* name, double multiply_adds, const auto& f) { print(name, 2 * multiply_adds / seconds(f) * 1e-12, "TFLOP/s"); };
  report("gemm 4096", static_cast<double>(n * n * n), [&] { D::gemm(Form::nn, n, n, n, 1, a.data(), n, b.data(), n, false, c.data(), n); });
  report("gemm 4096 in our tiles", static_cast<double>(n * n * n), [&] {
    const Index offsets[] = {0, n};
    D::gemm_grouped(Form::nn, 1, offsets, n, n, 1, a.data(), b.data(), false, c.data());
  });
  const Array<D> w = numbers(experts * width * hidden);
  std::vector<Index> offsets;
  for (Index e = 0; e <= experts; ++e) offsets.push_back(e * tokens / experts);
  report("16 experts, 1024 to 2048", static_cast<double>(tokens * width * hidden), [&] {
    D::gemm_grouped(Form::nn, experts, offsets.data(), hidden, width, 1, a.data(), w.data(), false, c.data());
  });
}

void attentions() {
  const AttentionShape shape{4, 1024, 1024, 8, 8, 64};
  const Index n = shape.sequences * shape.queries * shape.heads * shape.head_size, rows = n / shape.head_size;
  const Array<D> q = numbers(n), k = numbers(n), v = numbers(n), dout = numbers(n);
  Array<D> out({n}), rest({rows}), dq({n}), dk({n}), dv({n});
  const Id* const all = nullptr;
  const float* const none = nullptr;
  const auto report = [](const char* name, const auto& f) { print(name, seconds(f) * 1e3, "ms"); };
  report("causal, 4 x 1024 x 8 x 64", [&] { D::causal_attention(shape, 0.125F, q.data(), k.data(), v.data(), all, all, out.data(), rest.data()); });
  report("causal back", [&] {
    D::causal_attention_back(shape, 0.125F, q.data(), k.data(), v.data(), all, all, out.data(), rest.data(), dout.data(), dq.data(), dk.data(), dv.data());
  });
  report("stick-breaking", [&] {
    D::stickbreaking_attention(shape, 0.125F, true, q.data(), k.data(), v.data(), all, all, out.data(), rest.data());
  });
  report("stick-breaking back", [&] {
    D::stickbreaking_attention_back(shape, 0.125F, true, q.data(), k.data(), v.data(), all, all, rest.data(), dout.data(), none, dq.data(),
                                    dk.data(), dv.data());
  });
}

// Milliseconds of a training step of 8 x 128 tokens.
template <class Model>
double step_time(Model model) {
  using B = D;
  constexpr Index sequences = 8, tokens = 128, vocabulary = 256;
  std::vector<Id> ids;
  for (std::size_t i = 0; i < sequences * tokens; ++i) ids.push_back(static_cast<Id>(random_bits(3, i) % vocabulary));
  const Ids<B> x({sequences, tokens}, ids), labels({sequences * tokens}, ids);
  Flow<B> flow;
  flow.prompt_first = Ids<B>({sequences}, Id{0});
  flow.prompt_last = Ids<B>({sequences}, Id{16});
  AdamW<B> optimizer({.lr = 1e-3});
  optimizer.add_module(model);
  const bench::Timing time = bench::measure(10, 2, [&] {
    training_step(optimizer, Schedule{.decay = Decay::constant}, 0, 1, 1, [&](Index) {
      Loss<B> loss;
      loss.add("lm", cross_entropy(reshape(model(x, flow).logits, {sequences * tokens, vocabulary}), labels));
      return loss;
    });
    cuda::Gpu::wait();
  });
  return time.median * 1e3;
}

template <class Recipe>
typename Recipe::Config decoder() {
  typename Recipe::Config c;
  c.vocabulary = 256, c.width = 256, c.layers = 4, c.heads = c.kv_heads = 4, c.hidden = 1024, c.context = 128;
  return c;
}

void steps() {
  print("step of a decoder", step_time(Llama::On<D>(decoder<Llama>(), Rng(1))), "ms");
  PMoE::Config c = decoder<PMoE>();
  c.boundary = 2;
  PMoE::On<D> pmoe(c, Rng(1));
  for (const std::uint64_t t : {0u, 1u}) pmoe.add_task(Rng(t));
  pmoe.gate.active = 2;
  print("step of PMoE", step_time(std::move(pmoe)), "ms");
  ModuleFormer::Config m;
  m.vocabulary = 256, m.width = 256, m.layers = 4;
  print("step of ModuleFormer", step_time(ModuleFormer::On<D>(m, Rng(1))), "ms");
}

}  // namespace

int main(int argc, char** argv) {
  json = argc > 1 && std::string(argv[1]) == "--json";
  if (!cuda::Gpu::available()) {
    std::fprintf(stderr, "no GPU can be used: %s\n", cuda::Gpu::description().c_str());
    return 77;
  }
  if (!json) std::printf("%s\n", cuda::Gpu::description().c_str());
  steps();
  products();
  memory_bound();
  attentions();
  if (json) std::printf("]\n");
}
