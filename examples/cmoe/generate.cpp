// cmoe generate: continues prompts, streaming the text as it is made, or holds a conversation.
#include "generate.hpp"

#include <cstdio>
#include <iostream>
#include <iterator>

#include "answer.hpp"
#include "cmoe/io/text_marks.hpp"

namespace program {

using namespace cmoe;

namespace {

// How texts begin and end, as the model's files say; for builtin and llama2.c nothing is said.
TextMarks text_marks(const std::string& model) {
  if (model.ends_with(".gguf")) return gguf_text_marks(Gguf::open(model));
  if (std::filesystem::exists(std::filesystem::path(model) / "config.json")) return hf_text_marks(model);
  return {};
}

std::string from_stdin() { return {std::istreambuf_iterator<char>(std::cin), {}}; }

// --prompt, in order, or the lines of --prompts.
std::vector<std::string> prompts_of(const GenerateOptions& o) {
  std::vector<std::string> prompts = o.prompts;
  check(o.prompts_file.empty() || prompts.empty(), ErrorKind::config, "generate: --prompt and --prompts exclude each other");
  for (std::string& prompt : prompts)
    if (prompt == "-") prompt = from_stdin();
  if (!o.prompts_file.empty()) {
    std::string text = o.prompts_file == "-" ? from_stdin() : read_file(o.prompts_file);
    if (text.ends_with('\n')) text.pop_back();
    for (std::size_t at = 0; at <= text.size();) {
      const std::size_t end = std::min(text.find('\n', at), text.size());
      prompts.push_back(text.substr(at, end - at));
      if (prompts.back().ends_with('\r')) prompts.back().pop_back();
      at = end + 1;
    }
  }
  for (const std::string& prompt : prompts) check_utf8(prompt, "the prompt");
  return prompts;
}

}  // namespace

void print_json(const Json& json) {
  std::printf("%s\n", json.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
  std::fflush(stdout);
}

void print_part(const std::string& part) {
  std::fwrite(part.data(), 1, part.size(), stdout);
  std::fflush(stdout);
}

int generate(const GenerateOptions& o) {
  check(o.max_tokens >= 1, ErrorKind::config, "--max-tokens ", o.max_tokens, " is not positive");
  check(o.temperature >= 0 && o.top_k >= 0 && o.top_p > 0 && o.top_p <= 1, ErrorKind::config,
        "generate: --temperature and --top-k may not be negative, --top-p lies in (0,1]");
  check(o.repetition_penalty > 0, ErrorKind::config, "--repetition-penalty ", o.repetition_penalty, " is not positive");
  check(o.chat || (o.system.empty() && o.chat_template.empty()), ErrorKind::config, "generate: --system and --chat-template need --chat");
  const StopStrings checked(o.stops);
  const std::vector<std::string> prompts = prompts_of(o);
  check(o.chat || !prompts.empty(), ErrorKind::config, "generate: nothing to continue; give --prompt TEXT, --prompts FILE, or --chat");
  check(!o.chat || prompts.size() < 2, ErrorKind::config, "generate: --chat takes one prompt");
  Progress progress(o.quiet);
  const OpenedRun run = open_run(o.run, o.source, progress);
  const TextMarks marks = text_marks(run.options.source.model);
  const Tokenizer& tokenizer = run.tokenizer;
  Ends ends(marks.ends);
  for (const auto& id : {tokenizer.eos(), tokenizer.bos()})  // llama2.c's models end a story with either
    if (id) ends.ids.push_back(*id);
  if (o.chat) return chat(o, run, ends, prompts);

  const bool begins = !o.run.empty() || marks.begins.value_or(true);  // runs were trained on texts that begin so
  std::vector<std::vector<Id>> ids;
  for (const std::string& prompt : prompts) {
    ids.push_back(tokenizer.encode(prompt));
    if (tokenizer.bos() && begins) ids.back().insert(ids.back().begin(), *tokenizer.bos());
    if (tokenizer.separator()) ids.back().push_back(*tokenizer.separator());
  }
  const bool one = prompts.size() == 1 && o.prompts_file.empty();
  std::vector<Answer> answers;
  for (std::size_t i = 0; i < prompts.size(); ++i) answers.emplace_back(tokenizer, ends, o.stops, one && !o.json ? print_part : nullptr);
  const double begun = now();
  run.generate(ids, o.max_tokens, sampling(o), Rng(o.seed), [&](Index i, Id id) { return answers[static_cast<std::size_t>(i)].add(id); }, nullptr);
  for (Answer& answer : answers) answer.finish(o.max_tokens);
  const double seconds = now() - begun;
  if (o.json) {
    Json list = Json::array();
    for (std::size_t i = 0; i < answers.size(); ++i) list.push_back(answers[i].json(ids[i], seconds));
    print_json(one ? list[0] : list);
    return 0;
  }
  for (std::size_t i = 0; i < answers.size(); ++i)
    if (one) std::printf("\n");
    else print_part("==> " + prompts[i] + " <==\n" + answers[i].text + "\n");
  return 0;
}

}  // namespace program
