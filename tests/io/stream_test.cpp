#include "cmoe/io/stream.hpp"

#include <doctest/doctest.h>

#include "io/samples.hpp"

namespace cmoe::stream_test {

using samples::refusal;

namespace {

bool holds(const std::vector<Item>& items, const std::string& prompt) {
  return std::any_of(items.begin(), items.end(), [&](const Item& item) { return item.prompt == prompt; });
}

}  // namespace

TEST_CASE("a mixed folder is read task by task, in the order of the names") {
  samples::Folder folder;
  folder.write("c_trace/train.json", samples::trace(40));
  folder.write("c_trace/eval.json", samples::trace(5));
  folder.write("c_trace/test.json", samples::trace(7));
  folder.write("b_instructions/train.json", samples::instructions(40));
  folder.write("b_instructions/test.json", samples::instructions(4));
  folder.write("d_labels/train.json", samples::instructions(40, false));
  folder.write("d_labels/test.json", samples::instructions(4, false));
  folder.write("d_labels/labels.json", R"(["yes", "no"])");
  folder.write("a_text.txt", "\xEF\xBB\xBF" + std::string(100, 'x'));
  folder.write("e_table.tsv", samples::table());
  folder.write("f_packed.tsv.gz", samples::gzip(samples::table()));
  folder.write("README.md", "ignored");
  folder.write("notes/thoughts.txt", "ignored");
  const Stream stream = read_stream(folder.path());
  std::vector<std::string> names;
  for (const Task& task : stream) names.push_back(task.name);
  REQUIRE(names == std::vector<std::string>{"a_text", "b_instructions", "c_trace", "d_labels", "e_table", "f_packed"});

  CHECK(stream[0].scoring == Scoring::next_token);
  CHECK(stream[0].train_text.size() == 80);
  CHECK(stream[0].dev_text.size() == 10);
  CHECK(stream[0].test_text.size() == 10);

  CHECK(stream[1].scoring == Scoring::rouge_l);
  CHECK(stream[1].train.size() == 36);
  CHECK(stream[1].dev.size() == 4);
  CHECK(stream[1].test.size() == 4);
  CHECK(stream[1].test[1].prompt ==
        "Definition: Say whether the number is odd.\n\nNow complete the following example -\nInput: number 1\nOutput: ");
  CHECK(stream[1].test[1].answer == "yes");
  CHECK(stream[1].test[1].references == std::vector<std::string>{"other"});

  CHECK(stream[2].scoring == Scoring::exact_match);
  CHECK(stream[2].train.size() == 40);
  CHECK(stream[2].dev.size() == 5);
  CHECK(stream[2].test[2].prompt == "Is é number 2 odd?\nAnswer: ");

  CHECK(stream[3].scoring == Scoring::label_accuracy);
  CHECK(stream[3].labels == std::vector<std::string>{"yes", "no"});
  CHECK(stream[3].test[0].prompt == "Say whether the number is odd.\nnumber 0\nOutput: ");

  CHECK(stream[4].labels == std::vector<std::string>{"even", "odd"});
  CHECK(stream[4].train.size() + stream[4].dev.size() + stream[4].test.size() == 60);
  CHECK(stream[4].test[0].prompt.ends_with("\nLabel: "));
  CHECK(stream[5].test[0].prompt == stream[4].test[0].prompt);
}

TEST_CASE("a dev split is cut from the training data only, and always the same one") {
  samples::Folder folder;
  folder.write("t/train.json", samples::trace(2000));
  folder.write("t/test.json", samples::trace(30));
  const Task task = read_stream(folder.path())[0], again = read_stream(folder.path())[0];
  CHECK(task.dev.size() == 100);
  CHECK(task.train.size() == 1900);
  CHECK(task.test.size() == 30);
  for (std::size_t i = 0; i < 100; ++i) {
    CHECK(task.dev[i].prompt == again.dev[i].prompt);
    CHECK(!holds(task.train, task.dev[i].prompt));
  }
}

TEST_CASE("equal texts of a table go to the same part wherever they stand") {
  const std::string table = samples::table();
  const Task task = parse_labelled_text(table, "t", "t.tsv"),
             twice = parse_labelled_text("even\tnew line\r\n\n" + table + table, "t", "t.tsv");
  for (const Item& item : task.test) CHECK(holds(twice.test, item.prompt));
  for (const Item& item : twice.test) CHECK(!holds(twice.train, item.prompt));
}

TEST_CASE("plain text is cut where characters begin") {
  std::string text;
  for (int i = 0; i < 101; ++i) text += "€";
  const Task task = parse_plain_text(text, "t", "t.txt");
  for (const std::string& part : {task.train_text, task.dev_text, task.test_text})
    CHECK(find_invalid_utf8(part) == std::string_view::npos);
  CHECK(task.train_text + task.dev_text + task.test_text == text);
}

TEST_CASE("long answers are scored by ROUGE-L") {
  const Json list =
      parse_json(R"([{"prompt": "p", "answer": "one two three four five six"}, {"prompt": "q", "answer": "a b c d e f"}])", "x");
  CHECK(trace_scoring(trace_items(list, "x")) == Scoring::rouge_l);
}

TEST_CASE("a definition may be absent or a plain text") {
  CHECK(instruction_prompt("", "x\n", true) == "x\nOutput: ");
  CHECK(instruction_prompt("", "x", false) == "Now complete the following example -\nInput: x\nOutput: ");
  const auto items =
      instruction_items(parse_json(R"({"Definition": "D", "Instances": [{"input": "x", "output": "y"}]})", "f"), true, "f");
  CHECK(items[0].prompt == "D\nx\nOutput: ");
}

TEST_CASE("a task that is written is read back") {
  samples::Folder folder;
  Task task;
  task.name = "greetings";
  for (int i = 0; i < 20; ++i) task.train.push_back({"say \"hé\" " + std::to_string(i) + "\n", "hé", {"hi"}});
  task.dev = {task.train[0]};
  task.test = {task.train[1], task.train[2]};
  write_trace_task(folder.path() / "stream", task);
  const Task back = read_stream(folder.path() / "stream").at(0);
  CHECK(back.name == "greetings");
  CHECK(back.train.size() == 20);
  CHECK(back.dev.size() == 1);
  CHECK(back.test[1].prompt == task.test[1].prompt);
  CHECK(back.test[1].references == task.test[1].references);
  for (const char* name : {"", "..", "a/b", ".hidden"}) {
    task.name = name;
    CHECK(refusal([&] { write_trace_task(folder.path(), task); }).kind == ErrorKind::config);
  }
  task.name = "empty";
  task.test.clear();
  CHECK(refusal([&] { write_trace_task(folder.path(), task); }).kind == ErrorKind::config);
}

TEST_CASE("an incomplete or damaged task is refused with its path") {
  const auto refused = [](const std::vector<std::pair<std::string, std::string>>& files) {
    samples::Folder folder;
    for (const auto& [name, text] : files) folder.write(name, text);
    const auto result = refusal([&] { read_stream(folder.path()); });
    CHECK(result.text.find(folder.path().string()) == 0);
    return result.thrown ? result.kind : ErrorKind::misuse;
  };
  const std::string good = samples::trace(20);
  CHECK(refused({}) == ErrorKind::format);
  CHECK(refused({{"README.md", "x"}}) == ErrorKind::format);
  CHECK(refused({{"t/train.json", good}}) == ErrorKind::file);
  CHECK(refused({{"t/test.json", good}}) == ErrorKind::file);
  CHECK(refused({{"t/train.json", "[]"}, {"t/test.json", good}}) == ErrorKind::format);
  CHECK(refused({{"t/train.json", "7"}, {"t/test.json", good}}) == ErrorKind::format);
  CHECK(refused({{"t/train.json", good}, {"t/test.json", samples::instructions()}}) == ErrorKind::format);
  CHECK(refused({{"t/train.json", good}, {"t/test.json", R"([{"prompt": "p"}])"}}) == ErrorKind::format);
  CHECK(refused({{"t/train.json", good}, {"t/test.json", R"([{"prompt": "p", "answer": 1}])"}}) == ErrorKind::format);
  CHECK(refused({{"t/train.json", good}, {"t/test.json", "[{\"prompt\": \"\xFF\", \"answer\": \"\"}]"}}) == ErrorKind::format);
  CHECK(refused({{"t/train.json", R"({"Instances": []})"}, {"t/test.json", good}}) == ErrorKind::format);
  CHECK(refused({{"t/train.json", R"({"Instances": [{"input": "x", "output": []}]})"}, {"t/test.json", good}}) ==
        ErrorKind::format);
  CHECK(refused({{"t/train.json", R"({"Definition": 3, "Instances": [{"input": "x", "output": "y"}]})"},
                 {"t/test.json", good}}) == ErrorKind::format);
  CHECK(refused({{"t/train.json", samples::instructions(9, false)},
                 {"t/test.json", samples::instructions(9, false)},
                 {"t/labels.json", "[\"yes\"]"}}) == ErrorKind::format);
  CHECK(refused({{"t/train.json", samples::instructions(9, false)},
                 {"t/test.json", samples::instructions(9, false)},
                 {"t/labels.json", "{}"}}) == ErrorKind::format);
  CHECK(refused({{"a.txt", "short"}}) == ErrorKind::format);
  CHECK(refused({{"a.txt", std::string(100, 'x') + "\xFF"}}) == ErrorKind::format);
  CHECK(refused({{"a.tsv", "label and text without a tab\n"}}) == ErrorKind::format);
  CHECK(refused({{"a.tsv", "a\tb\n"}}) == ErrorKind::format);
  CHECK(refused({{"a.tsv.gz", samples::gzip(samples::table()).substr(0, 60)}}) == ErrorKind::format);
  CHECK(refused({{"a.tsv", samples::table()}, {"a.txt", std::string(100, 'x')}}) == ErrorKind::format);
  CHECK(refusal([] { read_stream("/nowhere"); }).text == "/nowhere: cannot read the stream's folder: No such file or directory");
}

}  // namespace cmoe::stream_test
