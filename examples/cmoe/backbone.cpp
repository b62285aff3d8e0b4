#include "backbone.hpp"

#include "adapter.hpp"

#include <cstdlib>
#include <filesystem>

#include "cmoe/continual/skills.hpp"
#include "cmoe/io/checkpoint.hpp"
#include "cmoe/io/gguf_llama.hpp"
#include "cmoe/io/gguf_tokenizer.hpp"
#include "cmoe/io/hf_folder.hpp"
#include "cmoe/io/read_tokenizer.hpp"
#include "cmoe/train/step.hpp"
#include "interrupt.hpp"
#include "modules.hpp"

namespace program {

using namespace cmoe;
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t pretraining_seed = 7;

struct Pretraining {
  Index steps, rows = 16, length = 64;
};

// Rows of generated skills, packed back to back, each opened by BOS, the last one cut. Only answers are trained on; of plain
// sentences everything is.
Batch<Backend> pretraining_batch(const Skills& skills, const ByteTokenizer& bytes, const Pretraining& how, Rng rng) {
  std::vector<Id> ids, labels;
  for (Index row = 0; row < how.rows; ++row) {
    std::vector<Id> line;
    std::vector<bool> trained;
    while (static_cast<Index>(line.size()) <= how.length) {
      const Item item = skills.draw(rng);
      const auto put = [&](const std::vector<Id>& part, bool train) {
        line.insert(line.end(), part.begin(), part.end());
        trained.insert(trained.end(), part.size(), train);
      };
      put({*bytes.bos()}, false);
      if (!item.prompt.empty()) {
        put(bytes.encode(item.prompt), false);
        put({*bytes.separator()}, false);
      }
      put(bytes.encode(item.answer), true);
      put({*bytes.eos()}, true);
    }
    for (Index t = 0; t < how.length; ++t) {
      ids.push_back(line[static_cast<std::size_t>(t)]);
      const auto next = static_cast<std::size_t>(t) + 1;
      labels.push_back(trained[next] ? line[next] : ignored_label);
    }
  }
  Batch<Backend> batch;
  batch.ids = Ids<Backend>({how.rows, how.length}, ids);
  batch.labels = Ids<Backend>({how.rows, how.length}, labels);
  return batch;
}

template <class Model>
void pretrain(Model& model, const char* name, const Pretraining& how, Progress& progress) {
  progress.keep(std::string("training the built-in ") + name + " once (" + std::to_string(parameter_count(model)) + " parameters, " +
                std::to_string(how.steps) + " steps); it is cached for later runs");
  const Skills skills(pretraining_seed);
  const ByteTokenizer bytes;
  const Rng rng = Rng(pretraining_seed).fork("pretraining");
  AdamW<Backend> optimizer({.lr = 3e-3, .weight_decay = 0.01});
  optimizer.add_module(model);
  const Schedule schedule{.decay = Decay::cosine, .warmup = 40, .floor = 0.02};
  double smooth = 0;
  const double begun = now();
  for (Index step = 0; step < how.steps; ++step) {
    const StepResult result = training_step(optimizer, schedule, step, how.steps, 1, [&](Index) {
      const Batch<Backend> batch = pretraining_batch(skills, bytes, how, rng.fork(static_cast<std::uint64_t>(step)));
      const Scores<Backend> scores = model(batch.ids, {});
      Loss<Backend> loss;
      loss.add("lm", cross_entropy(scores.logits, batch.labels));
      loss.add("auxiliary", scores.auxiliary);
      return loss;
    });
    smooth = step == 0 ? result.terms[0].second : 0.98 * smooth + 0.02 * result.terms[0].second;
    const double rate = (now() - begun) / static_cast<double>(step + 1);
    progress.update(std::string(name) + " step " + std::to_string(step + 1) + "/" + std::to_string(how.steps) + "  loss " +
                    fixed(smooth, 3) + "  eta " + fixed(rate * static_cast<double>(how.steps - step - 1), 0) + " s");
    check(!interrupted, ErrorKind::misuse, "interrupted while training the built-in model; nothing was kept, run the command again");
  }
  progress.keep(std::string("built-in ") + name + " trained, loss " + fixed(smooth, 3) + ", " + fixed(now() - begun, 0) + " s");
}

fs::path cache_folder() {
  if (const char* own = std::getenv("CMOE_CACHE")) return own;
  if (const char* xdg = std::getenv("XDG_CACHE_HOME"); xdg && *xdg) return fs::path(xdg) / "cmoe";
  if (const char* home = std::getenv("HOME"); home && *home) return fs::path(home) / ".cache" / "cmoe";
  return fs::temp_directory_path() / "cmoe-cache";
}

// Loads the model from the cache, or trains it and puts it there. A cache that cannot be written costs only time: it is said once.
template <class Model>
void cached(Model& model, const char* name, const Pretraining& how, Progress& progress) {
  const fs::path path = cache_folder() / (std::string(name) + "-" + std::to_string(parameter_count(model)) + "-" +
                                          std::to_string(how.steps) + "-v1.safetensors");
  if (fs::exists(path)) {
    try {
      return load_parameters(path, model);
    } catch (const Error& error) {
      progress.keep("the cached model is not usable and is trained again: " + std::string(error.what()));
    }
  }
  pretrain(model, name, how, progress);
  try {
    make_folder(path.parent_path());
    save_parameters(path, model, {{"format", "cmoe"}, {"model", name}});
  } catch (const std::exception& error) {
    progress.keep("the trained model could not be cached, the next run trains it again: " + std::string(error.what()));
  }
}

Index pretraining_steps(Index usual) {  // CMOE_BUILTIN_STEPS: shorter for tests of the program
  const char* wanted = std::getenv("CMOE_BUILTIN_STEPS");
  return wanted ? std::max<Index>(1, std::atoll(wanted)) : usual;
}

bool is_folder(const std::string& model) { return fs::exists(fs::path(model) / "config.json"); }
bool is_gguf(const std::string& model) { return model.ends_with(".gguf"); }

// Whether a folder's weights say that their tokens are bytes, as those do that `cmoe export` makes of the built-in model.
bool holds_bytes(const fs::path& folder) {
  const fs::path weights = folder / "model.safetensors";
  if (!fs::exists(weights)) return false;
  const auto metadata = SafeTensors::open(weights).metadata();
  const auto found = metadata.find("tokenizer");
  return found != metadata.end() && found->second == "bytes";
}

Llama::On<Backend> open_model(const std::string& model, Weights weights) {
  if (is_folder(model)) return read_hf_llama<Backend>(model, usual_context, weights);
  if (is_gguf(model)) return read_gguf_llama<Backend>(model, usual_context, weights);
  return make_llama<Backend>(read_llama2c(model));
}

}  // namespace

