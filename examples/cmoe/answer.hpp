// One continuation while it is made: ids become text, up to what ends it.
#pragma once

#include <functional>

#include "cmoe/io/json.hpp"
#include "cmoe/io/stop_strings.hpp"
#include "cmoe/io/stream_decoder.hpp"
#include "cmoe/io/tokenizer.hpp"
#include "cmoe/models/generate.hpp"
#include "interrupt.hpp"

namespace program {

struct Answer {
  std::vector<cmoe::Id> ids;  // without the one that ends it
  std::string text;           // without the stop string that ends it
  std::string stopped;        // end: an id that ends texts; stop: a stop string; limit: --max-tokens; context: it is full; interrupt

  // `show` is given the text piece by piece.
  Answer(const cmoe::Tokenizer& tokenizer, const cmoe::Ends& ends, const std::vector<std::string>& stops,
         std::function<void(const std::string&)> show = {})
      : tokenizer_(tokenizer), ends_(ends), stops_(stops), show_(std::move(show)) {}

  // Returns whether it goes on.
  bool add(cmoe::Id id) {
    if (ends_.holds(id)) return stopped = "end", false;
    ids.push_back(id);
    put(stops_.add(decoder_.add(tokenizer_.decode_continuation({&id, 1}))));
    if (stops_.stopped()) stopped = "stop";
    else if (interrupted != 0) stopped = "interrupt";
    return stopped.empty();
  }
  // Once nothing more is made.
  void finish(cmoe::Index limit) {
    put(stops_.add(decoder_.finish()));
    put(stops_.finish());
    if (stopped.empty()) stopped = std::cmp_equal(ids.size(), limit) ? "limit" : "context";
  }

  cmoe::Json json(const std::vector<cmoe::Id>& prompt, double seconds) const {
    return {{"prompt_ids", prompt}, {"ids", ids}, {"text", text}, {"tokens_per_second", static_cast<double>(ids.size()) / seconds}, {"stopped", stopped}};
  }

 private:
  void put(const std::string& part) {
    if (part.empty()) return;
    text += part;
    if (show_) show_(part);
  }

  const cmoe::Tokenizer& tokenizer_;
  const cmoe::Ends& ends_;
  cmoe::StreamDecoder decoder_;
  cmoe::StopStrings stops_;
  std::function<void(const std::string&)> show_;
};

}  // namespace program
