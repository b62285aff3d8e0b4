// Tasks in the layout of the TRACE benchmark: train.json, eval.json, test.json, each a list of {"prompt", "answer"}.
#pragma once

#include "cmoe/io/json.hpp"
#include "cmoe/io/split.hpp"

namespace cmoe {

// ours: an item may hold "references", a list of further acceptable answers
inline std::vector<Item> trace_items(const Json& list, const std::string& name) {
  check(list.is_array(), ErrorKind::format, name, ": a list of {\"prompt\", \"answer\"} is needed");
  check(!list.empty(), ErrorKind::format, name, ": holds no items");
  std::vector<Item> items;
  for (const Json& entry : list) {
    const std::string here = name + ": item " + std::to_string(items.size());
    items.push_back({required<std::string>(entry, "prompt", here), required<std::string>(entry, "answer", here),
                     optional<std::vector<std::string>>(entry, "references", here).value_or(std::vector<std::string>{})});
  }
  return items;
}

// Exact match, as the benchmark scores its short fixed answers (letters, classes, numbers). Answers of more than five words on
// average are free text and get ROUGE-L: ours, since the layout does not say which task is which.
inline Scoring trace_scoring(const std::vector<Item>& items) {
  std::size_t words = 0;
  for (const Item& item : items) {
    bool inside = false;
    for (char c : item.answer) {
      const bool space = c == ' ' || c == '\n' || c == '\t' || c == '\r';
      words += !space && !inside ? 1 : 0;
      inside = !space;
    }
  }
  return words > 5 * items.size() ? Scoring::rouge_l : Scoring::exact_match;
}

// `train` is folder/train.json, already parsed by whoever found out which layout this is.
inline Task read_trace_task(const Path& folder, const Json& train) {
  Task task;
  task.name = folder.filename().string();
  task.train = trace_items(train, (folder / "train.json").string());
  if (std::filesystem::exists(folder / "eval.json"))
    task.dev = trace_items(read_json(folder / "eval.json"), (folder / "eval.json").string());
  task.test = trace_items(read_json(folder / "test.json"), (folder / "test.json").string());
  task.scoring = trace_scoring(task.train);
  detail::cut_dev(task);
  return task;
}

// Writes stream/NAME/{train,eval,test}.json, where read_stream finds them again; a task of plain text has no such form. The
// layout does not hold the scoring: it is decided again by the answers when the task is read.
inline void write_trace_task(const Path& stream, const Task& task) {
  check(!task.name.empty() && task.name.front() != '.' && task.name.find_first_of(std::string("/\\\0", 3)) == std::string::npos,
        ErrorKind::config, "write_trace_task: '", printable(task.name), "' cannot name a folder");
  check(!task.train.empty() && !task.test.empty(), ErrorKind::config, "write_trace_task: task '", task.name,
        "' has no training or no test items");
  const Path folder = stream / task.name;
  make_folder(folder);
  const auto quoted = [&](const std::string& text) {
    check_utf8(text, "write_trace_task: task '" + task.name + "'");
    return Json(text).dump();
  };
  const auto write = [&](const char* file, const std::vector<Item>& items) {
    std::string text;
    for (const Item& item : items) {
      text += std::string(text.empty() ? "[" : ",") + "\n {\"prompt\": " + quoted(item.prompt) +
              ", \"answer\": " + quoted(item.answer);
      for (std::size_t i = 0; i < item.references.size(); ++i)
        text += (i == 0 ? ", \"references\": [" : ", ") + quoted(item.references[i]);
      text += item.references.empty() ? "}" : "]}";
    }
    write_file_atomically(folder / file, text + "\n]\n");
  };
  write("train.json", task.train);
  if (!task.dev.empty()) write("eval.json", task.dev);
  write("test.json", task.test);
}

}  // namespace cmoe
