// Classification from a table: every line of a .tsv or .tsv.gz is a label, a TAB and a text.
#pragma once

#include <set>

#include "cmoe/io/gzip.hpp"
#include "cmoe/io/split.hpp"
#include "cmoe/io/utf8.hpp"

namespace cmoe {

// Eight, one and one tenths by a hash of the text: a line goes to the same part wherever it stands, and equal texts go together.
// The prompt is ours: the text, a newline and `Label: `.
inline Task parse_labelled_text(std::string_view table, const std::string& task_name, const std::string& file) {
  table = without_byte_order_mark(table);
  check_utf8(table, file);
  Task task;
  task.name = task_name;
  task.scoring = Scoring::label_accuracy;
  std::set<std::string> labels;
  for (std::size_t number = 1; !table.empty(); ++number) {
    const std::size_t end = std::min(table.find('\n'), table.size());
    std::string_view line = table.substr(0, end);
    table.remove_prefix(std::min(end + 1, table.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    const std::size_t tab = line.find('\t');
    check(tab != std::string_view::npos && tab > 0 && tab + 1 < line.size(), ErrorKind::format, file, ": line ", number,
          " is not a label, a TAB and a text");
    const std::string label(line.substr(0, tab)), text(line.substr(tab + 1));
    labels.insert(label);
    const std::uint64_t tenth = detail::text_hash(text) % 10;
    (tenth < 8 ? task.train : tenth == 8 ? task.dev : task.test).push_back({text + "\nLabel: ", label, {}});
  }
  task.labels.assign(labels.begin(), labels.end());
  check(!task.train.empty() && !task.test.empty(), ErrorKind::format, file, ": ", task.train.size(), " training and ",
        task.test.size(), " test lines after the split; more lines are needed");
  detail::cut_dev(task);
  return task;
}

// The same from a file, plain or packed (.gz).
inline Task read_labelled_text(const Path& path, const std::string& task_name) {
  const std::string table = path.extension() == ".gz" ? read_gz(path) : read_file(path);
  return parse_labelled_text(table, task_name, path.string());
}

}  // namespace cmoe
