// What the commands are asked to do, as plain structs; the command line fills them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cmoe/core/shape.hpp"

namespace CLI {
class App;
}

namespace program {

using cmoe::Index;

struct ModelOptions {
  std::string model = "builtin";
  std::string tokenizer;  // for llama2.c files
};

// Method options have the method's name in front on the command line: --pmoe-boundary.
struct MethodOptions {
  Index rank = 0;           // LoRA; 0: the method's default for the model
  double lr = 0;            // 0: the method's default for the stream
  Index pmoe_boundary = -1; // -1: two fifths of the layers
  std::string pmoe_shallow = "first-task", pmoe_dispatch = "dense";
  double pmoe_memory = 0.015, pmoe_router_weight = 1, pmoe_router_rate = 10;
  Index pmoe_memory_batch = 48;
  double replay_memory = 0.02;
  Index replay_batch = 0;   // 0: half a batch
  Index moduleformer_attention_experts = 2, moduleformer_feed_experts = 4, moduleformer_memory_batch = 48;
  double moduleformer_memory = 0.015;
  std::string moduleformer_gate = "prompt";
};

struct LearnOptions {
  std::string method;
  ModelOptions source;
  std::string stream = "builtin", order, out;
  Index task_epochs = 0, task_steps = 0, train_limit = 0, test_limit = 0;
  Index window = 128, prompt_tokens = 32, max_tokens = 0;
  Index batch = 0, accumulate = 1, save_every = 50, log_every = 10;
  std::uint64_t seed = 1;
  bool resume = false, quiet = false, json = false;
  MethodOptions options;
};

struct EvaluateOptions {
  ModelOptions source;
  std::string run, text, stream;
  Index test_limit = 0, window = 128, prompt_tokens = 32, max_tokens = 0;
  bool json = false, quiet = false;
};

struct GenerateOptions {
  ModelOptions source;
  std::string run, prompt;
  Index max_tokens = 64, top_k = 0;
  double temperature = 0, top_p = 1;
  std::uint64_t seed = 1;
  bool json = false, quiet = false;
};

struct TokenizeOptions {
  ModelOptions source;
  std::string text;
  bool special = false, json = false;
};

struct DemoOptions {
  std::string out = "out/demo", methods = "seqft,seqlora,pmoe,moduleformer";
  Index task_steps = 0, test_limit = 0;
  std::uint64_t seed = 1;
  bool json = false, quiet = false;
};

struct MakeStreamOptions {
  std::string out, tasks;
  std::uint64_t seed = 1;
};

int learn(const LearnOptions& options);
int demo(const DemoOptions& options);
int evaluate(const EvaluateOptions& options);
int generate(const GenerateOptions& options);
int tokenize(const TokenizeOptions& options);
int inspect(const std::string& path, bool json);
int make_stream(const MakeStreamOptions& options);
void add_module_commands(CLI::App& app, int& status);  // prune and insert

}  // namespace program
