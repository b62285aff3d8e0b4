// Chat templates: how a model wants a conversation written. They are text of whoever made the model and are interpreted, not executed.
#pragma once

#include "cmoe/io/gguf_vocabulary.hpp"
#include "cmoe/io/read_tokenizer.hpp"
#include "cmoe/io/template_run.hpp"

namespace cmoe {

// One turn of a conversation.
struct ChatMessage {
  std::string role, content;  // role: system, user or assistant, usually
};

// A subset of Jinja2 as transformers sets it up (trim_blocks, lstrip_blocks):
//   {{ }}, {# #}, {% if elif else %}, {% for a, b in x if y %} with else and loop, {% set %}, namespace(), {% generation %}; texts, whole
//   numbers, lists; + - * // % ~, comparisons, and or not in, x if y else z, [i], [a:b:c], .name;
//   filters capitalize default first items join last length list lower rejectattr replace selectattr string title tojson trim upper; tests
//   boolean defined even false integer iterable mapping none number odd sequence string true undefined; methods of texts capitalize endswith
//   lower lstrip replace rstrip split startswith strip title upper, of objects get items keys values; functions namespace raise_exception range.
// All else is an Error: tags and operators when the template is read, filters, tests, methods and functions when they are reached. Where
// nothing is defined (tools, strftime_now, ...) a template sees that. Expressions nest 64 deep, statements too.
class ChatTemplate {
 public:
  // `name` is how messages call it. throws Error (format) naming the line and what is not read, also for more than 256 KiB
  explicit ChatTemplate(std::string_view source, std::string name = "chat template") : name_(std::move(name)), size_(source.size()) {
    check(source.size() <= most_bytes, ErrorKind::format, name_, ": holds ", source.size(), " bytes, at most ", most_bytes, " are read");
    check_utf8(source, name_);
    statements_ = parse_template(source, name_);
  }

  // The variables bos_token, eos_token and pad_token, where the vocabulary has such tokens.
  void take_marks(const Tokenizer& tokenizer) {
    const auto take = [&](const char* variable, std::optional<Id> id) {
      if (id) variables[variable] = tokenizer.piece(*id);
    };
    take("bos_token", tokenizer.bos());
    take("eos_token", tokenizer.eos());
    take("pad_token", tokenizer.pad());
  }

  // The conversation as the model wants it, up to where the answer begins if `answer` is asked for.
  // cost: at most 2^17 + 16 template bytes for each message + 64 for each of their bytes, in evaluations and bytes written
  // throws Error (format) for what cannot be computed, with the line, and for more work than that; Error (misuse) with the template's
  // own words where it refuses the messages; Error (format) for messages that are not UTF-8
  std::string write(const std::vector<ChatMessage>& messages, bool answer = true) const {
    std::size_t bytes = 0;
    TemplateValue::List list;
    for (const ChatMessage& message : messages) {
      check_utf8(message.role, "the role of a message");
      check_utf8(message.content, "a message");
      bytes += message.role.size() + message.content.size();
      list.emplace_back(TemplateValue::Object{{"role", message.role}, {"content", message.content}});
    }
    TemplateVariables all = variables;
    all.insert_or_assign("messages", std::move(list));
    all.insert_or_assign("add_generation_prompt", answer);
    const std::size_t allowance = (std::size_t{1} << 17) + 16 * size_ * (messages.size() + 2) + 64 * bytes;
    return detail::TemplateRun(name_, all, static_cast<std::int64_t>(allowance)).write(statements_);
  }

  const std::string& name() const { return name_; }

  TemplateVariables variables;  // further ones, such as enable_thinking

 private:
  static constexpr std::size_t most_bytes = std::size_t{1} << 18;

  std::string name_;
  std::size_t size_;
  std::vector<TemplateStatement> statements_;
};

// tokenizer.chat_template of a GGUF file; nothing if the file has none.
inline std::optional<ChatTemplate> gguf_chat_template(const Gguf& file) {
  const auto source = file.optional<std::string>("tokenizer.chat_template");
  if (!source) return std::nullopt;
  return ChatTemplate(*source, file.name() + " (tokenizer.chat_template)");
}

// chat_template.jinja of a Hugging Face folder, or `chat_template` in its tokenizer_config.json: a text, or a list of {name, template}
// of which the one named default is taken; nothing if the folder has none. throws Error (format)
inline std::optional<ChatTemplate> hf_chat_template(const Path& folder) {
  if (const Path alone = folder / "chat_template.jinja"; std::filesystem::exists(alone)) return ChatTemplate(read_file(alone), alone.string());
  const auto config = detail::json_beside(folder, "tokenizer_config.json");
  const std::string name = (folder / "tokenizer_config.json").string();
  if (!config || !config->contains("chat_template") || (*config)["chat_template"].is_null()) return std::nullopt;
  const Json& found = (*config)["chat_template"];
  if (!found.is_array()) return ChatTemplate(required<std::string>(*config, "chat_template", name), name + " (chat_template)");
  for (const Json& one : found)
    if (required<std::string>(one, "name", name) == "default")
      return ChatTemplate(required<std::string>(one, "template", name), name + " (chat_template)");
  fail(ErrorKind::format, name, ": 'chat_template' lists ", found.size(), " templates, none of them named default");
}

}  // namespace cmoe
