// Where reference data lies, and how a test that needs it is skipped by name, never passed, when it is absent.
#pragma once

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

// The tests of this executable that found no data, "test name (path)".
inline std::vector<std::string>& skipped_tests() {
  static std::vector<std::string> names;
  return names;
}

// The folder named by CMOE_SHARED, else ../shared beside the source.
inline std::filesystem::path shared_folder() {
  const char* named = std::getenv("CMOE_SHARED");
  return named != nullptr && *named != '\0' ? std::filesystem::path(named) : std::filesystem::path(CMOE_SOURCE_DIR) / "../shared";
}

// A file or folder of the reference data; nothing, and the running test noted as skipped, when it is not there. Use:
//   const auto folder = shared_data("golden/safetensors");
//   if (!folder) return;
inline std::optional<std::filesystem::path> shared_data(const std::string& below) {
  const std::filesystem::path path = shared_folder() / below;
  std::error_code ignored;
  if (std::filesystem::exists(path, ignored)) return path;
  skipped_tests().push_back(std::string(doctest::getContextOptions()->currentTest->m_name) + " (no " + path.string() + ")");
  return std::nullopt;
}

// The real model: the file that CMOE_SMOLLM2 names, or the one in the shared folder.
inline std::optional<std::filesystem::path> smollm2_file() {
  const char* named = std::getenv("CMOE_SMOLLM2");
  if (named != nullptr && *named != '\0' && std::filesystem::exists(named)) return std::filesystem::path(named);
  return shared_data("data/models/SmolLM2-135M-Instruct.Q4_1.gguf");
}
