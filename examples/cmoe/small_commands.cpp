// cmoe tokenize, inspect and make-stream.
#include <cstdio>
#include <filesystem>

#include "backbone.hpp"
#include "cmoe/continual/builtin_stream.hpp"
#include "cmoe/io/checkpoint.hpp"
#include "cmoe/io/gguf.hpp"
#include "cmoe/io/hf_folder.hpp"
#include "cmoe/io/llama2c.hpp"
#include "cmoe/io/peft.hpp"
#include "cmoe/io/read_tokenizer.hpp"
#include "cmoe/io/trace.hpp"
#include "cmoe/io/utf8.hpp"
#include "run.hpp"

namespace program {

using namespace cmoe;
namespace fs = std::filesystem;

int tokenize(const TokenizeOptions& o) {
  check_utf8(o.text, "--text");
  const Tokenizer tokenizer = o.source.tokenizer.empty() ? load_tokenizer(o.source) : read_tokenizer(o.source.tokenizer);
  std::vector<Id> ids = tokenizer.encode(o.text);
  if (o.special) {
    if (tokenizer.bos()) ids.insert(ids.begin(), *tokenizer.bos());
    if (tokenizer.eos()) ids.push_back(*tokenizer.eos());
  }
  std::vector<std::string> pieces;
  for (Id id : ids) pieces.push_back(tokenizer.piece(id));
  if (o.json) {
    const Json json = {{"ids", ids}, {"pieces", pieces}};
    std::printf("%s\n", json.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
    return 0;
  }
  for (std::size_t i = 0; i < ids.size(); ++i) std::printf("%6d  %s\n", ids[i], pieces[i].c_str());
  return 0;
}

namespace {

struct Listed {
  std::string name, type, shape;
  Index values;
};

int print_listing(Json head, const std::vector<Listed>& tensors, bool json) {
  Index total = 0;
  Json list = Json::array();
  for (const Listed& t : tensors) {
    total += t.values;
    list.push_back({{"name", t.name}, {"dtype", t.type}, {"shape", t.shape}});
  }
  head["parameters"] = total;
  if (json) {
    head["tensors"] = std::move(list);
    std::printf("%s\n", head.dump(1).c_str());
    return 0;
  }
  for (const auto& [key, value] : head.items())
    std::printf("%s %s\n", left(key, 16).c_str(), (value.is_string() ? value.get<std::string>() : value.dump()).c_str());
  for (const Listed& t : tensors) std::printf("  %s %s %s\n", left(t.name, 56).c_str(), left(t.type, 5).c_str(), t.shape.c_str());
  return 0;
}

std::vector<Listed> listing(const SafeTensors& file) {
  std::vector<Listed> out;
  for (const StoredTensor& t : file.tensors()) out.push_back({t.name, std::string(name_of(t.dtype)), t.shape.text(), t.shape.size()});
  return out;
}

int inspect_run(const fs::path& folder, bool json) {
  Json head = read_json(folder / "run.json");
  const fs::path checkpoint = folder / "checkpoint" / "state.safetensors";
  if (!fs::exists(checkpoint)) return print_listing(std::move(head), {}, json);
  const RunState state = read_checkpoint_state(checkpoint, "");
  head["growth"] = state.growth;
  head["routing"] = state.routing;
  if (state.routing_accuracy.has_value()) head["routing_accuracy"] = state.routing_accuracy.value();
  std::vector<Listed> learnt;
  Index experts = 0;
  for (const Listed& t : listing(SafeTensors::open(checkpoint))) {
    if (t.name.rfind("model.", 0) != 0) continue;
    const std::size_t at = t.name.find(".experts.");
    if (at != std::string::npos) experts = std::max<Index>(experts, std::atoll(t.name.c_str() + at + 9) + 1);
    learnt.push_back({t.name.substr(6), t.type, t.shape, t.values});
  }
  if (experts > 0) head["experts"] = experts;
  return print_listing(std::move(head), learnt, json);
}

// A folder as Hugging Face lays it out: its configuration, and the tensors of model.safetensors or its shards.
int inspect_model(const fs::path& folder, bool json) {
  Json head = read_json(folder / "config.json");
  head["format"] = "folder";
  const TensorFolder tensors(folder);
  std::vector<Listed> all;
  for (const std::string& name : tensors.names()) {
    const StoredTensor& t = *tensors.find(name);
    all.push_back({name, std::string(name_of(t.dtype)), t.shape.text(), t.shape.size()});
  }
  return print_listing(std::move(head), all, json);
}

// An adapter as PEFT lays it out: what its configuration says, without what says nothing, and its tensors.
int inspect_adapter(const fs::path& folder, bool json) {
  Json head = {{"format", "peft"}};
  const Json config = read_json(folder / "adapter_config.json");
  for (const auto& [key, value] : config.items())
    if (!value.is_null() && !(value.is_structured() && value.empty())) head[key] = value;
  return print_listing(std::move(head), listing(SafeTensors::open(folder / "adapter_model.safetensors")), json);
}

// A GGUF file: its metadata, of lists their lengths, and its tensors.
int inspect_gguf(const std::string& path, bool json) {
  const Gguf file = Gguf::open(path);
  Json head = {{"file", path}, {"format", "gguf"}, {"version", file.version()}};
  for (const auto& [key, value] : file.metadata()) {
    Json& entry = head["metadata." + key];
    if (value.type == GgufType::list) entry = "list of " + std::to_string(value.count);
    else if (value.type == GgufType::text) entry = json && find_invalid_utf8(as_text(value.bytes)) == std::string_view::npos ? std::string(as_text(value.bytes)) : printable(as_text(value.bytes), 120);
    else if (value.type == GgufType::boolean) entry = *file.optional<bool>(key);
    else if (value.type == GgufType::f32 || value.type == GgufType::f64) entry = *file.optional<double>(key);
    else if (value.type == GgufType::u64) entry = *file.optional<std::uint64_t>(key);
    else entry = *file.optional<std::int64_t>(key);
  }
  std::vector<Listed> all;
  for (const GgufTensor& t : file.tensors()) all.push_back({t.name, std::string(t.type->name), t.shape.text(), t.shape.size()});
  return print_listing(std::move(head), all, json);
}

}  // namespace

int inspect(const std::string& path, bool json) {
  check(fs::exists(path), ErrorKind::file, path, ": no such file or folder");
  if (fs::is_directory(path)) {
    if (fs::exists(fs::path(path) / "config.json")) return inspect_model(path, json);
    if (is_peft_folder(path)) return inspect_adapter(path, json);
    check(fs::exists(fs::path(path) / "run.json"), ErrorKind::format, path,
          ": no run.json, config.json or adapter_config.json in it; a run folder, a model folder, an adapter's folder, a .bin, .gguf or .safetensors "
          "file is needed");
    return inspect_run(path, json);
  }
  if (path.ends_with(".safetensors")) {
    const SafeTensors file = SafeTensors::open(path);
    Json head = {{"file", path}, {"format", "safetensors"}};
    for (const auto& [key, value] : file.metadata()) head["metadata." + key] = value;
    return print_listing(std::move(head), listing(file), json);
  }
  if (path.ends_with(".gguf")) return inspect_gguf(path, json);
  const Llama2cModel model = read_llama2c(path);
  std::vector<Listed> tensors;
  for (const NamedWeights& w : model.weights) tensors.push_back({w.name, "F32", w.shape.text(), w.shape.size()});
  return print_listing({{"file", path}, {"format", "llama2.c"}, {"architecture", "llama"}, {"width", model.width}, {"hidden", model.hidden},
                        {"layers", model.layers}, {"heads", model.heads}, {"kv_heads", model.kv_heads}, {"vocabulary", model.vocabulary},
                        {"context", model.context}, {"tied", model.tied}},
                       tensors, json);
}

int make_stream(const MakeStreamOptions& o) {
  check(!o.out.empty(), ErrorKind::config, "make-stream: name the folder with --out DIR");
  const Stream stream = load_stream("builtin", o.tasks, o.seed);
  for (const Task& task : stream) {
    write_trace_task(o.out, task);
    std::printf("%s: %zu train, %zu dev, %zu test\n", task.name.c_str(), task.train.size(), task.dev.size(), task.test.size());
  }
  return 0;
}

}  // namespace program
