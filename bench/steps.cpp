// bench_steps: whole training steps, forward, backward and AdamW, of d 256, 4 layers, 4 heads, 8 x 128 tokens, vocabulary 256;
// `builtin` is the step of the program's own decoder, 16 x 64 tokens.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "cmoe/cpu/cpu.hpp"
#include "cmoe/models/dapt.hpp"
#include "cmoe/models/llama.hpp"
#include "cmoe/models/moduleformer.hpp"
#include "cmoe/models/pmoe.hpp"
#include "cmoe/train/step.hpp"
#include "measure.hpp"

namespace {

using namespace cmoe;
using B = Cpu<float>;

constexpr Index width = 256, layers = 4, heads = 4, sequences = 8, tokens = 128, vocabulary = 256;

// A feed-forward mixture where a block expects a plain layer; its routing losses are not part of these steps.
struct Experts {
  MixtureOfExperts<TopK>::On<B> mixture;
  Tensor<B> operator()(const Tensor<B>& x, const Flow<B>&) const { return mixture(x).y; }
  using Backend = B;
  static void visit(auto& self, auto&& v) { v("mixture", self.mixture); }
};

// A decoder of `layers` blocks with an untied output, for any feed-forward layer.
template <class Feed>
struct Decoder {
  using Block = ResidualBlock<B, SelfAttention<B, Causal>, Feed>;
  Embedding<B> embedding;
  std::vector<Block> blocks;
  RmsNorm<B> norm{width};
  Linear<B> head;

