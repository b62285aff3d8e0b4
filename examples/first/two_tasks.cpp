// Two tasks, one after the other, with PMoE, and what the second made it forget of the first.
//     two_tasks MODEL STREAM      a model's folder, and a folder with one sub-folder for each task
#include <cstdio>

#include "cmoe/continual/pmoe_learner.hpp"
#include "cmoe/continual/stream_run.hpp"
#include "cmoe/cpu/cpu.hpp"
#include "cmoe/io/hf_folder.hpp"
#include "cmoe/io/read_tokenizer.hpp"
#include "cmoe/io/stream.hpp"

using namespace cmoe;
using B = Cpu<float>;

int main(int argc, char** argv) try {
  check(argc == 3, ErrorKind::config, "usage: two_tasks MODEL STREAM");
  const Llama::On<B> backbone = read_hf_llama<B>(argv[1]);
  const bool with_vocabulary = std::filesystem::exists(Path(argv[1]) / "tokenizer.json");
  const Tokenizer tokenizer = with_vocabulary ? read_tokenizer(argv[1]) : Tokenizer();  // Tokenizer() reads bytes
  std::vector<EncodedTask> tasks;  // texts as ids
  for (const Task& task : read_stream(argv[2]))
    tasks.push_back(encode_task(tokenizer, task, {.context = backbone.config.context, .test_limit = 50}));
  check(tasks.size() == 2, ErrorKind::config, argv[2], " has ", tasks.size(), " tasks");

  PMoE::Config config;
  static_cast<DecoderConfig&>(config) = backbone.config;
  config.boundary = config.layers / 2;  // the first half is shallow
  config.shallow = config.deep = {.rank = 8, .alpha = 16};
  PMoE::On<B> model(config, Rng(1));
  copy_parameters(backbone, model);
  PMoELearner<B> learner(std::move(model), {}, Rng(2));

  RunState state;
  run_stream<B>(learner, tasks, {.task_steps = 150, .optimizer = {.lr = 5e-3}}, Rng(3), state, {}, tokenizer.eos().value_or(-1),
                [&](const std::vector<Id>& ids) { return tokenizer.decode(ids); });
  for (Index after : {0, 1, 2})
    std::printf("after %d tasks: %s %.0f, %s %.0f\n", static_cast<int>(after), tasks[0].name.c_str(), state.scores.at(after, 0).value(),
                tasks[1].name.c_str(), state.scores.at(after, 1).value());
  std::printf("forgetting: %.1f\n", metrics(state.scores).forgetting.value());
} catch (const Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
