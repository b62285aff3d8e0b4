// A model that somebody published, and what it writes. A folder (config.json, model.safetensors, tokenizer.json) or a GGUF file.
//     generate MODEL PROMPT
#include <cstdio>

#include "cmoe/cpu/cpu.hpp"
#include "cmoe/io/gguf_llama.hpp"
#include "cmoe/io/gguf_tokenizer.hpp"
#include "cmoe/io/hf_folder.hpp"
#include "cmoe/io/read_tokenizer.hpp"
#include "cmoe/models/generate.hpp"

using namespace cmoe;
using B = Cpu<float>;

int main(int argc, char** argv) try {
  check(argc == 3, ErrorKind::config, "usage: generate MODEL PROMPT");
  const Path path = argv[1];
  const bool one_file = path.extension() == ".gguf";
  const Llama::On<B> model = one_file ? read_gguf_llama<B>(path) : read_hf_llama<B>(path);
  const Tokenizer tokenizer = one_file                                       ? gguf_tokenizer(Gguf::open(path))
                              : std::filesystem::exists(path / "tokenizer.json") ? read_tokenizer(path)
                                                                                 : Tokenizer();  // bytes

  std::vector<Id> prompt = tokenizer.encode(argv[2]);
  if (tokenizer.bos()) prompt.insert(prompt.begin(), *tokenizer.bos());
  const std::vector<Id> written = generate(model, prompt, 40, tokenizer.eos().value_or(-1), Sampling{.temperature = 0}, Rng(1), Flow<B>());
  std::printf("%s%s\n", argv[2], tokenizer.decode_continuation(written).c_str());
} catch (const Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
