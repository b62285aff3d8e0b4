// Tasks in the layout of Natural Instructions: a definition and instances of input and output.
#pragma once

#include <set>

#include "cmoe/io/json.hpp"
#include "cmoe/io/split.hpp"

namespace cmoe {

namespace detail {

inline std::string_view without_trailing_space(std::string_view text) {
  const std::size_t last = text.find_last_not_of(" \t\r\n");
  return text.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

// A text, or a list of them of which the first counts; a list without any gives the empty text.
inline std::string definition_of(const Json& file, const std::string& name) {
  const auto member = file.find("Definition");
  if (member == file.end()) return {};
  if (member->is_string()) return member->get<std::string>();
  const auto list = required<std::vector<std::string>>(file, "Definition", name);
  return list.empty() ? std::string() : list.front();
}

}  // namespace detail

// The prompts of Super-NaturalInstructions and, with labels, of the "long sequence" classification tasks. White space at the end
// of definition and input is dropped (ours), so that the lines stand where the template puts them.
inline std::string instruction_prompt(std::string_view definition, std::string_view input, bool classification) {
  const std::string d(detail::without_trailing_space(definition)), x(detail::without_trailing_space(input));
  if (classification) return (d.empty() ? "" : d + "\n") + x + "\nOutput: ";
  return (d.empty() ? "" : "Definition: " + d + "\n\n") + "Now complete the following example -\nInput: " + x + "\nOutput: ";
}

// The items of one file. throws Error (format) if it has not the layout
inline std::vector<Item> instruction_items(const Json& file, bool classification, const std::string& name) {
  check(file.is_object() && file.contains("Instances") && file["Instances"].is_array(), ErrorKind::format, name,
        ": an object with a list 'Instances' is needed");
  const std::string definition = detail::definition_of(file, name);
  std::vector<Item> items;
  for (const Json& instance : file["Instances"]) {
    const std::string here = name + ": instance " + std::to_string(items.size());
    Item item;
    item.prompt = instruction_prompt(definition, required<std::string>(instance, "input", here), classification);
    const auto output = instance.find("output");
    check(output != instance.end(), ErrorKind::format, here, ": 'output' is missing");
    if (output->is_string()) {
      item.answer = output->get<std::string>();
    } else {
      auto outputs = required<std::vector<std::string>>(instance, "output", here);
      check(!outputs.empty(), ErrorKind::format, here, ": 'output' is an empty list");
      item.answer = outputs.front();
      item.references.assign(outputs.begin() + 1, outputs.end());
    }
    items.push_back(std::move(item));
  }
  check(!items.empty(), ErrorKind::format, name, ": holds no instances");
  return items;
}

// `train` is folder/train.json, already parsed. Scored by ROUGE-L; with a labels.json by the likeliest label.
inline Task read_instruction_task(const Path& folder, const Json& train) {
  const Path labels = folder / "labels.json";
  const bool classification = std::filesystem::exists(labels);
  Task task;
  task.name = folder.filename().string();
  task.scoring = classification ? Scoring::label_accuracy : Scoring::rouge_l;
  task.train = instruction_items(train, classification, (folder / "train.json").string());
  if (std::filesystem::exists(folder / "dev.json"))
    task.dev = instruction_items(read_json(folder / "dev.json"), classification, (folder / "dev.json").string());
  task.test = instruction_items(read_json(folder / "test.json"), classification, (folder / "test.json").string());
  if (classification) {
    const auto list = detail::json_value<std::vector<std::string>>(read_json(labels));
    check(list.has_value() && !list->empty(), ErrorKind::format, labels.string(), ": a list of labels is needed");
    task.labels = *list;
    const std::set<std::string> known(list->begin(), list->end());
    check(known.size() == list->size(), ErrorKind::format, labels.string(), ": a label stands twice");
    for (const auto* items : {&task.train, &task.dev, &task.test})
      for (const Item& item : *items)
        check(known.contains(item.answer), ErrorKind::format, labels.string(), ": an instance has the output '",
              printable(item.answer), "', which is no label; add it or correct the instance");
  }
  detail::cut_dev(task);
  return task;
}

}  // namespace cmoe
