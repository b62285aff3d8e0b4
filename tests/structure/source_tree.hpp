// The source tree as the structure tests see it: files with their text, and what a header includes.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

struct SourceFile {
  std::string path;  // relative to the root, with slashes
  std::string text;
};

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline const std::filesystem::path& source_root() {
  static const std::filesystem::path root = CMOE_SOURCE_DIR;
  return root;
}

// All files below a folder of the root whose names end so.
inline std::vector<SourceFile> files_below(const std::string& folder, const std::vector<std::string>& endings) {
  std::vector<SourceFile> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(source_root() / folder)) {
    const std::string path = entry.path().lexically_relative(source_root()).generic_string();
    for (const std::string& ending : endings)
      if (entry.is_regular_file() && path.ends_with(ending)) files.push_back({path, read_text(entry.path())});
  }
  return files;
}

inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

struct Include {
  std::string name;
  bool quoted;  // "..." and not <...>
};

inline std::vector<Include> includes_of(const std::string& text) {
  std::vector<Include> found;
  for (const std::string& line : lines_of(text)) {
    if (!line.starts_with("#include ") || line.size() < 11) continue;
    const bool quoted = line[9] == '"';
    const std::size_t end = line.find(quoted ? '"' : '>', 10);
    if (end != std::string::npos) found.push_back({line.substr(10, end - 10), quoted});
  }
  return found;
}