Tokenizer load_tokenizer(const ModelOptions& options) {
  if (options.model == "builtin") return ByteTokenizer();
  if (is_moduleformer_folder(options.model)) return open_moduleformer_tokenizer(options);
  if (!options.tokenizer.empty()) return read_tokenizer(options.tokenizer);
  if (is_gguf(options.model)) return gguf_tokenizer(Gguf::open(options.model));
  check(fs::is_directory(options.model), ErrorKind::config, options.model, " holds no tokenizer; name it with --tokenizer FILE");
  if (holds_bytes(options.model)) return ByteTokenizer();
  return read_tokenizer(options.model);
}

Backbone load_backbone(const ModelOptions& options, Progress& progress, Weights needs) {
  if (options.model == "builtin") {
    Llama::Config config;
    config.context = 512;
    Llama::On<Backend> model(config, Rng(pretraining_seed).fork("builtin"));
    cached(model, "decoder", {.steps = pretraining_steps(2500)}, progress);
    if (!options.adapter.empty()) model = with_adapter(options.adapter, model);
    return {"builtin", load_tokenizer(options), std::move(model)};
  }
  check(is_folder(options.model) || is_gguf(options.model) || options.model.ends_with(".bin"), ErrorKind::config, "--model ", options.model,
        " is neither 'builtin' nor a GGUF FILE.gguf, a Hugging Face folder with a config.json, or a llama2.c FILE.bin");
  const bool unpacked = options.weights == "unpacked" || !options.adapter.empty();  // an adapter is added to the numbers
  Llama::On<Backend> model = open_model(options.model, unpacked ? Weights::unpacked : needs);
  Tokenizer tokenizer = load_tokenizer(options);
  const bool padded = !options.model.ends_with(".bin");  // tables of other files may be longer than the vocabulary
  check(padded ? tokenizer.size() <= model.vocabulary() : tokenizer.size() == model.vocabulary(), ErrorKind::config, "the tokenizer ", options.tokenizer, " has ",
        tokenizer.size(), " tokens, ", options.model, " has ", model.vocabulary());
  if (!options.adapter.empty()) model = with_adapter(options.adapter, model);
  return {options.model, std::move(tokenizer), std::move(model)};
}

ModuleFormer::On<Backend> load_moduleformer(const ModelOptions& options, Progress& progress) {
  if (is_moduleformer_folder(options.model)) return open_moduleformer(options.model);
  check(options.model == "builtin", ErrorKind::config, "this needs a ModuleFormer, which ", options.model,
        " is not; use --model builtin, or a folder whose config.json says model_type moduleformer");
  ModuleFormer::Config config;
  config.layers = 3;
  config.boundary = 1;
  config.block.mix = {.size = 128, .heads = 4, .router = {.experts = 4, .chosen = 2}};
  config.block.feed = {.hidden = 128, .router = {.experts = 8, .chosen = 2}};
  config.context = 512;
  ModuleFormer::On<Backend> model(config, Rng(pretraining_seed).fork("builtin"));
  cached(model, "moduleformer", {.steps = pretraining_steps(1500)}, progress);
  return model;
}

}  // namespace program
