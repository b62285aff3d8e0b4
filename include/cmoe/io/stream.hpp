// Streams from a folder: one task per sub-folder or file, each in the layout its content shows.
#pragma once

#include <map>

#include "cmoe/io/labelled_text.hpp"
#include "cmoe/io/natural_instructions.hpp"
#include "cmoe/io/plain_text.hpp"
#include "cmoe/io/trace.hpp"

namespace cmoe {

namespace detail {

inline Task read_task_folder(const Path& folder) {
  const Path train = folder / "train.json", test = folder / "test.json";
  check(std::filesystem::exists(train), ErrorKind::file, train.string(), ": is missing beside test.json");
  check(std::filesystem::exists(test), ErrorKind::file, test.string(), ": is missing; a task needs a test split");
  const Json content = read_json(train);
  check(content.is_array() || content.is_object(), ErrorKind::format, train.string(),
        ": neither a list of {\"prompt\", \"answer\"} nor an object with 'Instances'");
  return content.is_array() ? read_trace_task(folder, content) : read_instruction_task(folder, content);
}

// The name without the ending, or nothing when the file has another ending.
inline std::string name_before(const std::string& file, std::string_view ending) {
  return file.size() > ending.size() && file.ends_with(ending) ? file.substr(0, file.size() - ending.size()) : std::string();
}

}  // namespace detail

// Sub-folders with a train.json or test.json (TRACE or Natural Instructions), .txt files (plain text), .tsv and .tsv.gz files
// (labelled text), as tasks in the order of their names; anything else is ignored. A task without a dev split gets one out of its
// training data. throws Error file or format, naming the path, when there is no task or one is incomplete
inline Stream read_stream(const Path& path) {
  std::error_code error;
  std::filesystem::directory_iterator entries(path, error);
  if (error) detail::fail_file(path, "cannot read the stream's folder", error.value());
  std::map<std::string, Path> tasks;
  const auto found = [&](const std::string& name, const Path& where) {
    const auto [place, added] = tasks.try_emplace(name, where);
    check(added, ErrorKind::format, path.string(), ": two tasks are called '", name, "': ", place->second.filename().string(),
          " and ", where.filename().string());
  };
  for (; entries != std::filesystem::directory_iterator(); entries.increment(error)) {
    const Path& where = entries->path();
    const std::string file = where.filename().string();
    if (file.starts_with('.')) continue;
    std::error_code ignored;
    if (std::filesystem::is_directory(where, ignored)) {
      if (std::filesystem::exists(where / "train.json", ignored) || std::filesystem::exists(where / "test.json", ignored))
        found(file, where);
    } else if (std::filesystem::is_regular_file(where, ignored)) {
      for (const char* ending : {".txt", ".tsv", ".tsv.gz"})
        if (const std::string name = detail::name_before(file, ending); !name.empty()) found(name, where);
    }
  }
  if (error) detail::fail_file(path, "cannot read the stream's folder", error.value());
  check(!tasks.empty(), ErrorKind::format, path.string(),
        ": holds no task; a folder per task with train.json and test.json, or .txt, .tsv or .tsv.gz files are needed");
  Stream stream;
  for (const auto& [name, where] : tasks) {
    if (std::filesystem::is_directory(where))
      stream.push_back(detail::read_task_folder(where));
    else
      stream.push_back(where.extension() == ".txt" ? read_plain_text(where, name) : read_labelled_text(where, name));
  }
  return stream;
}

}  // namespace cmoe
