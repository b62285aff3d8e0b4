#include "ability.hpp"

#include <filesystem>
#include <set>

#include "cmoe/io/utf8.hpp"
#include "run_files.hpp"

namespace program {

using namespace cmoe;

namespace {

std::string read_text(const std::string& path) {
  const std::string text = read_file(path);
  check_utf8(text, path);
  return std::string(without_byte_order_mark(text));
}

}  // namespace

void check_ability_files(const std::string& files) {
  std::set<std::string> seen;
  for (const std::string& path : split(files)) {
    check(seen.insert(path).second, ErrorKind::config, "--ability names ", path, " twice");
    read_text(path);
  }
}

std::vector<EncodedTask> ability_texts(const std::string& files, const Tokenizer& tokenizer, const EncodeConfig& encoding) {
  std::vector<EncodedTask> texts;
  check_ability_files(files);
  for (const std::string& path : split(files)) {
    check(encoding.prompt_tokens >= 1 && encoding.window > encoding.prompt_tokens, ErrorKind::config, "--ability: a window of ",
          encoding.window, " tokens with a prompt of ", encoding.prompt_tokens);
    EncodedTask text;
    text.name = path;
    text.scoring = Scoring::next_token;
    text.test = encode_windows(tokenizer, read_text(path), encoding, encoding.test_limit);
    check(!text.test.empty(), ErrorKind::format, path, ": no more tokens than the ", encoding.prompt_tokens, " of a window's prompt");
    texts.push_back(std::move(text));
  }
  return texts;
}

std::vector<Ability> abilities(const std::string& files, const RunState& state) {
  std::vector<Ability> list;
  const auto &before = state.ability_before, &after = state.ability_after;
  const std::vector<std::string> paths = split(files);
  if (after.score.size() != paths.size() || before.score.size() != paths.size()) return list;
  for (std::size_t i = 0; i < paths.size(); ++i)
    list.push_back({std::filesystem::path(paths[i]).filename().string(), before.score[i], after.score[i], before.nll[i], after.nll[i]});
  return list;
}

Json ability_json(const std::vector<Ability>& abilities) {
  Json list = Json::array();
  for (const Ability& a : abilities)
    list.push_back({{"text", a.text}, {"accuracy_before", a.accuracy_before}, {"accuracy_after", a.accuracy_after},
                    {"nll_before", a.nll_before}, {"nll_after", a.nll_after}});
  return list;
}

std::string ability_lines(const std::vector<Ability>& abilities) {
  if (abilities.empty()) return {};
  double delta = 0, nll = 0;
  for (const Ability& a : abilities) {
    delta += (a.accuracy_after - a.accuracy_before) / static_cast<double>(abilities.size());
    nll += (a.nll_after - a.nll_before) / static_cast<double>(abilities.size());
  }
  std::string out = "\nability delta " + fixed(delta, 2) + " points, nll " + fixed(nll, 4) +
                    ": mean change over the stream of the share of next tokens predicted, no task told\n";
  for (const Ability& a : abilities)
    out += "  " + left(a.text, 30) + padded(fixed(a.accuracy_before, 1), 7) + " ->" + padded(fixed(a.accuracy_after, 1), 6) + "   nll " +
           fixed(a.nll_before, 4) + " -> " + fixed(a.nll_after, 4) + "\n";
  return out;
}

}  // namespace program
