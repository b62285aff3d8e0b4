// What README and docs say about the tree is true: paths exist, and the blocks to copy are the tested files.
#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "cmoe/version.hpp"
#include "structure/source_tree.hpp"

namespace cmoe::documents_test {

namespace {

namespace fs = std::filesystem;

std::vector<SourceFile> documents() {
  std::vector<SourceFile> all = files_below("docs", {".md"});
  for (const char* name : {"README.md", "CHANGELOG.md", "CONTRIBUTING.md"}) all.push_back({name, read_text(source_root() / name)});
  return all;
}

bool path_like(const std::string& word) {
  static const std::set<std::string> endings = {".hpp", ".cpp", ".md", ".cmake", ".cmake.in", ".txt", ".json", ".sh"};
  if (word.empty() || word.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./") != std::string::npos) return false;
  const std::string first = word.substr(0, word.find('/'));
  if (first == "out" || first == "build" || first == "run" || first == "path") return false;  // what a reader makes
  if (first == "scripts" || first == "examples" || first == "tests" || first == "include" || first == "docs") return word.size() > first.size();
  return word.find('/') != std::string::npos && endings.contains(fs::path(word).extension().string());
}

// `code` that looks like a path, and the targets of links; blocks between ``` are left out.
std::vector<std::string> paths_in(const std::string& text) {
  std::vector<std::string> found;
  bool block = false;
  for (const std::string& line : lines_of(text)) {
    if (line.find_first_not_of(' ') == line.find("```") && line.find("```") != std::string::npos) block = !block;
    if (block) continue;
    for (std::size_t at = line.find('`'); at != std::string::npos;) {
      const std::size_t end = line.find('`', at + 1);
      if (end == std::string::npos) break;
      if (const std::string word = line.substr(at + 1, end - at - 1); path_like(word)) found.push_back(word);
      at = line.find('`', end + 1);
    }
    for (std::size_t at = line.find("]("); at != std::string::npos; at = line.find("](", at + 2)) {
      const std::string target = line.substr(at + 2, line.find_first_of(")#", at + 2) - at - 2);
      if (!target.empty() && target.find(':') == std::string::npos) found.push_back(target);
    }
  }
  return found;
}

// From the document's own folder, from the root, or as a header is included.
bool exists(const std::string& path, const std::string& document) {
  for (const fs::path& base : {source_root() / fs::path(document).parent_path(), source_root(), source_root() / "include/cmoe", source_root() / "include"})
    if (fs::exists(base / path)) return true;
  return false;
}

}  // namespace

TEST_CASE("every path that README and docs name exists") {
  std::size_t count = 0;
  for (const SourceFile& document : documents())
    for (const std::string& path : paths_in(document.text)) {
      ++count;
      CHECK_MESSAGE(exists(path, document.path), document.path << " names " << path);
    }
  CHECK(count > 40);
}

TEST_CASE("planted paths are found, and one that does not exist is noticed") {
  const auto paths = paths_in("see `ops/loss.hpp` and [the tour](docs/tour.md#x), not `y = x/2`\n  ```\n`ops/never.hpp`\n  ```\n`ops/gone.hpp`\n");
  CHECK(paths == std::vector<std::string>{"ops/loss.hpp", "docs/tour.md", "ops/gone.hpp"});
  CHECK(exists("ops/loss.hpp", "README.md"));
  CHECK_FALSE(exists("ops/gone.hpp", "README.md"));
}

TEST_CASE("every way of using cmoe that README has commands for is one that the package tests take from there") {
  const std::string tests = read_text(source_root() / "tests/package/tests.cmake");
  const std::size_t begin = tests.find("foreach(way ");
  const std::string tested = tests.substr(begin + 11, tests.find(')', begin) - begin - 11) + ' ';
  int ways = 0;
  for (const std::string& line : lines_of(read_text(source_root() / "README.md"))) {
    if (!line.starts_with("<!-- sh: ")) continue;
    ++ways;
    CHECK_MESSAGE(tested.find(line.substr(8, line.find(" -->") - 8) + ' ') != std::string::npos, line);
  }
  CHECK(ways == 7);
}

namespace {

// What stands between the quotation marks behind a word: from "..." in a comment of a page.
std::string after_word(const std::string& line, const std::string& word) {
  const std::size_t at = line.find(" " + word + " \"");
  if (at == std::string::npos) return {};
  const std::size_t begin = at + word.size() + 3;
  return line.substr(begin, line.find('"', begin) - begin);
}

// The lines of a file that a comment <!-- code: FILE from "A" to "B" --> stands for, see scripts/quotes.
std::vector<std::string> quoted(const std::string& mark) {
  const std::size_t begin = std::string("<!-- code: ").size();
  std::vector<std::string> lines = lines_of(read_text(source_root() / mark.substr(begin, mark.find(' ', begin) - begin)));
  if (mark.find(" from \"") == std::string::npos) return lines;
  const auto first = std::find_if(lines.begin(), lines.end(), [&](const std::string& l) { return l.find(after_word(mark, "from")) != std::string::npos; });
  const auto last = std::find(first, lines.end(), after_word(mark, "to"));
  return last == lines.end() ? std::vector<std::string>() : std::vector<std::string>(first, last->empty() ? last : last + 1);
}

// The marks whose block is not what they stand for.
std::vector<std::string> stale_quotes(const std::string& page, int& count) {
  std::vector<std::string> stale;
  const std::vector<std::string> lines = lines_of(page);
  for (std::size_t i = 0; i + 2 < lines.size(); ++i) {
    if (!lines[i].starts_with("<!-- code: ")) continue;
    ++count;
    std::vector<std::string> block;
    for (std::size_t j = i + 2; j < lines.size() && !lines[j].starts_with("```"); ++j) block.push_back(lines[j]);
    if (block.empty() || !lines[i + 1].starts_with("```") || block != quoted(lines[i])) stale.push_back(lines[i]);
  }
  return stale;
}

}  // namespace

TEST_CASE("what pages quote is what stands in the files (scripts/quotes fills it in)") {
  int count = 0;
  for (const SourceFile& document : documents())
    for (const std::string& mark : stale_quotes(document.text, count)) FAIL_CHECK(document.path << ": " << mark);
  CHECK(count > 10);
  const std::string mark = "<!-- code: tests/main.cpp -->\n```cpp\n";
  CHECK(stale_quotes(mark + "int planted;\n```\n", count).size() == 1);
}

TEST_CASE("every message that docs/errors.md explains is one that the sources say") {
  std::string sources;
  for (const char* folder : {"include", "examples/cmoe", "cmake"})
    for (const SourceFile& file : files_below(folder, {".hpp", ".cpp", ".cmake", ".in"})) sources += file.text;
  int count = 0;
  for (const std::string& line : lines_of(read_text(source_root() / "docs/errors.md"))) {
    if (!line.starts_with("- `")) continue;
    ++count;
    CHECK_MESSAGE(sources.find(line.substr(3, line.find('`', 3) - 3)) != std::string::npos, line);
  }
  CHECK(count > 15);
}

TEST_CASE("the number of the version is the same everywhere") {
  const std::string number(cmoe::version);
  CHECK(read_text(source_root() / "CMakeLists.txt").find("project(cmoe VERSION " + number + " ") != std::string::npos);
  CHECK(read_text(source_root() / "CITATION.cff").find("\nversion: " + number + "\n") != std::string::npos);
  CHECK(read_text(source_root() / "packaging/vcpkg/ports/cmoe/vcpkg.json").find("\"version-semver\": \"" + number + "\"") != std::string::npos);
  CHECK(read_text(source_root() / "CHANGELOG.md").find("\n## " + number + "\n") != std::string::npos);
}

TEST_CASE("the alias of PMoE in README is the one in the headers") {
  const std::string alias = "using PMoE = Adapted<Shallow<Single<LoRA>>, Deep<Mixture<LoRA>>, Gate<PromptMean, LinearSoftmax>>;";
  CHECK(read_text(source_root() / "README.md").find(alias) != std::string::npos);
  CHECK(read_text(source_root() / "include/cmoe/models/pmoe.hpp").find(alias) != std::string::npos);
}

TEST_CASE("docs/examples.md lists every example, in order") {
  const std::string page = read_text(source_root() / "docs/examples.md");
  std::set<std::string> names;
  for (const SourceFile& file : files_below("examples", {".cpp"}))
    if (file.path.find('/', 9) == std::string::npos) names.insert(file.path);
  std::size_t last = 0;
  for (const std::string& name : names) {
    const std::size_t at = page.find('`' + name + '`');
    CHECK_MESSAGE((at != std::string::npos && at > last), name);
    last = at;
  }
  CHECK(names.size() > 10);
}

TEST_CASE("what the examples are expected to print ends as their first comment says") {
  for (const SourceFile& file : files_below("examples", {".cpp"})) {
    if (file.path.find('/', 9) != std::string::npos) continue;
    const std::size_t at = file.text.find("// ends with \"");
    REQUIRE_MESSAGE(at != std::string::npos, file.path);
    const std::size_t begin = at + 14, end = file.text.find_first_of("\"\n", begin);
    std::string promise = file.text.substr(begin, end - begin);
    if (const std::size_t dots = promise.find("..."); dots != std::string::npos) promise.resize(dots);
    const auto printed = lines_of(read_text(source_root() / "examples/expected" / (fs::path(file.path).stem().string() + ".txt")));
    REQUIRE_FALSE(printed.empty());
    CHECK_MESSAGE(printed.back().starts_with(promise), file.path);
  }
}

}  // namespace cmoe::documents_test
