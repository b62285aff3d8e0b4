// What README and docs say about the tree is true: paths exist, and the blocks to copy are the tested files.
#include <doctest/doctest.h>

#include <set>

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

TEST_CASE("the blocks of README that are there to be copied are the files that the package tests use") {
  const std::string readme = read_text(source_root() / "README.md");
  for (const char* name : {"find_package/CMakeLists.txt", "add_subdirectory/CMakeLists.txt", "fetch_content/CMakeLists.txt",
                           "pkg_config/build.sh", "consumer/main.cpp"})
    CHECK_MESSAGE(readme.find(read_text(source_root() / "tests/package" / name)) != std::string::npos, std::string(name));
}

TEST_CASE("the alias of PMoE in README is the one in the headers") {
  const std::string alias = "using PMoE = Adapted<Shallow<Single<LoRA>>, Deep<Mixture<LoRA>>, Gate<PromptMean, LinearSoftmax>>;";
  CHECK(read_text(source_root() / "README.md").find(alias) != std::string::npos);
  CHECK(read_text(source_root() / "include/cmoe/models/pmoe.hpp").find(alias) != std::string::npos);
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
