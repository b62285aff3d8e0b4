// cmoe generate: continues a prompt, streaming the text as it is made.
#include <cstdio>
#include <iostream>
#include <iterator>

#include "cmoe/io/stream_decoder.hpp"
#include "interrupt.hpp"
#include "cmoe/io/json.hpp"
#include "run.hpp"

namespace program {

using namespace cmoe;

int generate(const GenerateOptions& o) {
  std::string prompt = o.prompt;
  if (prompt == "-") prompt.assign(std::istreambuf_iterator<char>(std::cin), {});
  check_utf8(prompt, "the prompt");
  check(o.max_tokens >= 1, ErrorKind::config, "--max-tokens ", o.max_tokens, " is not positive");
  check(o.temperature >= 0 && o.top_k >= 0 && o.top_p > 0 && o.top_p <= 1, ErrorKind::config,
        "generate: --temperature and --top-k may not be negative, --top-p lies in (0,1]");
  Progress progress(o.quiet);
  const OpenedRun run = open_run(o.run, o.source, progress);
  const Tokenizer& tokenizer = run.tokenizer;
  std::vector<Id> ids = tokenizer.encode(prompt);
  if (tokenizer.bos()) ids.insert(ids.begin(), *tokenizer.bos());
  if (tokenizer.separator()) ids.push_back(*tokenizer.separator());
  const Id end = tokenizer.eos().value_or(-1), begin = tokenizer.bos().value_or(-1);
  std::vector<Id> made;
  std::string text;
  StreamDecoder decoder;
  const auto put = [&](const std::string& part) {
    if (!o.json && !part.empty()) {
      std::fwrite(part.data(), 1, part.size(), stdout);
      std::fflush(stdout);
    }
    text += part;
  };
  const double begun = now();
  run.generate(ids, o.max_tokens, end, {o.temperature, o.top_k, o.top_p}, Rng(o.seed), [&](Id id) {
    if (id == end || id == begin) return false;  // llama2.c's models end a story with either
    made.push_back(id);
    put(decoder.add(tokenizer.decode_continuation({&id, 1})));
    return interrupted == 0;
  });
  put(decoder.finish());
  const double seconds = now() - begun;
  if (!o.json) {
    std::printf("\n");
    return 0;
  }
  const Json json = {{"prompt_ids", ids}, {"ids", made}, {"text", text}, {"tokens_per_second", static_cast<double>(made.size()) / seconds}};
  std::printf("%s\n", json.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
  return 0;
}

}  // namespace program
