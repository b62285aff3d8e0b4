// The other methods, and what is done with a learnt model: nothing in the library looks through a device pointer, and all comes to the
// same on the GPU's kernels as on the CPU's.
#include <doctest/doctest.h>

#include <filesystem>

#include "cmoe/continual/baselines/ewc.hpp"
#include "cmoe/continual/baselines/inflora.hpp"
#include "cmoe/continual/baselines/l2p.hpp"
#include "cmoe/continual/baselines/lwf.hpp"
#include "cmoe/continual/baselines/moelora.hpp"
#include "cmoe/continual/baselines/olora.hpp"
#include "cmoe/continual/baselines/progressive_prompts.hpp"
#include "cmoe/continual/per_task.hpp"
#include "cmoe/continual/sequential.hpp"
#include "cmoe/io/checkpoint.hpp"
#include "cmoe/models/merged.hpp"
#include "cuda/training.hpp"
#include "host_execution.hpp"

namespace cmoe::cuda_methods_test {

namespace {

using training::learn, training::sizes;

// run(backend) on both; five steps of Adam make more of rounding where a gradient is next to nothing.
template <class Run>
void same_on_both(const Run& run) {
  training::same(run(Emulated<float>{}), run(Cpu<float>{}), 1e-4, 0.05);
}

template <class Recipe>
typename Recipe::Config with_room() {  // for prompts in front of the tokens
  auto c = sizes<Recipe>();
  c.context = 80;
  return c;
}

}  // namespace

TEST_CASE("methods that hold one LoRA learn two tasks with the CPU's losses") {
  same_on_both([]<class B>(B) { return learn<B>(EwcLearner<B>(LoraLlama::On<B>(sizes<LoraLlama>(), Rng(1)), Ewc{.lambda = 0.1, .samples = 4}, Rng(2)), 5); });
  same_on_both([]<class B>(B) { return learn<B>(LwfLearner<B>(LoraLlama::On<B>(sizes<LoraLlama>(), Rng(1)), Lwf{}, Rng(2)), 5); });
}

TEST_CASE("methods with a LoRA for each task learn two tasks with the CPU's losses") {
  same_on_both([]<class B>(B) { return learn<B>(OLoraLearner<B>(TaskLora::On<B>(sizes<TaskLora>(), Rng(1)), OLora{.lambda = 0.5}, Rng(2)), 5); });
  same_on_both([]<class B>(B) {
    return learn<B>(InfLoraLearner<B>(ObservedTaskLora::On<B>(sizes<ObservedTaskLora>(), Rng(1)), InfLora{.threshold = 0.9, .samples = 8}, Rng(2)), 5);
  });
  same_on_both([]<class B>(B) { return learn<B>(PerTask<B>(TaskLora::On<B>(sizes<TaskLora>(), Rng(1)), Rng(2)), 5); });
}

TEST_CASE("LoRA routed by token, prompts, and all weights learn two tasks with the CPU's losses") {
  same_on_both([]<class B>(B) {
    auto c = sizes<MoELora>();
    c.shallow.experts = 3, c.shallow.expert.rank = 2;
    c.deep = c.shallow;
    return learn<B>(MoELoraLearner<B>(MoELora::On<B>(c, Rng(1)), BalancedExperts{0.01}, Rng(2)), 5);
  });
  same_on_both([]<class B>(B) {
    auto c = with_room<PromptedLlama>();
    c.prefix.length = 3;
    return learn<B>(ProgressivePrompts<B>(PromptedLlama::On<B>(c, Rng(1)), Rng(2)), 5);
  });
  same_on_both([]<class B>(B) {
    auto c = with_room<PooledPromptLlama>();
    c.gate.keys = c.prefix.prompts = 6, c.prefix.length = 2, c.prefix.chosen = 2;
    return learn<B>(L2P<B>(PooledPromptLlama::On<B>(c, Rng(1)), {.lambda = 0.5}, Rng(2)), 5);
  });
  same_on_both([]<class B>(B) { return learn<B>(SeqFt<B>(Llama::On<B>(sizes<Llama>(), Rng(1)), {}, Rng(2)), 5); });
}

TEST_CASE("parameters go into a file and come back, and deltas are merged, where the host cannot look into memory") {
  using B = Emulated<float>;
  const auto made = [](std::uint64_t seed) {
    PMoE::On<B> model(sizes<PMoE>(), Rng(seed));
    model.add_task(Rng(seed + 1));
    model.gate.active = 1;
    return model;
  };
  const PMoE::On<B> model = made(1);
  PMoE::On<B> again = made(5);
  const auto path = std::filesystem::temp_directory_path() / ("cmoe_emulated_" + std::to_string(hash(model)) + ".safetensors");
  save_parameters(path, model, {});
  load_parameters(path, again);
  std::filesystem::remove(path);
  CHECK(hash(again) == hash(model));
  const EncodedTask data = training::task(0);
  const Batch<B> batch = make_batch<B>(data.test, 0, data.test.size());
  Flow<B> flow = batch.flow();
  flow.gates = Tensor<B>({4, 1}, 1.0F);
  const auto plain = merged(model, Tensor<B>({1, 1}, 1.0F))(batch.ids, batch.flow()).logits.values(), mixed = model(batch.ids, flow).logits.values();
  REQUIRE(plain.size() == mixed.size());
  for (std::size_t i = 0; i < plain.size(); ++i) CHECK(plain[i] == doctest::Approx(mixed[i]).epsilon(1e-4));
}

}  // namespace cmoe::cuda_methods_test
