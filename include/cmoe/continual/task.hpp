// Tasks and streams: what a continual learner is given, one task after another.
#pragma once

#include <string>
#include <vector>

#include "cmoe/core/error.hpp"

namespace cmoe {

// How an answer is turned into a score of 0..100.
enum class Scoring {
  exact_match,     // the whole answer, after trimming white space, equals the reference
  rouge_l,         // ROUGE-L F of the generated answer, best over the references
  label_accuracy,  // the label with the highest likelihood is the reference
  next_token       // plain text: the share of next tokens predicted
};

// One prompt and what should follow it. Further acceptable answers stand in `references`.
struct Item {
  std::string prompt;
  std::string answer;
  std::vector<std::string> references;
};

// One task of a stream. A task of items leaves the texts empty; a task of plain text (next_token) leaves the items empty.
struct Task {
  std::string name;
  Scoring scoring = Scoring::exact_match;
  std::vector<Item> train, dev, test;
  std::vector<std::string> labels;  // the classes of label_accuracy
  std::string train_text, dev_text, test_text;
};

// Tasks in the order in which they are learnt.
using Stream = std::vector<Task>;

}  // namespace cmoe
