// Thousands of damaged model files (GGUF, config.json, index and header of safetensors folders, PEFT adapters): each is read, or refused by an Error,
// and nothing else happens. Built with the address and undefined-behaviour sanitizers always.
#include <doctest/doctest.h>

#include "cmoe/cpu/cpu.hpp"
#include "cmoe/io/gguf_vocabulary.hpp"
#include "cmoe/io/peft.hpp"
#include "cmoe/io/t5_folder.hpp"
#include "io/damage.hpp"
#include "io/gguf_samples.hpp"

namespace cmoe::mutated_models_test {

using B = Cpu<float>;
using damaged::below, damaged::Counts, damaged::mutants, damaged::Outcome, damaged::overwrite, damaged::Random;

namespace {

// Numbers at which sizes go wrong.
std::uint64_t odd_number(Random& random) {
  const std::uint64_t one = 1, shift = random() % 64;
  switch (random() % 6) {
    case 0: return random() % 40;
    case 1: return one << shift;
    case 2: return (one << shift) - 1;
    case 3: return (one << shift) + random() % 3;
    case 4: return ~std::uint64_t{0} - random() % 64;
    default: return random();
  }
}

// One piece of damage to a binary file; most of it in the first `header` bytes.
void damage_bytes(std::string& file, std::size_t header, Random& random) {
  const std::size_t at = below(random, random() % 8 == 0 ? file.size() : std::min(header, file.size()));
  const std::size_t length = 1 + below(random, 16);
  if (file.empty()) return;
  switch (random() % 8) {
    case 0: file[at] = static_cast<char>(file[at] ^ (1 << random() % 8)); break;
    case 1: file.resize(at); break;
    case 2: file.erase(at, length); break;
    case 3: file.insert(at, file.substr(below(random, file.size()), length)); break;
    case 4: overwrite(file, at, static_cast<std::uint32_t>(odd_number(random))); break;
    case 5: overwrite(file, at, odd_number(random)); break;
    case 6: {  // a small number that is stored somewhere, a size or a type, becomes another
      std::size_t place = at;
      while (place + 8 <= file.size() && !(file[place] != 0 && file[place + 1] == 0 && file[place + 2] == 0 && file[place + 3] == 0)) ++place;
      overwrite(file, place, static_cast<std::uint32_t>(odd_number(random)));
      break;
    }
    default: file[at] = static_cast<char>(random()); break;
  }
}

// One piece of damage to a JSON text.
void damage_text(std::string& text, Random& random) {
  static const std::vector<std::string> values = {"0", "-1", "1", "3", "2147483648", "16777216", "9223372036854775807", "18446744073709551616", "1e999",
      "0.5", "null", "true", "[]", "{}", "\"\"", "\"..\"", "\"yarn\"", "[[[[1]]]]", "\"../one.safetensors\"", "\"\\ud800\"", "{\"rope_type\":\"linear\"}"};
  const std::size_t at = below(random, text.size());
  if (random() % 3 != 0) {  // another value for a key
    const std::size_t colon = text.find(':', at), end = text.find_first_of(",}", colon);
    if (end != std::string::npos) text.replace(colon + 1, end - colon - 1, values[below(random, values.size())]);
  } else {
    damage_bytes(text, text.size(), random);
  }
}

template <class Read>
Outcome outcome(Read&& read, std::string& what) {
  try {
    read();
    return Outcome::read;
  } catch (const Error& error) {
    what = error.what();
    const bool known = error.kind() == ErrorKind::format || error.kind() == ErrorKind::numeric || error.kind() == ErrorKind::file;
    return !known || what.empty() || what.find('\n') != std::string::npos || what.size() > 2000 ? Outcome::fault : Outcome::refused;
  } catch (const std::exception& error) {
    what = error.what();
  }
  return Outcome::fault;
}

// `read` reads a damaged text, `damage` damages one.
Counts run(const std::string& name, const std::string& good, int mutations, const auto& damage, const auto& read) {
  CAPTURE(name);
  Random random(static_cast<unsigned>(stable_hash(name)));
  Counts counts;
  std::string what;
  CHECK_MESSAGE(outcome([&] { read(good); }, what) == Outcome::read, what);
  for (int number = 0; number < mutations; ++number) {
    std::string file = good;
    for (std::size_t pieces = 1 + random() % 3; pieces > 0; --pieces) damage(file, random);
    switch (outcome([&] { read(file); }, what)) {
      case Outcome::read: ++counts.read; break;
      case Outcome::refused: ++counts.refused; break;
      case Outcome::fault:
        if (++counts.faults <= 3) FAIL_CHECK(name << ", mutation " << number << ": " << what);
    }
  }
  MESSAGE(name << ": " << counts.read << " read, " << counts.refused << " refused");
  CHECK(counts.faults == 0);
  CHECK(counts.refused > mutations / 20);
  return counts;
}

Llama::Config small(bool bias, bool norm) {
  Llama::Config c;
  c.vocabulary = 4, c.width = 8, c.layers = 2, c.heads = 2, c.kv_heads = 1, c.hidden = 12, c.context = 16;
  c.qkv_bias = bias, c.head_norm = norm;
  return c;
}

Llama::Config small_gpt2() {
  Llama::Config c;
  static_cast<DecoderConfig&>(c) = DecoderConfig::gpt2();
  c.vocabulary = 4, c.width = 8, c.layers = 2, c.heads = c.kv_heads = 2, c.hidden = 12, c.context = 16;
  return c;
}

// What a model of a file that was read must be able to do.
void use(const Llama::On<B>& model) { (void)model(Ids<B>({1, 1}, {0}), {}); }

void put_back(const Path& path, const std::string& text) {  // without the fsync of an atomic write
  const detail::Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT, 0666));
  REQUIRE(::write(file.number(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  REQUIRE(::ftruncate(file.number(), static_cast<off_t>(text.size())) == 0);
}

// An adapter of the kind on every map, some of them with another rank.
PeftAdapter sample_adapter(PeftType type, const DecoderConfig& sizes) {
  const auto some = [](Index n) { return std::vector<double>(static_cast<std::size_t>(n), 0.5); };
  PeftAdapter adapter;
  adapter.type = type;
  adapter.dora = type == PeftType::lora;
  if (type == PeftType::prompt_tuning) {
    adapter.prompt_length = 3;
    adapter.prompt = some(3 * sizes.width);
    return adapter;
  }
  for (const auto& [name, layer, in, out] : detail::linear_modules(sizes)) {
    PeftModule& m = adapter.modules[name];
    if (type == PeftType::ia3) {
      m.at_input = name.ends_with("down_proj");
      m.factor = some(m.at_input ? in : out);
      continue;
    }
    m.rank = layer == 0 ? 2 : 3;
    m.alpha = 4;
    m.a = some(m.rank * in), m.b = some(out * m.rank), m.magnitude = some(out);
  }
  return adapter;
}

}  // namespace

TEST_CASE("damaged GGUF files are read or refused by an Error, and nothing else happens") {
  pool().resize(1);
  for (const auto& [bias, norm] : {std::pair(false, false), std::pair(true, false), std::pair(false, true)}) {
    samples::GgufFile file = samples::gguf(Llama::On<B>(small(bias, norm), Rng(1)));
    if (!bias && !norm) file.tensor("rope_freqs.weight", {2}, {1, 2});
    const std::size_t header = file.build().size() - file.data.size();
    run("gguf " + std::to_string(bias) + std::to_string(norm), file.build(), mutants / 4, [&](std::string& f, Random& r) { damage_bytes(f, header, r); },
        [](const std::string& text) {
          const Gguf parsed = Gguf::parse(text, "damaged.gguf");
          (void)gguf_vocabulary(parsed);
          use(make_llama<B>(parsed));
        });
  }
  const samples::GgufFile gpt2 = samples::gguf(Llama::On<B>(small_gpt2(), Rng(1)));
  const std::size_t gpt2_header = gpt2.build().size() - gpt2.data.size();
  run("gguf gpt2", gpt2.build(), mutants / 8, [&](std::string& f, Random& r) { damage_bytes(f, gpt2_header, r); },
      [](const std::string& text) { use(make_llama<B>(Gguf::parse(text, "damaged.gguf"))); });
  samples::GgufFile blocks;  // quantised types, whatever their bits
  for (std::uint32_t type : {1u, 2u, 3u, 6u, 7u, 8u, 10u, 11u, 12u, 13u, 14u, 30u})
    blocks.tensor("t" + std::to_string(type), {256, 2}, type, std::string(static_cast<std::size_t>(512 / block_type(type)->numbers * block_type(type)->bytes), '\x5A'));
  const std::size_t header = blocks.build().size() - blocks.data.size();
  run("gguf blocks", blocks.build(), mutants / 8, [&](std::string& f, Random& r) { damage_bytes(f, header, r); }, [](const std::string& text) {
    const Gguf parsed = Gguf::parse(text, "damaged.gguf");
    for (const GgufTensor& tensor : parsed.tensors()) (void)tensor.values();
  });
}

TEST_CASE("damaged config.json, index and safetensors of a folder are read or refused by an Error, and nothing else happens") {
  pool().resize(1);
  const samples::Folder folder;
  Llama::Config c = small(false, true);
  c.rotary_scaling = {.kind = RotaryScaling::Kind::llama3, .factor = 8, .low_frequency = 1, .high_frequency = 4, .context = 8};
  const Path model = folder.path() / "m";
  write_hf_llama<B>(model, Llama::On<B>(c, Rng(1)), {.begin = 1, .ends = {2}});
  const auto read_from = [&](const Path& path) {
    return [&, path](const std::string& text) {
      put_back(path, text);
      (void)read_hf_special_ids(model);
      use(read_hf_llama<B>(model));
    };
  };
  const std::string config = read_file(model / "config.json");
  run("config.json", config, mutants / 2, damage_text, read_from(model / "config.json"));
  put_back(model / "config.json", config);
  const Path gpt2 = folder.path() / "gpt2";
  write_hf_llama<B>(gpt2, Llama::On<B>(small_gpt2(), Rng(1)));
  run("config.json of gpt2", read_file(gpt2 / "config.json"), mutants / 4, damage_text, [&](const std::string& text) {
    put_back(gpt2 / "config.json", text);
    use(read_hf_llama<B>(gpt2));
  });
  const Path t5 = folder.path() / "t5";
  T5::Config sizes;
  sizes.vocabulary = 4, sizes.width = 8, sizes.encoder_layers = sizes.decoder_layers = 1, sizes.heads = 2, sizes.head_size = 4, sizes.hidden = 12;
  write_hf_t5<B>(t5, T5::On<B>(sizes, Rng(1)));
  run("config.json of t5", read_file(t5 / "config.json"), mutants / 4, damage_text, [&](const std::string& text) {
    put_back(t5 / "config.json", text);
    const auto read = read_hf_t5<B>(t5);
    Flow<B> flow;
    (void)read.decode(Ids<B>({1, 1}, {0}), read.encode(Ids<B>({1, 2}, {0, 1}), flow), flow);
  });
  const std::string tensors = read_file(model / "model.safetensors");
  run("model.safetensors", tensors, mutants / 10, [](std::string& f, Random& r) { damage_bytes(f, 2000, r); }, read_from(model / "model.safetensors"));
  std::filesystem::rename(model / "model.safetensors", model / "one.safetensors");
  put_back(model / "one.safetensors", tensors);
  Json index = {{"metadata", {{"total_size", 1}}}, {"weight_map", Json::object()}};
  const SafeTensors parsed = SafeTensors::parse(tensors, "m");
  for (const StoredTensor& t : parsed.tensors()) index["weight_map"][t.name] = "one.safetensors";
  run("index", index.dump(), mutants / 5, damage_text, read_from(model / "model.safetensors.index.json"));
}

TEST_CASE("damaged adapters are read or refused by an Error, and nothing else happens") {
  pool().resize(1);
  const Llama::Config sizes = small(true, false);
  const samples::Folder folder;
  for (const auto& [type, name, mutations] :
       {std::tuple(PeftType::lora, "lora", mutants / 2), std::tuple(PeftType::ia3, "ia3", mutants * 3 / 10),
        std::tuple(PeftType::prompt_tuning, "prompt", mutants / 5)}) {
    const Path adapter = folder.path() / name;
    write_peft_adapter(adapter, sample_adapter(type, sizes), sizes);
    for (const char* file : {"adapter_config.json", "adapter_model.safetensors"}) {
      const Path path = adapter / file;
      const bool text = path.extension() == ".json";
      const std::string good = read_file(path);
      const auto damage = [&](std::string& f, Random& r) {
        if (text) damage_text(f, r);
        else damage_bytes(f, f.size() / 2, r);
      };
      run(std::string(name) + " " + file, good, text ? mutations * 2 / 3 : mutations / 3, damage, [&](const std::string& damaged) {
        put_back(path, damaged);
        const PeftAdapter read = read_peft_adapter(adapter, sizes);
        for (const auto& [module, m] : read.modules) REQUIRE(std::isfinite(read.type == PeftType::lora ? read.scale(m) : 1));
      });
      put_back(path, good);
    }
  }
}

}  // namespace cmoe::mutated_models_test
