// T5 in the program: folders whose config.json says model_type t5, and the methods that take one.
#include <filesystem>

#include "cmoe/continual/per_task.hpp"
#include "cmoe/continual/sequential.hpp"
#include "cmoe/io/read_tokenizer.hpp"
#include "cmoe/io/t5_folder.hpp"
#include "dapt.hpp"

namespace program {

using namespace cmoe;

namespace {

// Prompts end with the token that ends texts, as those did that T5 was trained on.
BackboneOf<T5::On<Backend>> load_t5(const ModelOptions& options) {
  BackboneOf<T5::On<Backend>> backbone{options.model, read_tokenizer(options.tokenizer.empty() ? options.model : options.tokenizer),
                                       read_hf_t5<Backend>(options.model)};
  const Tokenizer& tokenizer = backbone.tokenizer;
  check(tokenizer.size() <= backbone.model.vocabulary(), ErrorKind::config, "the tokenizer ", options.tokenizer, " has ", tokenizer.size(), " tokens, ",
        options.model, " has ", backbone.model.vocabulary());
  if (tokenizer.eos() && !tokenizer.separator()) backbone.tokenizer.separate_by(*tokenizer.eos());
  return backbone;
}

}  // namespace

bool is_t5(const ModelOptions& options) {
  return options.model != "builtin" && std::filesystem::exists(std::filesystem::path(options.model) / "config.json") && is_t5_folder(options.model);
}

Built build_t5(const LearnOptions& o, Progress&) {
  const std::vector<std::string> known = {"seqft", "seqlora", "replay", "pertask", "multitask", "dapt"};
  check(std::find(known.begin(), known.end(), o.method) != known.end(), ErrorKind::config, "--model ", o.source.model,
        " is a T5; the methods seqft, seqlora, replay, pertask, multitask and dapt take one, ", o.method, " does not");
  const bool prompts = o.method == "dapt" && o.word("dapt-blocks") == "prompt";
  check(!prompts, ErrorKind::config, "--dapt-blocks prompt: prompts stand before a decoder's tokens, a T5 takes lora");
  auto backbone = load_t5(o.source);
  const Rng rng = Rng(o.seed).fork("learner");
  if (o.method == "seqft") {
    const Index context = backbone.model.context();
    return {AnyLearner<Backend>(Sequential<Backend, T5::On<Backend>>(std::move(backbone.model), {}, rng)), backbone.tokenizer, context};
  }
  if (o.method == "pertask") return built(PerTask<Backend, TaskLoraT5>(adapt<TaskLoraT5>(backbone, o), rng), backbone);
  if (o.method == "dapt") return o.word("dapt-preset") == "paper" ? with_dapt<DaptT5>(o, backbone) : with_dapt<DaptMeanT5>(o, backbone);
  Sequential<Backend, LoraT5::On<Backend>>::Config memory;
  if (o.method == "replay") memory = {.memory_share = o.number("replay-memory"), .memory_batch = o.count("replay-batch")};
  return built(Sequential<Backend, LoraT5::On<Backend>>(adapt<LoraT5>(backbone, o), memory, rng), backbone);
}

}  // namespace program
