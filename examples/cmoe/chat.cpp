// cmoe generate --chat: a conversation in the words of the model's own template.
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <iostream>

#include "answer.hpp"
#include "cmoe/io/chat_template.hpp"
#include "generate.hpp"

namespace program {

using namespace cmoe;
namespace fs = std::filesystem;

namespace {

// --chat-template, or what comes with the model or its tokenizer.
ChatTemplate chat_template(const GenerateOptions& o, const ModelOptions& source, const Tokenizer& tokenizer) {
  const auto found = [&]() -> std::optional<ChatTemplate> {
    if (!o.chat_template.empty()) return ChatTemplate(read_file(o.chat_template), o.chat_template);
    for (const std::string& place : {source.tokenizer, source.model}) {
      if (place.ends_with(".gguf") && fs::exists(place))
        if (auto brought = gguf_chat_template(Gguf::open(place))) return brought;
      const fs::path folder = fs::is_directory(place) ? fs::path(place) : fs::path(place).parent_path();  // a tokenizer may be named by its file
      if (!place.ends_with(".gguf") && fs::is_directory(folder))
        if (auto brought = hf_chat_template(folder)) return brought;
    }
    return std::nullopt;
  }();
  check(found.has_value(), ErrorKind::config, "--chat: ", source.model, " brings no chat template; name one with --chat-template FILE");
  ChatTemplate form = *found;
  form.take_marks(tokenizer);
  return form;
}

class Conversation {
 public:
  Conversation(const GenerateOptions& o, const OpenedRun& run, const Ends& ends)
      : o_(o), run_(run), ends_(ends), form_(chat_template(o, run.options.source, run.tokenizer)) {
    check_utf8(o.system, "--system");
    reset();
  }

  void reset() {
    history_.clear();
    if (!o_.system.empty()) history_.push_back({"system", o_.system});
  }

  // Asks, prints the answer and remembers both; after an error nothing of the turn is remembered.
  void ask(const std::string& question) {
    std::vector<ChatMessage> asked = history_;
    asked.push_back({"user", question});
    const std::vector<Id> ids = within_context(asked);
    Answer answer(run_.tokenizer, ends_, o_.stops, o_.json ? nullptr : print_part);
    const double begun = now();
    run_.generate({ids}, o_.max_tokens, sampling(o_), Rng(o_.seed).fork(turn_++), [&](Index, Id id) { return answer.add(id); }, &read_);
    answer.finish(o_.max_tokens);
    if (o_.json) print_json(answer.json(ids, now() - begun));
    else print_part("\n");
    history_ = std::move(asked);
    history_.push_back({"assistant", answer.text});
  }

 private:
  std::vector<Id> encoded(const std::vector<ChatMessage>& messages) const { return run_.tokenizer.encode(form_.write(messages)); }

  // The ids of the messages. Where they leave no room for an answer (--max-tokens, at most half of the context) the oldest turns go,
  // question and answer together, and never the system message.
  std::vector<Id> within_context(std::vector<ChatMessage>& messages) const {
    const std::size_t fixed = o_.system.empty() ? 0 : 1;
    const auto room = static_cast<std::size_t>(run_.context - std::min(o_.max_tokens, run_.context / 2));
    std::vector<Id> ids = encoded(messages);
    std::size_t dropped = 0;
    for (; ids.size() > room && messages.size() > fixed + 2; ++dropped) {
      const auto oldest = messages.begin() + static_cast<std::ptrdiff_t>(fixed);
      messages.erase(oldest, oldest + 2);
      ids = encoded(messages);
    }
    if (dropped > 0)
      std::fprintf(stderr, "cmoe: the context of %lld tokens is full: %zu of the oldest turns were dropped\n", static_cast<long long>(run_.context), dropped);
    return ids;
  }

  const GenerateOptions& o_;
  const OpenedRun& run_;
  const Ends& ends_;
  ChatTemplate form_;
  std::vector<ChatMessage> history_;
  TextRead<Backend> read_;
  std::uint64_t turn_ = 0;
};

}  // namespace

int chat(const GenerateOptions& o, const OpenedRun& run, const Ends& ends, const std::vector<std::string>& prompts) {
  Conversation conversation(o, run, ends);
  if (!prompts.empty()) return conversation.ask(prompts[0]), 0;
  const bool terminal = isatty(STDIN_FILENO) != 0;
  if (terminal) std::fprintf(stderr, "/reset forgets what was said, /quit ends\n");
  for (std::string line; interrupted == 0;) {
    if (terminal) std::fprintf(stderr, "> ");
    if (!std::getline(std::cin, line) || line == "/quit") break;
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty()) continue;
    if (line == "/reset") {
      conversation.reset();
      continue;
    }
    try {
      check_utf8(line, "the line");
      conversation.ask(line);
    } catch (const Error& error) {
      if (!terminal) throw;
      std::fprintf(stderr, "cmoe: %s\n", error.what());
    }
    if (terminal) interrupted = 0;  // it ended an answer, not the conversation
  }
  return 0;
}

}  // namespace program
