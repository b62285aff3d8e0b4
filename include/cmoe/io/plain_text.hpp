// Language modelling on a .txt file: one domain, split by position.
#pragma once

#include "cmoe/continual/task.hpp"
#include "cmoe/io/file.hpp"
#include "cmoe/io/utf8.hpp"

namespace cmoe {

// The first eight tenths of the bytes train, the next tenth is dev, the last is test; cuts move back to where a character begins.
inline Task parse_plain_text(std::string_view text, const std::string& task_name, const std::string& file) {
  text = without_byte_order_mark(text);
  check_utf8(text, file);
  const std::size_t dev = utf8_boundary(text, text.size() / 10 * 8), test = utf8_boundary(text, text.size() / 10 * 9);
  check(dev > 0 && dev < test && test < text.size(), ErrorKind::format, file, ": ", text.size(),
        " bytes are too few to split into training, dev and test text");
  Task task;
  task.name = task_name;
  task.scoring = Scoring::next_token;
  task.train_text = text.substr(0, dev);
  task.dev_text = text.substr(dev, test - dev);
  task.test_text = text.substr(test);
  return task;
}

// The same from a file.
inline Task read_plain_text(const Path& path, const std::string& task_name) {
  return parse_plain_text(read_file(path), task_name, path.string());
}

}  // namespace cmoe
