// Models that the program starts from: files, or the built-in ones, which are trained on first use and cached.
#pragma once

#include "cmoe/io/llama_weights.hpp"
#include "cmoe/io/tokenizer.hpp"
#include "cmoe/models/llama.hpp"
#include "cmoe/models/moduleformer.hpp"
#include "device.hpp"
#include "options.hpp"
#include "progress.hpp"

namespace program {

template <class Model>
struct BackboneOf {
  std::string name;
  cmoe::Tokenizer tokenizer;
  Model model;
};
using Backbone = BackboneOf<cmoe::Llama::On<Backend>>;

// `builtin`, a Hugging Face folder, a GGUF file, or a llama2.c file. `needs`: what the method can work with. throws cmoe::Error
Backbone load_backbone(const ModelOptions& options, Progress& progress, cmoe::Weights needs = cmoe::Weights::stored);

// The tokenizer alone, without loading or training weights.
cmoe::Tokenizer load_tokenizer(const ModelOptions& options);

// The built-in ModuleFormer, or one from a folder. throws cmoe::Error
cmoe::ModuleFormer::On<Backend> load_moduleformer(const ModelOptions& options, Progress& progress);

}  // namespace program
