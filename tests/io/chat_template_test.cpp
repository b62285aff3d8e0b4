// Chat templates in the styles of released models: the texts that jinja2 makes of them, set up as transformers does.
#include <doctest/doctest.h>

#include "cmoe/io/chat_template.hpp"
#include "io/gguf_samples.hpp"
#include "io/tokenizer_samples.hpp"

namespace cmoe::chat_template_test {

namespace {

struct Style {
  const char* name;
  bool system;  // takes a system message
  const char* source;
  const char* asked;   // one question
  const char* longer;  // a system message, two questions and an answer
};

const Style styles[] = {
    {"ChatML", true,
     R"j({% for message in messages %}{{'<|im_start|>' + message['role'] + '
' + message['content'] + '<|im_end|>' + '
'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant
' }}{% endif %})j",
     "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
     "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n Hi there \n<|im_end|>\n"
     "<|im_start|>assistant\nHello!<|im_end|>\n<|im_start|>user\n2+2?<|im_end|>\n<|im_start|>assistant\n"},
    {"ChatML that brings its own system message", true,
     R"j({% for message in messages %}
{% if loop.first and messages[0]['role'] != 'system' %}
{{ '<|im_start|>system
Be helpful.<|im_end|>
' }}
{% endif %}
{{- '<|im_start|>' + message.role + '
' + message.content + '<|im_end|>' + '
' }}
{% endfor %}
{%- if add_generation_prompt -%}
{{ '<|im_start|>assistant
' }}{% endif %}
)j",
     "<|im_start|>system\nBe helpful.<|im_end|>\n\n<|im_start|>user\nHi<|im_end|>\n\n<|im_start|>assistant\n",
     "<|im_start|>system\nBe brief.<|im_end|>\n\n<|im_start|>user\n Hi there \n<|im_end|>\n\n"
     "<|im_start|>assistant\nHello!<|im_end|>\n\n<|im_start|>user\n2+2?<|im_end|>\n\n<|im_start|>assistant\n"},
    {"Llama 2", true,
     R"j({% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %})j"
     R"j({% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}{% set system_message = false %})j"
     R"j({% endif %}{% for message in loop_messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %})j"
     R"j({{ raise_exception('Roles must take turns: user, assistant, user, ...') }}{% endif %})j"
     R"j({% if loop.index0 == 0 and system_message != false %})j"
     R"j({% set content = '<<SYS>>\n' + system_message + '\n<</SYS>>\n\n' + message['content'] %}{% else %})j"
     R"j({% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %})j"
     R"j({{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %})j"
     R"j({{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %})j",
     "<s>[INST] Hi [/INST]",
     "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\n Hi there [/INST] Hello! </s><s>[INST] 2+2? [/INST]"},
    {"Llama 3", true,
     R"j({% set loop_messages = messages %}{% for message in loop_messages %})j"
     R"j({% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>

'+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %})j"
     R"j({{ content }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>

' }}{% endif %})j",
     "<s><|start_header_id|>user<|end_header_id|>\n\n"
     "Hi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
     "<s><|start_header_id|>system<|end_header_id|>\n\n"
     "Be brief.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n"
     "Hi there<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
     "Hello!<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n"
     "2+2?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"},
    {"Llama 3.1, with tools it is not given", true,
     R"j({{- bos_token }}
{%- if custom_tools is defined %}
    {%- set tools = custom_tools %}
{%- endif %}
{%- if not date is defined %}
    {%- if strftime_now is defined %}
        {%- set date = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date = "1 Jan 2020" %}
    {%- endif %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{#- The system message. #}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|h|>system<|/h|>\n\n" }}
{%- if tools is not none %}
    {{- "Tools:\n" }}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {%- for name, value in t.arguments | items %}{{- name + '=' + value }}{%- endfor %}
    {%- endfor %}
{%- endif %}
{{- "Date: " + date + "\n\n" }}
{{- system_message }}
{{- "<|eot|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|h|>' + message['role'] + '<|/h|>\n\n'+ message['content'] | trim + '<|eot|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls|length == 1 %}
            {{- raise_exception("One call at a time!") }}
        {%- endif %}
    {%- elif message.role == "tool" or message.role == "ipython" %}
        {{- "<|h|>ipython<|/h|>\n\n" }}
        {%- if message.content is mapping or message.content is iterable %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
        {{- "<|eot|>" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|h|>assistant<|/h|>\n\n' }}
{%- endif %}
)j",
     "<s><|h|>system<|/h|>\n\nDate: 1 Jan 2020\n\n<|eot|><|h|>user<|/h|>\n\nHi<|eot|><|h|>assistant<|/h|>\n\n",
     "<s><|h|>system<|/h|>\n\nDate: 1 Jan 2020\n\nBe brief.<|eot|><|h|>user<|/h|>\n\n"
     "Hi there<|eot|><|h|>assistant<|/h|>\n\nHello!<|eot|><|h|>user<|/h|>\n\n"
     "2+2?<|eot|><|h|>assistant<|/h|>\n\n"},
    {"Zephyr", true,
     R"j({% for message in messages %}
{% if message['role'] == 'user' %}
{{ '<|user|>
' + message['content'] + eos_token }}
{% elif message['role'] == 'system' %}
{{ '<|system|>
' + message['content'] + eos_token }}
{% elif message['role'] == 'assistant' %}
{{ '<|assistant|>
'  + message['content'] + eos_token }}
{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %})j",
     "<|user|>\nHi</s>\n<|assistant|>\n",
     "<|system|>\nBe brief.</s>\n<|user|>\n Hi there \n</s>\n<|assistant|>\nHello!</s>\n<|user|>\n2+2?</s>\n"
     "<|assistant|>\n"},
    {"Mistral", false,
     R"j({{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %})j"
     R"j({{ raise_exception('Turns must alternate!') }}{% endif %}{% if message['role'] == 'user' %})j"
     R"j({{ '[INST] ' + message['content'] + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token}})j"
     R"j({% else %}{{ raise_exception('Only user and assistant!') }}{% endif %}{% endfor %})j",
     "<s>[INST] Hi [/INST]",
     "<s>[INST]  Hi there \n [/INST]Hello!</s>[INST] 2+2? [/INST]"},
    {"Mistral with a namespace", true,
     R"j({%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- set ns = namespace(index=0) %}
{%- for message in loop_messages %}
    {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}
        {{- raise_exception("must alternate") }}
    {%- endif %}
    {%- set ns.index = ns.index + 1 %}
{%- endfor %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST] " + system_message + "\n\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " ~ message["content"] ~ "[/INST]" }}
        {%- endif %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"]|trim + eos_token}}
    {%- endif %}
{%- endfor %}
)j",
     "<s>[INST] Hi[/INST]",
     "<s>[INST]  Hi there \n[/INST] Hello!</s>[INST] Be brief.\n\n2+2?[/INST]"},
    {"Qwen3, with thoughts", true,
     R"j({%- if tools %}
    {{- '<|im_start|>system\n' }}
    {%- for tool in tools %}
        {{- "\n" }}
        {{- tool | tojson }}
    {%- endfor %}
{%- else %}
    {%- if messages[0].role == 'system' %}
        {{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}
    {%- endif %}
{%- endif %}
{%- set ns = namespace(searching=true, last=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    )j"
     R"j({%- if ns.searching and message.role == "user" and message.content is string and not(message.content.startswith('<r>') and message.content.endswith('</r>')) %}
        {%- set ns.searching = false %}
        {%- set ns.last = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.content is string %}
        {%- set content = message.content %}
    {%- else %}
        {%- set content = '' %}
    {%- endif %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\n' + content + '<|im_end|>' + '\n' }}
    {%- elif message.role == "assistant" %}
        {%- set thought = '' %}
        {%- if message.reasoning_content is string %}
            {%- set thought = message.reasoning_content %}
        {%- else %}
            {%- if '</think>' in content %}
                {%- set thought = content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}
                {%- set content = content.split('</think>')[-1].lstrip('\n') %}
            {%- endif %}
        {%- endif %}
        {%- if loop.index0 > ns.last %}
            {%- if loop.last or (not loop.last and thought) %}
                )j"
     R"j({{- '<|im_start|>' + message.role + '\n<think>\n' + thought.strip('\n') + '\n</think>\n\n' + content.lstrip('\n') }}
            {%- else %}
                {{- '<|im_start|>' + message.role + '\n' + content }}
            {%- endif %}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\n' + content }}
        {%- endif %}
        {{- '<|im_end|>\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\n\n</think>\n\n' }}
    {%- endif %}
{%- endif %})j",
     "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
     "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n Hi there \n<|im_end|>\n"
     "<|im_start|>assistant\nHello!<|im_end|>\n<|im_start|>user\n2+2?<|im_end|>\n<|im_start|>assistant\n"},
    {"Gemma", false,
     R"j({{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %})j"
     R"j({% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('alternate') }})j"
     R"j({% endif %}{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %})j"
     R"j({% endif %}{{ '<start_of_turn>' + role + '
' + message['content'] | trim + '<end_of_turn>
' }}{% endfor %}{% if add_generation_prompt %}{{'<start_of_turn>model
'}}{% endif %})j",
     "<s><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\n",
     "<s><start_of_turn>user\nHi there<end_of_turn>\n<start_of_turn>model\nHello!<end_of_turn>\n"
     "<start_of_turn>user\n2+2?<end_of_turn>\n<start_of_turn>model\n"},
    {"Phi", true,
     R"j({% for message in messages %}{% if message['role'] == 'system' and message['content'] %}{{'<|system|>
' + message['content'] + '<|end|>
'}}{% elif message['role'] == 'user' %}{{'<|user|>
' + message['content'] + '<|end|>
'}}{% elif message['role'] == 'assistant' %}{{'<|assistant|>
' + message['content'] + '<|end|>
'}}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>
' }}{% else %}{{ eos_token }}{% endif %})j",
     "<|user|>\nHi<|end|>\n<|assistant|>\n",
     "<|system|>\nBe brief.<|end|>\n<|user|>\n Hi there \n<|end|>\n<|assistant|>\nHello!<|end|>\n<|user|>\n"
     "2+2?<|end|>\n<|assistant|>\n"},
    {"Alpaca", true,
     R"j({% if messages[0]['role'] == 'system' %}{% set first = 1 %}{{ messages[0]['content'] }}{% else %})j"
     R"j({% set first = 0 %}Below is a task.{% endif %}


{% for m in messages[first:] %}
### {{ m.role | upper }}:
{{ m.content | trim }}
{# a comment #}

{% endfor %}
{% if add_generation_prompt %}
### ASSISTANT:
{% endif %}
)j",
     "Below is a task.\n\n### USER:\nHi\n\n### ASSISTANT:\n",
     "Be brief.\n\n### USER:\nHi there\n\n### ASSISTANT:\nHello!\n\n### USER:\n2+2?\n\n### ASSISTANT:\n"},
};

std::vector<ChatMessage> longer(bool system) {
  std::vector<ChatMessage> all = {{"system", "Be brief."}, {"user", " Hi there \n"}, {"assistant", "Hello!"}, {"user", "2+2?"}};
  if (!system) all.erase(all.begin());
  return all;
}

std::string written(const Style& style, const std::vector<ChatMessage>& messages) {
  ChatTemplate form(style.source, style.name);
  form.variables = {{"bos_token", "<s>"}, {"eos_token", "</s>"}};
  return form.write(messages);
}

const std::string plain = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}";

}  // namespace

TEST_CASE("templates in the styles of released models write what jinja2 writes") {
  for (const Style& style : styles) {
    CAPTURE(style.name);
    CHECK(written(style, {{"user", "Hi"}}) == style.asked);
    CHECK(written(style, longer(style.system)) == style.longer);
  }
}

TEST_CASE("a template that refuses the messages says so in its own words") {
  const auto refused = samples::refusal([] { written(styles[6], {{"user", "a"}, {"user", "b"}}); });
  CHECK(refused.kind == ErrorKind::misuse);
  CHECK(refused.text == "Mistral: line 1: the template refuses the messages: Turns must alternate!");
}

TEST_CASE("the answer is asked for, or not") {
  CHECK(ChatTemplate(plain).write({{"user", "x"}}) == "[user]x[assistant]");
  CHECK(ChatTemplate(plain).write({{"user", "x"}, {"assistant", "y"}}, false) == "[user]x[assistant]y");
}

TEST_CASE("marks come from the vocabulary, and are undefined where it has none") {
  const std::string source = "{{ bos_token ~ '|' ~ eos_token ~ '|' ~ pad_token ~ (unk_token is defined) }}";
  ChatTemplate form(source);
  CHECK(form.write({}) == "||False");
  TokenizerArrays arrays = samples::pieces("llama");
  form.take_marks(make_tokenizer(arrays));
  CHECK(form.write({}) == "<s>|</s>|False");
}

TEST_CASE("messages that are not UTF-8 are refused") {
  CHECK(samples::refusal([] { ChatTemplate(plain).write({{"user", "\xff"}}); }).kind == ErrorKind::format);
  CHECK(samples::refusal([] { ChatTemplate(plain).write({{"\xc0\xaf", "x"}}); }).kind == ErrorKind::format);
  CHECK(samples::refusal([] { ChatTemplate("{{ 'a' }}\xff"); }).kind == ErrorKind::format);
}

TEST_CASE("a template is found in a GGUF file") {
  samples::GgufFile file;
  file.add("tokenizer.chat_template", plain);
  const auto found = gguf_chat_template(Gguf::parse(file.build(), "m.gguf"));
  REQUIRE(found);
  CHECK(found->write({{"user", "x"}}) == "[user]x[assistant]");
  CHECK(found->name() == "m.gguf (tokenizer.chat_template)");
  CHECK_FALSE(gguf_chat_template(Gguf::parse(samples::GgufFile().build(), "m.gguf")));
}

TEST_CASE("a template is found in a folder: a file of its own, a text, or the default of a list") {
  const samples::Folder folder;
  const auto answer = [&] { return hf_chat_template(folder.path())->write({{"user", "x"}}); };
  CHECK_FALSE(hf_chat_template(folder.path()));
  folder.write("tokenizer_config.json", R"({"bos_token": "<s>", "chat_template": null})");
  CHECK_FALSE(hf_chat_template(folder.path()));
  folder.write("tokenizer_config.json", R"({"chat_template": "one {{ messages[0].content }}"})");
  CHECK(answer() == "one x");
  folder.write("tokenizer_config.json", R"({"chat_template": [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "two"}]})");
  CHECK(answer() == "two");
  folder.write("chat_template.jinja", "three\n");
  CHECK(answer() == "three");
  std::filesystem::remove(folder.path() / "chat_template.jinja");
  for (const char* wrong : {R"({"chat_template": [{"name": "tool_use", "template": "t"}]})", R"({"chat_template": 3})", R"({"chat_template": {}})",
                            R"({"chat_template": [3]})", R"({"chat_template": [{"name": "default"}]})", R"({"chat_template": "{% if %}"})"}) {
    folder.write("tokenizer_config.json", wrong);
    CHECK_MESSAGE(samples::refusal([&] { hf_chat_template(folder.path()); }).kind == ErrorKind::format, std::string(wrong));
  }
}

}  // namespace cmoe::chat_template_test
