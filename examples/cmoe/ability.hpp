// General ability: how well texts outside of the stream are predicted, before and after it, routed as the learner routes.
#pragma once

#include "cmoe/continual/stream_run.hpp"
#include "cmoe/io/json.hpp"
#include "run.hpp"

namespace program {

// The files as windows of plain text, all of them test; `files` is separated by commas.
// throws cmoe::Error for files that cannot be read, are not UTF-8, stand twice or are shorter than a window's prompt
std::vector<cmoe::EncodedTask> ability_texts(const std::string& files, const cmoe::Tokenizer& tokenizer, const cmoe::EncodeConfig& encoding);

// The same checks without a tokenizer, for those who want to know before they start.
void check_ability_files(const std::string& files);

// What a run's state says of the files; empty before the stream is learnt.
std::vector<Ability> abilities(const std::string& files, const cmoe::RunState& state);

cmoe::Json ability_json(const std::vector<Ability>& abilities);
std::string ability_lines(const std::vector<Ability>& abilities);  // for reading, with the definition; empty without any

}  // namespace program
