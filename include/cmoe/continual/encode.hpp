// Tasks as ids: what the learners see, cut to the context and to the limits asked for.
#pragma once

#include <concepts>
#include <optional>
#include <span>
#include <string_view>

#include "cmoe/continual/task.hpp"
#include "cmoe/train/batch.hpp"

namespace cmoe {

// Text to ids and back. Special ids are absent where the vocabulary has none.
template <class T>
concept TextCodec = requires(const T& codec, std::string_view text, std::span<const Id> ids) {
  { codec.encode(text) } -> std::same_as<std::vector<Id>>;
  { codec.decode(ids) } -> std::same_as<std::string>;
  { codec.bos() } -> std::convertible_to<std::optional<Id>>;
  { codec.eos() } -> std::convertible_to<std::optional<Id>>;
  { codec.separator() } -> std::convertible_to<std::optional<Id>>;
};

// How long items may be, and how many are kept.
struct EncodeConfig {
  Index context = 512;       // ids that a model can take
  Index window = 128;        // plain text is cut into windows of so many ids,
  Index prompt_tokens = 32;  // of which the first are the prompt
  Index train_limit = 0;     // items or windows kept of each task; 0: all
  Index test_limit = 0;
};

// A task as ids, with what its scores need.
struct EncodedTask {
  std::string name;
  Scoring scoring = Scoring::exact_match;
  std::vector<Sequence> train, dev, test;
  std::vector<Item> test_items;          // beside `test`, for scores that compare texts
  std::vector<std::vector<Id>> labels;   // the ids of each class, for label_accuracy
  std::vector<std::size_t> test_labels;  // beside `test`: which class is right
  Index truncated = 0;                   // items whose prompt had to be cut
};

// An item as [BOS] prompt [SEP] answer [EOS], as far as the vocabulary has these. A prompt that does not fit loses ids from its
// front, behind BOS: the question stands at the end. An answer that does not fit is cut at its end.
// Returns whether something was cut.
template <TextCodec T>
bool encode_item(const T& codec, const Item& item, Index context, Sequence& out) {
  std::vector<Id> prompt = codec.encode(item.prompt), answer = codec.encode(item.answer);
  const Index marks = static_cast<Index>(codec.bos().has_value()) + static_cast<Index>(codec.separator().has_value());
  if (codec.eos()) answer.push_back(*codec.eos());
  if (answer.empty()) answer = codec.encode(" ");
  bool cut = false;
  const Index room = context + 1, most_answer = std::max<Index>(1, room / 2);
  if (static_cast<Index>(answer.size()) > most_answer && static_cast<Index>(answer.size() + prompt.size()) + marks > room) {
    answer.resize(static_cast<std::size_t>(most_answer));
    cut = true;
  }
  const Index space = room - marks - static_cast<Index>(answer.size());
  check(space >= 0, ErrorKind::config, "encode: a context of ", context, " tokens is too small");
  if (static_cast<Index>(prompt.size()) > space) {
    prompt.erase(prompt.begin(), prompt.end() - space);
    cut = true;
  }
  out.ids.clear();
  if (codec.bos()) out.ids.push_back(*codec.bos());
  out.ids.insert(out.ids.end(), prompt.begin(), prompt.end());
  if (codec.separator()) out.ids.push_back(*codec.separator());
  out.prompt = static_cast<Index>(out.ids.size());
  if (out.prompt == 0) {  // nothing to begin with: the first id of the answer is given
    out.prompt = 1;
    if (answer.size() < 2) answer.push_back(answer[0]);
  }
  out.ids.insert(out.ids.end(), answer.begin(), answer.end());
  return cut;
}

// A text as windows that follow one another; what is left at the end is dropped unless it is all there is.
template <TextCodec T>
std::vector<Sequence> encode_windows(const T& codec, const std::string& text, const EncodeConfig& config, Index limit) {
  const std::vector<Id> ids = codec.encode(text);
  const Index window = std::min(config.window, config.context + 1);
  std::vector<Sequence> out;
  for (Index at = 0; at + window <= static_cast<Index>(ids.size()) && (limit == 0 || static_cast<Index>(out.size()) < limit); at += window)
    out.push_back({{ids.begin() + at, ids.begin() + at + window}, config.prompt_tokens});
  if (out.empty() && static_cast<Index>(ids.size()) > config.prompt_tokens) out.push_back({ids, config.prompt_tokens});
  return out;
}

// throws Error for a task without training or test items, and for window sizes that make no sense
template <TextCodec T>
EncodedTask encode_task(const T& codec, const Task& task, const EncodeConfig& config) {
  EncodedTask out;
  out.name = task.name;
  out.scoring = task.scoring;
  if (task.scoring == Scoring::next_token) {
    check(config.prompt_tokens >= 1 && config.window > config.prompt_tokens, ErrorKind::config, "encode: a window of ", config.window,
          " tokens with a prompt of ", config.prompt_tokens);
    out.train = encode_windows(codec, task.train_text, config, config.train_limit);
    out.dev = encode_windows(codec, task.dev_text, config, config.test_limit);
    out.test = encode_windows(codec, task.test_text, config, config.test_limit);
  } else {
    const auto items = [&](const std::vector<Item>& from, Index limit) {
      std::vector<Sequence> to;
      for (const Item& item : from) {
        if (limit > 0 && static_cast<Index>(to.size()) >= limit) break;
        to.emplace_back();
        out.truncated += encode_item(codec, item, config.context, to.back());
      }
      return to;
    };
    out.train = items(task.train, config.train_limit);
    out.dev = items(task.dev, config.test_limit);
    out.test = items(task.test, config.test_limit);
    out.test_items.assign(task.test.begin(), task.test.begin() + static_cast<std::ptrdiff_t>(out.test.size()));
    for (const std::string& label : task.labels) {
      out.labels.push_back(codec.encode(label));
      if (codec.eos()) out.labels.back().push_back(*codec.eos());
    }
    if (task.scoring == Scoring::label_accuracy)
      for (const Item& item : out.test_items) {
        std::size_t right = 0;
        while (right < task.labels.size() && task.labels[right] != item.answer) ++right;
        check(right < task.labels.size(), ErrorKind::format, "task ", task.name, ": the answer '", item.answer, "' is not among the labels");
        out.test_labels.push_back(right);
      }
  }
  check(!out.train.empty() && !out.test.empty(), ErrorKind::format, "task ", task.name, ": ", out.train.size(), " training and ",
        out.test.size(), " test items, both are needed");
  return out;
}

}  // namespace cmoe
