// Chat templates. A NUL byte ends the template, further ones divide messages; without any the messages are fixed.
#include "cmoe/io/chat_template.hpp"
#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cmoe;
  return fuzz::read_or_refuse(data, size, [](std::string_view input) {
    const std::size_t end = std::min(input.find('\0'), input.size());
    ChatTemplate form(input.substr(0, end));
    form.variables = {{"bos_token", "<s>"}, {"eos_token", "</s>"}};
    std::vector<ChatMessage> messages = {{"system", "Be brief."}, {"user", "Hi \xC3\xA9"}, {"assistant", " yo\n"}, {"user", "2+2?"}};
    if (end < input.size()) messages.clear();
    for (std::size_t at = end + 1; at < input.size() && messages.size() < 100;) {
      const std::size_t next = std::min(input.find('\0', at), input.size());
      messages.push_back({messages.size() % 2 == 0 ? "user" : "assistant", std::string(input.substr(at, next - at))});
      at = next + 1;
    }
    (void)form.write(messages);
  });
}