  explicit Decoder(const std::function<Feed(const Rng&)>& feed) : embedding(vocabulary, width, Rng(1)), head(width, vocabulary, Rng(2)) {
    for (Index l = 0; l < layers; ++l) {
      const Rng rng = Rng(3).fork(static_cast<std::uint64_t>(l));
      Block b;
      b.mix_norm = Norm<B>(NormKind::rms, width, 1e-5);
      b.feed_norm = Norm<B>(NormKind::rms, width, 1e-5);
      b.mix.heads = b.mix.kv_heads = heads;
      b.mix.head_size = width / heads;
      b.mix.kind = Causal::On<B>({.context = tokens}, width / heads);
      for (auto* map : {&b.mix.query, &b.mix.key, &b.mix.value, &b.mix.output}) *map = Linear<B>(width, width, rng, true);
      b.feed = feed(rng);
      blocks.push_back(std::move(b));
    }
  }
  Scores<B> operator()(const Ids<B>& ids, const Flow<B>& flow) const {
    Tensor<B> h = embedding(ids);
    for (const Block& block : blocks) h = block(h, flow);
    return {head(norm(h)), {}};
  }
  using Backend = B;
  static void visit(auto& self, auto&& v) {
    v("embedding", self.embedding);
    v("blocks", self.blocks);
    v("norm", self.norm);
    v("head", self.head);
  }
};

struct Result {
  bench::Timing time;
  Index parameters, trainable;
};

template <class Model>
Result time_steps(Model& model, int repeat, Flow<B> flow = {}, const Shape& batch = {sequences, tokens}) {
  std::vector<Id> ids, labels;
  for (Index i = 0; i < batch.size(); ++i) {
    ids.push_back(static_cast<Id>(random_bits(1, static_cast<std::uint64_t>(i)) % vocabulary));
    labels.push_back(static_cast<Id>(random_bits(2, static_cast<std::uint64_t>(i)) % vocabulary));
  }
  const Ids<B> x(batch, ids), y(batch, labels);
  AdamW<B> optimizer({.lr = 1e-3, .weight_decay = 0.01});
  optimizer.add_module(model);
  const auto step = [&] {
    training_step(optimizer, {}, 1, 1000, 1, [&](Index) {
      const Scores<B> scores = model(x, flow);
      Loss<B> loss;
      loss.add("lm", cross_entropy(scores.logits, y));
      loss.add("auxiliary", scores.auxiliary);
      return loss;
    });
  };
  return {bench::measure(repeat, 3, step), parameter_count(model), parameter_count(model, Count::trainable)};
}

template <class Recipe>
typename Recipe::template On<B> adapted(Index boundary) {
  typename Recipe::Config config;
  static_cast<DecoderConfig&>(config) = {.vocabulary = vocabulary, .width = width, .layers = layers, .heads = heads, .kv_heads = heads,
                                         .hidden = 684, .context = tokens, .tied = false};
  config.boundary = boundary;
  config.deep.rank = 8;
  typename Recipe::template On<B> model(config, Rng(4));
  freeze(model);
  return model;
}

// A step of the last of so many tasks: the experts before are frozen, one learns, with its gate.
template <class Recipe>
Result grown(Index boundary, Index tasks, int repeat) {
  auto model = adapted<Recipe>(boundary);
  for (Index t = 0; t < tasks; ++t) {
    freeze(model);
    model.add_task(Rng(5).fork(static_cast<std::uint64_t>(t)));
  }
  for (auto& block : model.shallow) freeze(block);
  unfreeze(model.gate);
  model.gate.active = tasks;
  Flow<B> flow;
  flow.prompt_first = Ids<B>({sequences}, Id{0});
  flow.prompt_last = Ids<B>({sequences}, Id{32});
  return time_steps(model, repeat, flow);
}

Result run(const std::string& step, int repeat) {
  const auto mixture = [&](Index experts) {
    Decoder<Experts> model([&](const Rng& rng) {
      return Experts{MixtureOfExperts<TopK>::On<B>(width, {.hidden = 4 * width, .router = {.experts = experts, .chosen = 2}}, 0.35, rng)};
    });
    return time_steps(model, repeat);
  };
  if (step == "dense") {
    Decoder<Mlp<B>> model([&](const Rng& rng) { return Mlp<B>{Linear<B>(width, 4 * width, rng, true), Linear<B>(4 * width, width, rng, true)}; });
    return time_steps(model, repeat);
  }
  if (step == "moe8") return mixture(8);
  if (step == "moe64") return mixture(64);
  if (step == "lora") {
    auto model = adapted<LoraLlama>(0);
    model.add_task(Rng(5));
    return time_steps(model, repeat);
  }
  if (step == "pmoe1") return grown<PMoE>(2, 1, repeat);
  if (step == "pmoe8") return grown<PMoE>(2, 8, repeat);
  if (step == "dapt1") return grown<DaptMean>(0, 1, repeat);
  if (step == "dapt8") return grown<DaptMean>(0, 8, repeat);
  if (step == "moduleformer") {
    ModuleFormer::Config config;
    config.vocabulary = vocabulary;
    config.width = width;
    config.layers = layers;
    config.block.mix = {.size = width, .heads = heads, .router = {.experts = 8, .chosen = 2}};
    config.block.feed = {.hidden = 2 * width, .router = {.experts = 16, .chosen = 2}};
    ModuleFormer::On<B> model(config, Rng(6));
    return time_steps(model, repeat);
  }
  if (step == "builtin") {
    Llama::Config config;
    config.context = 512;
    Llama::On<B> model(config, Rng(7));
    return time_steps(model, repeat, {}, {16, 64});
  }
  fail(ErrorKind::config, "--step '", step, "' is none of dense, moe8, moe64, lora, pmoe1, pmoe8, dapt1, dapt8, moduleformer, builtin");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Times one kind of training step.");
  std::string step = "dense", against;
  int threads = 1, repeat = 12;
  bool json = false;
  app.add_option("--step", step, "dense, moe8, moe64, lora, pmoe1, pmoe8, dapt1, dapt8, moduleformer or builtin")->capture_default_str();
  app.add_option("--against", against, "another step, timed in the same run: tokens/s of the first over those of the other, best times");
  app.add_option("--threads", threads)->capture_default_str()->check(CLI::Range(1, 1024));
  app.add_option("--repeat", repeat)->capture_default_str()->check(CLI::Range(1, 10000));
  app.add_flag("--json", json);
  CLI11_PARSE(app, argc, argv);
  try {
    pool().resize(threads);
    const Result r = run(step, repeat);
    const double rate = static_cast<double>(sequences * tokens) / r.time.median;
    const double peak = bench::peak_megabytes();
    const double ratio = against.empty() ? 0 : run(against, repeat).time.best / r.time.best;
    const std::string compared = against.empty() ? "" : json ? ", \"against\": \"" + against + "\", \"ratio\": " + std::to_string(ratio)
                                                              : ", " + std::to_string(ratio) + " of the tokens/s of " + against;
    std::printf(json ? "{\"step\": \"%s\", \"threads\": %d, \"ms_median\": %.3f, \"ms_best\": %.3f, \"tokens_per_second\": %.0f, "
                       "\"peak_mb\": %.1f, \"kernel\": \"%s\", \"parameters\": %lld, \"trainable\": %lld%s}\n"
                     : "%s, %d threads: median %.1f ms, best %.1f ms, %.0f tokens/s, peak %.0f MB, kernel %s, %lld parameters, %lld trained%s\n",
                step.c_str(), threads, 1e3 * r.time.median, 1e3 * r.time.best, rate, peak,
                std::string(cpu::isa_name(cpu::isa())).c_str(), static_cast<long long>(r.parameters), static_cast<long long>(r.trainable),
                compared.c_str());
  } catch (const Error& error) {
    std::fprintf(stderr, "bench_steps: %s\n", error.what());
    return 1;
  }
  return 0;
}
