// cmoe export: what a run has learnt, or a model, as files that other programs read.
#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "adapter.hpp"
#include "cmoe/io/gguf_export.hpp"
#include "cmoe/io/hf_folder.hpp"
#include "cmoe/io/read_tokenizer.hpp"
#include "cmoe/train/batch.hpp"
#include "run_files.hpp"

namespace program {

using namespace cmoe;
namespace fs = std::filesystem;

namespace {

// One thing to export: a task's part of what was learnt, or all of it.
struct Part {
  std::string task;  // empty: not one task's
  Tensor<Backend> gates;
};

std::string listed(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

// The gates with which the learner runs an item of the task.
Tensor<Backend> gates_of(const Built& built, Index task) {
  const Sequence any{{0, 0}, 1};
  const Batch<Backend> batch = make_batch<Backend>({&any});
  return (built.learner.offers_oracle() ? built.learner.oracle_flow(batch, task) : built.learner.flow(batch, task)).gates;
}

Tensor<Backend> gates_asked(const std::string& list) {
  std::vector<float> weights;
  for (const std::string& word : split(list)) {
    char* end = nullptr;
    const double x = std::strtod(word.c_str(), &end);
    check(end != word.c_str() && *end == 0 && std::isfinite(x), ErrorKind::config, "--gates: '", printable(word), "' is no number");
    weights.push_back(static_cast<float>(x));
  }
  check(!weights.empty(), ErrorKind::config, "--gates names no weights");
  return Tensor<Backend>({1, static_cast<Index>(weights.size())}, std::span<const float>(weights));
}

// What is to be exported of a learner that has begun the first tasks of `names`.
std::vector<Part> parts(const ExportOptions& o, const Method& method, const Built& built, std::vector<std::string> names, Index begun) {
  const MethodSettings& settings = method.settings;
  if (static_cast<std::size_t>(begun) < names.size()) names.resize(static_cast<std::size_t>(begun));
  check(o.task.empty() || o.gates.empty(), ErrorKind::config, "export: name --task or --gates, not both");
  check(begun > 0, ErrorKind::config, "--run ", o.run, " has learnt nothing yet");
  if (!o.gates.empty()) {
    check(settings.weighed, ErrorKind::config, "--gates: ", method.name, " has no experts that gates weigh");
    const Tensor<Backend> weights = gates_asked(o.gates);
    check(!settings.each_task || weights.shape()[1] == begun, ErrorKind::config, "--gates: ", weights.shape()[1], " weights for ", begun, " tasks (",
          listed(names), ")");
    return {{"", built.exported.expanded(weights)}};
  }
  if (!o.task.empty()) {
    const auto found = std::find(names.begin(), names.end(), o.task);
    check(found != names.end(), ErrorKind::config, "--task '", printable(o.task), "'; the run has learnt ", listed(names));
    return {{o.task, gates_of(built, found - names.begin())}};
  }
  if (!settings.each_task) {
    check(!settings.weighed, ErrorKind::config, "export: ", method.name,
          " chooses anew for every text; name the choice with --gates, one weight for each prompt: the largest are taken");
    return {{"", gates_of(built, begun - 1)}};
  }
  std::vector<Part> all;
  for (Index t = 0; t < begun; ++t) all.push_back({names[static_cast<std::size_t>(t)], gates_of(built, t)});
  return all;
}

// A folder of its own for each task, unless one part was asked for.
void write_adapters(const ExportOptions& o, const Built& built, const std::string& method, const std::vector<Part>& all, const std::string& base) {
  const bool alone = all.size() == 1 && (all[0].task.empty() || !o.task.empty());
  if (alone) return write_peft_adapter(o.out, adapter_under(built, method, all[0].gates, base), built.exported.sizes);
  write_folder_atomically(o.out, [&](const Path& draft) {
    for (const Part& part : all) {
      check(part.task.find('/') == std::string::npos && !part.task.starts_with('.'), ErrorKind::config, "export: the task '", printable(part.task),
            "' cannot be the name of a folder; export it with --task");
      write_peft_adapter(draft / part.task, adapter_under(built, method, part.gates, base), built.exported.sizes);
    }
  });
}

// The files of a model's tokenizer that lie beside its weights.
std::vector<Path> tokenizer_files(const ModelOptions& source) {
  std::vector<Path> files;
  const Path folder = !source.tokenizer.empty() && fs::is_directory(source.tokenizer) ? source.tokenizer : source.model;
  for (const char* name : {"tokenizer.json", "tokenizer.model", "spiece.model", "tokenizer_config.json", "special_tokens_map.json",
                           "added_tokens.json", "vocab.json", "merges.txt", "generation_config.json", "chat_template.jinja"})
    if (fs::is_directory(folder) && fs::exists(folder / name)) files.push_back(folder / name);
  if (!source.tokenizer.empty() && fs::is_regular_file(source.tokenizer)) files.push_back(source.tokenizer);
  return files;
}

void write_folder(const ExportOptions& o, const ModelOptions& source, const Llama::On<Backend>& model, Progress& progress) {
  const Tokenizer tokenizer = load_tokenizer(source);
  SpecialIds ids{tokenizer.bos(), {}};
  if (tokenizer.eos()) ids.ends = {*tokenizer.eos()};
  if (fs::exists(Path(source.model) / "config.json")) ids = read_hf_special_ids(source.model);
  const std::vector<Path> files = tokenizer_files(source);
  std::map<std::string, std::string> metadata;
  if (std::holds_alternative<ByteTokenizer>(tokenizer.kind())) metadata["tokenizer"] = "bytes";  // --model takes it from here
  else if (files.empty())
    progress.keep("the folder holds no tokenizer: that of " + source.model + " is no file of its own; name that file with --tokenizer");
  const DType type = o.type == "f32" ? DType::f32 : o.type == "f16" ? DType::f16 : DType::bf16;
  write_hf_llama<Backend>(o.out, model, ids, type, files, metadata);
}

// The tokenizer as GGUF metadata, which must give the ids that the tokenizer itself gives.
void put_tokenizer(const ModelOptions& source, Index vocabulary, GgufWriter& file) {
  const Tokenizer tokenizer = load_tokenizer(source);
  const auto put = [&](GgufWriter& to) {
    if (std::holds_alternative<ByteTokenizer>(tokenizer.kind())) return set_tokenizer(byte_arrays(), to, vocabulary);
    if (source.tokenizer.empty() && source.model.ends_with(".gguf")) return copy_tokenizer(Gguf::open(source.model), to);
    check(!std::holds_alternative<Llama2cTokenizer>(tokenizer.kind()), ErrorKind::config,
          "export: a llama2.c tokenizer has no GGUF form; name another with --tokenizer, or use --format safetensors");
    const Path from = source.tokenizer.empty() ? Path(source.model) : Path(source.tokenizer);
    set_tokenizer(read_tokenizer_arrays(from), to, vocabulary);
    const Path config = (fs::is_directory(from) ? from : from.parent_path()) / "tokenizer_config.json";
    if (!fs::exists(config)) return;
    const Json json = read_json(config);
    if (json.contains("chat_template") && json["chat_template"].is_string())
      to.set("tokenizer.chat_template", json["chat_template"].get<std::string>());
  };
  GgufWriter alone;
  put(alone);
  const Tokenizer back = gguf_tokenizer(Gguf::parse(alone.bytes(), "the written tokenizer"));
  for (const char* text : {"Hello world", " two  spaces, tabs\t\tand\nlines\n\n", "it's 2024: 3.14 + 12345",
                           "caf\xC3\xA9 na\xC3\xAFve \xE4\xBD\xA0\xE5\xA5\xBD \xF0\x9F\x99\x82"})
    check(back.encode(text) == tokenizer.encode(text), ErrorKind::config, "export: GGUF has no words for the rules of the tokenizer of ",
          source.model, ": read back, it cuts '", printable(text), "' otherwise; use --format safetensors");
  put(file);
}

void write_gguf(const ExportOptions& o, const ModelOptions& source, const Llama::On<Backend>& model) {
  GgufWriter file;
  set_decoder(model, o.type == "f32" ? GgufStorage::f32 : o.type == "f16" ? GgufStorage::f16 : GgufStorage::q8_0, file);
  file.set("general.name", source.model == "builtin" ? std::string("cmoe builtin") : fs::path(source.model).stem().string());
  put_tokenizer(source, model.vocabulary(), file);
  file.save(o.out);
}

void write_model(const ExportOptions& o, const ModelOptions& source, const Llama::On<Backend>& model, Progress& progress) {
  if (o.format == "gguf") write_gguf(o, source, model);
  else write_folder(o, source, model, progress);
}

void check_options(const ExportOptions& o) {
  const bool peft = o.format == "peft", gguf = o.format == "gguf";
  check(!peft || o.type == "f32", ErrorKind::config, "--type ", o.type, ": adapters are written as f32");
  check(peft || o.type == "f32" || o.type == "f16" || o.type == (gguf ? "q8_0" : "bf16"), ErrorKind::config, "--type ", o.type, ": ", o.format,
        " takes f32, f16 and ", gguf ? "q8_0" : "bf16");
  check(!o.run.empty() || (o.task.empty() && o.gates.empty()), ErrorKind::config, "export: --task and --gates belong to a --run");
  check(!o.run.empty() || !peft, ErrorKind::config, "export: a model alone has no adapter; name a --run, or --format safetensors or gguf");
  check(!fs::exists(o.out), ErrorKind::config, "--out ", o.out, " is there already; name a path that is not");
}

int say(const ExportOptions& o, const Json& json) {
  if (o.json) std::printf("%s\n", json.dump(1).c_str());
  else std::printf("written: %s\n", o.out.c_str());
  return 0;
}

}  // namespace

int export_model(const ExportOptions& o) {
  check_options(o);
  Progress progress(o.quiet);
  Json json = {{"out", o.out}, {"format", o.format}};
  if (o.run.empty()) {
    const Backbone backbone = load_backbone(o.source, progress);
    write_model(o, o.source, backbone.model, progress);
  } else {
    std::vector<std::string> names;
    const LearnOptions options = read_run(o.run, &names);
    const Method& method = find_method(options.method);
    Index begun = 0;
    const auto built = open_learner(method, options, o.run, progress, &begun);
    if (built->exported.write) {
      check(o.format == "safetensors" && o.task.empty() && o.gates.empty() && o.type == "f32", ErrorKind::config, "export: ", method.name,
            " is no decoder of the Llama family; --format safetensors writes its whole model as f32, and nothing else");
      built->exported.write(o.out);
      return say(o, json);
    }
    check(built->exported.merged != nullptr, ErrorKind::config, "export: ", options.source.model,
          " is a T5; what is learnt on decoders of the Llama family can be exported");
    for_each_param(built->learner.model(), [&](const std::string& name, const auto&) {
      check(!name.ends_with(".delta.router"), ErrorKind::config, "export: ", method.name,
            " routes every token anew; no adapter and no merged weights compute the same");
    });
    const std::vector<Part> all = parts(o, method, *built, names, begun);
    if (o.format == "peft") {
      write_adapters(o, *built, method.name, all, options.source.model == "builtin" ? "" : options.source.model);
    } else {
      check(all.size() == 1, ErrorKind::config, "export: ", method.name,
            " keeps something of its own for each task; merged weights hold one choice: name --task (", listed(names), ") or --gates");
      write_model(o, options.source, built->exported.merged(all[0].gates), progress);
    }
    for (const Part& part : all)
      if (!part.task.empty()) json["tasks"].push_back(part.task);
  }
  return say(o, json);
}

}  // namespace program
