// Adapt a pretrained model and take the adapter home.                                           LoRA: arXiv 2106.09685
//
// A model that somebody published is a folder: config.json and model.safetensors. What a task teaches it need not be another such folder.
// The weights stay as they are, a LoRA beside the matrices learns, and the LoRA alone is the result: here a fifth of the model's file, of
// a model with billions of weights a hundredth, in the two files that PEFT reads and writes. Whoever has the model puts the adapter onto
// it, in Python or here:
//
//     PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained("model"), "adapter")          cmoe generate --model model --adapter adapter
//
// This file makes the published model itself, so that it needs no download, and then does not touch it any more: it is read as any other
// (a GGUF file would be read_gguf_llama), adapted to one task, and the adapter is written, read back and merged. DoraLlama, Ia3Llama and
// PromptTunedLlama of models/tuned.hpp go the same way.
//
// run:      bin/example_11_adapt_a_pretrained_model
// ends with "the adapter taken home gives the same answers: yes"

#include <unistd.h>

#include "cmoe/io/hf_folder.hpp"
#include "cmoe/io/peft_model.hpp"
#include "cmoe/models/generate.hpp"
#include "words_stream.hpp"

using namespace words;

// A folder of our own that goes away with the program.
struct Home {
  Path path = std::filesystem::temp_directory_path() / ("cmoe_example_" + std::to_string(::getpid()));
  Home() { std::filesystem::create_directories(path); }
  ~Home() { std::filesystem::remove_all(path); }
};

// What a model answers to the prompt of an item: the likeliest token, one after another, up to the end of the answer.
std::string answer(const auto& model, const Sequence& item) {
  const std::vector<Id> prompt(item.ids.begin(), item.ids.begin() + item.prompt);
  return ByteTokenizer().decode(generate(model, prompt, 6, *ByteTokenizer().eos(), {}, Rng(0), Flow<B>()));
}

long long kilobytes(const Path& file) { return static_cast<long long>((std::filesystem::file_size(file) + 512) / 1024); }

int main() {
  const Home home;
  const Path published = home.path / "model", adapter = home.path / "adapter";
  write_hf_llama<B>(published, pretrained(), {.begin = ByteTokenizer().bos(), .ends = {*ByteTokenizer().eos()}});

  // Here the story begins. The model comes from its folder; the task is the first of the stream, words turned backwards.
  const Llama::On<B> model = read_hf_llama<B>(published);
  std::vector<EncodedTask> data = stream();
  data.resize(1);

  // One LoRA on six of a layer's seven matrices. Everything else is frozen.
  LoraLlama::Config config;
  config.deep = {.rank = 8, .alpha = 32};
  config.targets = {"query", "key", "value", "output", "up", "down"};
  SeqLora<B> learner(around<LoraLlama>(model, config), {}, Rng(6));
  learn("score on the task before and after", AnyLearner<B>(learner), data);

  // Out: the two files, complete or not at all. The last argument says where the model is from; nothing depends on it.
  write_peft(adapter, learner.model(), published.string());
  std::printf("the model has %lld kilobytes, the adapter %lld\n", kilobytes(published / "model.safetensors"),
              kilobytes(adapter / "adapter_model.safetensors"));

  // And in, as on another machine: the model, the adapter onto it (its weights are shared, not copied), and both as one plain model.
  const Llama::On<B> again = read_hf_llama<B>(published);
  const auto tuned = read_peft<LoraLlama>(adapter, again);
  const Llama::On<B> whole = merged(tuned);
  std::printf("%-8s %-8s %-8s %s\n", "", "learnt", "adapter", "merged");
  std::size_t same = 0;
  for (std::size_t i = 0; i < data[0].test.size(); ++i) {
    const Sequence& item = data[0].test[i];
    const std::string learnt = answer(learner.model(), item), taken = answer(tuned, item), one = answer(whole, item);
    same += learnt == taken && learnt == one;
    if (i >= 3) continue;
    const std::string prompt = ByteTokenizer().decode({item.ids.data(), static_cast<std::size_t>(item.prompt)});
    std::printf("%-8s %-8s %-8s %s\n", prompt.c_str(), learnt.c_str(), taken.c_str(), one.c_str());
  }
  std::printf("the adapter taken home gives the same answers: %s\n", same == data[0].test.size() ? "yes" : "no");
}
