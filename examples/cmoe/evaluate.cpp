// cmoe evaluate: likelihood of a text, or scores on a stream, for a model or for what a run has learnt.
#include <cstdio>
#include <filesystem>

#include "cmoe/io/json.hpp"
#include "cmoe/io/safetensors_writer.hpp"
#include "cmoe/io/utf8.hpp"
#include "method.hpp"
#include "run.hpp"

namespace program {

using namespace cmoe;

namespace {

// The ids of a text with the token that begins it.
std::vector<Id> ids_of(const OpenedRun& run, const std::string& path) {
  const std::string text = read_file(path);
  check_utf8(text, path);
  std::vector<Id> ids = run.tokenizer.encode(text);
  if (run.tokenizer.bos()) ids.insert(ids.begin(), *run.tokenizer.bos());
  check(ids.size() >= 2, ErrorKind::format, path, ": the text has fewer than two tokens");
  return ids;
}

// A window as a batch of its own; of a mixture a gate may read the window's beginning only. An encoder reads what the gate reads, and
// what stands there is not scored.
Batch<Backend> window_batch(const OpenedRun& run, Sequence window, Index prompt_tokens, bool encoder) {
  const Index prompt = std::min(prompt_tokens, static_cast<Index>(window.ids.size()) - 1);
  if (run.mixture && encoder) window.prompt = prompt;
  Batch<Backend> batch = make_batch<Backend>({&window});
  if (run.mixture) batch.prompt_last = Ids<Backend>({1}, {static_cast<Id>(prompt)});
  return batch;
}

void write_logits(const OpenedRun& run, const std::string& path, const std::string& out, Index context, Index prompt_tokens) {
  std::vector<Id> ids = ids_of(run, path);
  if (static_cast<Index>(ids.size()) > context) ids.resize(static_cast<std::size_t>(context));
  ids.push_back(0);  // a batch trains on the last id and does not read it
  const Sequence window{ids, 1};
  const Tensor<Backend> logits = run.logits(window_batch(run, window, prompt_tokens, is_t5(run.options.source)));
  ids.pop_back();
  SafeTensorsWriter writer;
  writer.add("ids", {static_cast<Index>(ids.size())}, std::span<const Id>(ids));
  const auto values = logits.values();
  writer.add("logits", {logits.shape()[1], logits.shape()[2]}, std::span<const float>(values));
  writer.save(out);
}

// Every token but the first is predicted from those before it in its window; windows follow one another and share one token.
Json text_scores(const OpenedRun& run, const std::string& path, Index context, Index prompt_tokens) {
  const std::vector<Id> ids = ids_of(run, path);
  double nll = 0;
  Index tokens = 0;
  const bool encoder = is_t5(run.options.source);
  const auto length = static_cast<Index>(ids.size());
  for (Index at = 0; at + 1 < length; at += context) {
    const Sequence window{{ids.begin() + at, ids.begin() + std::min(length, at + context + 1)}, 1};
    const auto counts = run.count(window_batch(run, window, prompt_tokens, encoder));
    nll -= counts.log_likelihood[0];
    tokens += counts.scored[0];
  }
  const double mean = nll / static_cast<double>(tokens);
  return {{"tokens", tokens}, {"nll", mean}, {"perplexity", std::exp(mean)}};
}

}  // namespace

int evaluate(const EvaluateOptions& o) {
  check(o.text.empty() != o.stream.empty(), ErrorKind::config, "evaluate: name either --text FILE or --stream S");
  check(o.logits.empty() || !o.text.empty(), ErrorKind::config, "evaluate: --logits are those of a --text");
  Progress progress(o.quiet);
  const OpenedRun run = open_run(o.run, o.source, progress);
  const Index most = o.max_tokens > 0 ? std::min(o.max_tokens, run.context) : run.context;
  if (!o.text.empty()) {
    if (!o.logits.empty()) write_logits(run, o.text, o.logits, most, o.prompt_tokens);
    const Json json = text_scores(run, o.text, most, o.prompt_tokens);
    if (o.json) std::printf("%s\n", json.dump().c_str());
    else
      std::printf("tokens      %lld\nnll         %.6f nats\nperplexity  %.4f\n", static_cast<long long>(json["tokens"].get<Index>()),
                  json["nll"].get<double>(), json["perplexity"].get<double>());
    return 0;
  }
  EncodeConfig encoding;
  encoding.context = most;
  encoding.window = o.window;
  encoding.prompt_tokens = o.prompt_tokens;
  encoding.test_limit = o.test_limit;
  Json json = Json::object();
  const bool own_stream = !o.run.empty() && o.stream == run.options.stream;
  const Stream stream = load_stream(o.stream, own_stream ? run.options.order : "", run.options.seed);
  for (std::size_t t = 0; t < stream.size(); ++t) {
    const TaskScore score = run.score(encode_task(run.tokenizer, stream[t], encoding), static_cast<Index>(t));
    json[stream[t].name] = {{"score", score.score}, {"nll", score.nll}, {"tokens", score.ids}};
    if (!o.json) std::printf("%s %6.1f   nll %.4f\n", left(stream[t].name, 44).c_str(), score.score, score.nll);
  }
  if (o.json) std::printf("%s\n", json.dump(1).c_str());
  return 0;
}

}  // namespace program
