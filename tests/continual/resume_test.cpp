// A learner that was stopped and went on from its checkpoint has the same bits as one that ran through.
#include <doctest/doctest.h>

#include <filesystem>

#include "cmoe/continual/baselines/ewc.hpp"
#include "cmoe/continual/baselines/inflora.hpp"
#include "cmoe/continual/baselines/l2p.hpp"
#include "cmoe/continual/baselines/lwf.hpp"
#include "cmoe/continual/baselines/moelora.hpp"
#include "cmoe/continual/baselines/progressive_prompts.hpp"
#include "cmoe/continual/dapt_learner.hpp"
#include "cmoe/continual/pmoe_learner.hpp"
#include "cmoe/continual/seta_learner.hpp"
#include "cmoe/io/checkpoint.hpp"
#include "continual/small_stream.hpp"

namespace cmoe::resume_test {

using B = small::B;

namespace {

template <class Recipe>
typename Recipe::template On<B> model() {
  auto config = small::sizes<typename Recipe::Config>({.tasks = 3, .symbols = 4}, 16);
  config.boundary = 0;
  return {config, Rng(1)};
}

// Runs the stream, stopped whenever so many steps have been done since the last start; every start is a new learner.
using Make = std::function<AnyLearner<B>()>;
std::pair<std::uint64_t, std::string> run_with_stops(const Make& make, Index steps_each) {
  const auto data = small::stream({.tasks = 3, .symbols = 4});
  const std::filesystem::path file = std::filesystem::temp_directory_path() / ("cmoe-resume-" + std::to_string(reinterpret_cast<std::uintptr_t>(&data)) + ".safetensors");
  RunState state;
  for (int starts = 0;; ++starts) {
    REQUIRE(starts < 50);
    AnyLearner<B> learner = make();
    Index done = 0;
    RunHooks<B> hooks;
    hooks.stop = [&] { return steps_each > 0 && ++done >= steps_each; };
    hooks.save = [&](const RunState& saved, AdamW<B>* optimizer) { save_checkpoint(file, learner, optimizer, saved, "run"); };
    hooks.load = [&](AdamW<B>* optimizer) { load_checkpoint(file, learner, optimizer); };
    if (starts > 0) state = read_checkpoint_state(file, "run");
    const RunConfig config{.task_steps = 5, .batch = 6, .optimizer = {.lr = 1e-2}};
    const bool finished = run_stream(learner, data, config, Rng(5), state, hooks, -1, [](const std::vector<Id>&) { return std::string(); });
    if (!finished) continue;
    std::filesystem::remove(file);
    std::string scores = state_json(state)["nll"].dump();
    return {hash(learner.model()), scores};
  }
}

void check_resumes(const Make& make) {
  const auto whole = run_with_stops(make, 0);
  for (const Index each : {3, 5}) CHECK(run_with_stops(make, each) == whole);
}

}  // namespace

TEST_CASE("EWC, with one anchor or one that moves, and LwF resume to the bit") {
  check_resumes([] { return AnyLearner<B>(EwcLearner<B>(model<LoraLlama>(), {.lambda = 1, .samples = 5}, Rng(2))); });
  check_resumes([] { return AnyLearner<B>(EwcLearner<B>(model<LoraLlama>(), {.lambda = 1, .samples = 5, .decay = 0.9, .centre = AnchorCentre::newest}, Rng(2))); });
  check_resumes([] { return AnyLearner<B>(LwfLearner<B>(model<LoraLlama>(), {}, Rng(2))); });
}

TEST_CASE("O-LoRA, InfLoRA and MoE-LoRA resume to the bit") {
  check_resumes([] { return AnyLearner<B>(OLoraLearner<B>(model<TaskLora>(), {}, Rng(2))); });
  check_resumes([] { return AnyLearner<B>(InfLoraLearner<B>(model<ObservedTaskLora>(), {.threshold = 0.8}, Rng(2))); });
  check_resumes([] { return AnyLearner<B>(MoELoraLearner<B>(model<MoELora>(), {}, Rng(2))); });
}

TEST_CASE("progressive prompts and L2P resume to the bit") {
  check_resumes([] { return AnyLearner<B>(ProgressivePrompts<B>(model<PromptedLlama>(), Rng(2))); });
  check_resumes([] { return AnyLearner<B>(L2P<B>(model<PooledPromptLlama>(), {}, Rng(2))); });
}

TEST_CASE("PMoE with anchored shallow layers, DAPT with generated prompts and SETA with a trained router resume to the bit") {
  check_resumes([] {
    auto config = small::sizes<PMoE::Config>({.tasks = 3, .symbols = 4}, 16);
    config.boundary = 1;
    return AnyLearner<B>(PMoELearner<B>({config, Rng(1)}, {.shallow = ShallowPolicy::anchored, .memory_share = 0.2, .memory_batch = 4}, Rng(2)));
  });
  check_resumes([] {
    return AnyLearner<B>(DaptLearner<B, DaptMean>(model<DaptMean>(), {.memory_share = 0.2, .pseudo = PseudoSource::generated, .generator = {.steps = 3}}, Rng(2)));
  });
  check_resumes([] { return AnyLearner<B>(SetaLearner<B, Seta>(model<Seta>(), {.probe_batches = 2, .memory_share = 0.2, .fisher_samples = 3}, Rng(2))); });
}

}  // namespace cmoe::resume_test
