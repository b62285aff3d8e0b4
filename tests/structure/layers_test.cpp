// A header may include its own folder or earlier ones, and third parties only where they are allowed.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>

#include "cmoe/version.hpp"
#include "structure/source_tree.hpp"

namespace cmoe::layers_test {

namespace {

const std::vector<std::string> layers = {"core", "cpu", "cuda", "autograd", "ops", "nn", "attention", "pet", "moe", "regularizer",
                                         "models", "train", "continual", "io", "dist"};

// The place of "cmoe/ops/x.hpp" in the order; -1 for version.hpp, which all may include; past the end for cmoe.hpp, which none may.
int layer_of(const std::string& header) {
  if (header == "cmoe/version.hpp") return -1;
  const std::size_t slash = header.find('/', 5);
  const auto folder = slash == std::string::npos ? layers.end() : std::find(layers.begin(), layers.end(), header.substr(5, slash - 5));
  return static_cast<int>(folder - layers.begin());
}

bool standard(const std::string& name) { return name.find_first_of("./") == std::string::npos; }

// What a header at this path may not include, in words; empty when all is well.
std::string include_faults(const SourceFile& file) {
  const std::string header = file.path.substr(std::string("include/").size());
  const int own = layer_of(header), io = layer_of("cmoe/io/x.hpp"), cpu = layer_of("cmoe/cpu/x.hpp");
  std::string faults;
  for (const Include& include : includes_of(file.text)) {
    bool allowed;
    if (include.name.starts_with("cmoe/")) allowed = include.quoted && layer_of(include.name) <= own;
    else if (include.name == "cmoe_precompiled.hpp") allowed = header == "cmoe/cpu/cpu.hpp";  // comes with the library of kernels
    else if (include.quoted) allowed = false;
    else if (include.name.starts_with("Eigen/")) allowed = own >= cpu;
    else if (include.name.ends_with("mmintrin.h")) allowed = own == cpu;
    else if (include.name == "sys/single_threaded.h") allowed = header == "cmoe/core/owners.hpp";  // the C library's flag
    else allowed = standard(include.name) || include.name.starts_with("xtl/") || own >= io;
    if (!allowed) faults += header + " includes " + include.name + "\n";
  }
  return faults;
}

std::vector<SourceFile> headers() { return files_below("include", {".hpp"}); }

}  // namespace

TEST_CASE("a header includes its own folder or earlier ones, and third parties only in io") {
  for (const SourceFile& file : headers()) CHECK(include_faults(file) == "");
}

TEST_CASE("every folder of the library has a place in the order") {
  for (const SourceFile& file : headers()) {
    const std::string header = file.path.substr(8);
    const bool known = header == "cmoe/cmoe.hpp" || layer_of(header) < static_cast<int>(layers.size());
    CHECK_MESSAGE(known, header);
  }
}

TEST_CASE("planted faults are found") {
  CHECK(include_faults({"include/cmoe/ops/planted.hpp", "#include \"cmoe/nn/linear.hpp\"\n"}) ==
        "cmoe/ops/planted.hpp includes cmoe/nn/linear.hpp\n");
  CHECK(include_faults({"include/cmoe/ops/planted.hpp", "#include \"cmoe/cmoe.hpp\"\n"}) != "");
  CHECK(include_faults({"include/cmoe/core/planted.hpp", "#include <Eigen/Core>\n"}) != "");
  CHECK(include_faults({"include/cmoe/models/planted.hpp", "#include <nlohmann/json.hpp>\n"}) != "");
  CHECK(include_faults({"include/cmoe/nn/planted.hpp", "#include <immintrin.h>\n"}) != "");
  CHECK(include_faults({"include/cmoe/nn/planted.hpp", "#include \"linear.hpp\"\n"}) != "");
  CHECK(include_faults({"include/cmoe/ops/planted.hpp", "#include \"cmoe_precompiled.hpp\"\n"}) != "");
  CHECK(include_faults({"include/cmoe/core/planted.hpp", "#include <sys/single_threaded.h>\n"}) != "");
  CHECK(include_faults({"include/cmoe/nn/good.hpp", "#include <vector>\n#include <xtl/xhash.hpp>\n#include \"cmoe/ops/loss.hpp\"\n"}) == "");
}

TEST_CASE("cmoe.hpp leads to every header up to continual, and to none behind it") {
  std::map<std::string, std::string> texts;
  for (const SourceFile& file : headers()) texts[file.path.substr(8)] = file.text;
  std::set<std::string> reached;
  std::vector<std::string> open = {"cmoe/cmoe.hpp"};
  while (!open.empty()) {
    const std::string header = open.back();
    open.pop_back();
    if (!reached.insert(header).second) continue;
    for (const Include& include : includes_of(texts[header]))
      if (include.quoted && include.name.starts_with("cmoe/")) open.push_back(include.name);
  }
  const int io = layer_of("cmoe/io/x.hpp");
  for (const auto& [header, text] : texts)
    if (header != "cmoe/cmoe.hpp") CHECK_MESSAGE((layer_of(header) < io) == reached.contains(header), header);
}

TEST_CASE("what nvcc compiles includes core and cuda, neither Eigen nor a model") {
  const auto faults = [](const SourceFile& file) {
    std::string found;
    for (const Include& include : includes_of(file.text))
      if (include.name.starts_with("Eigen/") || (include.name.starts_with("cmoe/") && layer_of(include.name) != layer_of("cmoe/core/x.hpp") &&
                                                 layer_of(include.name) != layer_of("cmoe/cuda/x.hpp")))
        found += file.path + " includes " + include.name + "\n";
    return found;
  };
  for (const SourceFile& file : files_below("cuda", {".cu", ".cuh", ".hpp", ".cpp"})) CHECK(faults(file) == "");
  for (const SourceFile& file : files_below("include/cmoe/cuda", {".hpp"})) CHECK(faults(file) == "");
  CHECK(faults({"cuda/planted.cuh", "#include <Eigen/Core>\n"}) != "");
  CHECK(faults({"cuda/planted.cuh", "#include \"cmoe/cpu/cpu.hpp\"\n"}) != "");
}

TEST_CASE("every header says its idea in the first line, is included once, and defines no macro but the version") {
  for (const SourceFile& file : headers()) {
    CHECK_MESSAGE(file.text.starts_with("// "), file.path);
    CHECK_MESSAGE(file.text.find("\n#pragma once\n") != std::string::npos, file.path);
    if (file.path != "include/cmoe/version.hpp") CHECK_MESSAGE(file.text.find("#define") == std::string::npos, file.path);
  }
}

// The first header that a consumer includes must be able to say what the compiler must be.
TEST_CASE("every header but the version's leads to core/compiler.hpp") {
  for (const SourceFile& file : headers()) {
    if (file.path == "include/cmoe/version.hpp" || file.path == "include/cmoe/core/compiler.hpp") continue;
    bool leads = false;
    for (const Include& include : includes_of(file.text)) leads = leads || (include.quoted && include.name.starts_with("cmoe/") && include.name != "cmoe/version.hpp");
    CHECK_MESSAGE(leads, file.path);
  }
}

TEST_CASE("no source file is longer than 400 lines") {
  for (const char* folder : {"include", "examples", "tests", "bench", "cmake", "cuda"})
    for (const SourceFile& file : files_below(folder, {".hpp", ".cpp", ".cmake", ".cu", ".cuh"})) {
      const auto count = lines_of(file.text).size();
      CHECK_MESSAGE(count <= 400, file.path << " has " << count);
    }
  for (const SourceFile& file : files_below("examples", {".cpp"}))
    if (file.path.find('/', 9) == std::string::npos) CHECK_MESSAGE(lines_of(file.text).size() <= 150, file.path);
  CHECK(lines_of(std::string(401, '\n')).size() == 401);
}

TEST_CASE("the version in the headers is the build's") {
  CHECK(cmoe::version == CMOE_BUILD_VERSION);
  const std::string number = std::to_string(CMOE_VERSION / 10000) + '.' + std::to_string(CMOE_VERSION / 100 % 100) + '.' + std::to_string(CMOE_VERSION % 100);
  CHECK(number == CMOE_BUILD_VERSION);
}

}  // namespace cmoe::layers_test
