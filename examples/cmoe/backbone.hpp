// Models that the program starts from: files, or the built-in ones, which are trained on first use and cached.
#pragma once

#include "cmoe/cpu/cpu.hpp"
#include "cmoe/io/tokenizer.hpp"
#include "cmoe/models/llama.hpp"
#include "cmoe/models/moduleformer.hpp"
#include "options.hpp"
#include "progress.hpp"

namespace program {

using Backend = cmoe::Cpu<float>;

struct Backbone {
  std::string name;
  cmoe::Tokenizer tokenizer;
  cmoe::Llama::On<Backend> model;
};

// `builtin`, a Hugging Face folder, a GGUF file, or a llama2.c file. throws cmoe::Error
Backbone load_backbone(const ModelOptions& options, Progress& progress);

// The tokenizer alone, without loading or training weights.
cmoe::Tokenizer load_tokenizer(const ModelOptions& options);

// The built-in ModuleFormer, or one from a folder. throws cmoe::Error
cmoe::ModuleFormer::On<Backend> load_moduleformer(const ModelOptions& options, Progress& progress);

}  // namespace program
