// GGUF files: metadata, vocabulary and tokenizer, marks, chat template, the numbers of every tensor, and the decoder.
#include "cmoe/cpu/cpu.hpp"
#include "cmoe/io/chat_template.hpp"
#include "cmoe/io/gguf_llama.hpp"
#include "cmoe/io/gguf_tokenizer.hpp"
#include "cmoe/io/text_marks.hpp"
#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cmoe;
  const auto each = [&](auto&& read) {
    fuzz::read_or_refuse(data, size, [&](std::string_view input) { read(Gguf::parse(std::string(input), "fuzz.gguf")); });
  };
  each([](const Gguf& file) {
    for (const GgufTensor& tensor : file.tensors()) (void)tensor.values();
  });
  each([](const Gguf& file) {
    const Tokenizer tokenizer = gguf_tokenizer(file);
    for (const Id id : tokenizer.encode("ab <s> \xC3\xA9\n")) fuzz::expect(id >= 0 && id < tokenizer.size());
  });
  each([](const Gguf& file) { (void)gguf_text_marks(file); });
  each([](const Gguf& file) {
    if (const auto form = gguf_chat_template(file)) (void)form->write({{"user", "hi"}});
  });
  each([](const Gguf& file) { (void)make_llama<Cpu<float>>(file); });
  return 0;
}
