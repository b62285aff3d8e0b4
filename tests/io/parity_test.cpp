#include <doctest/doctest.h>

#include <set>

#include "cmoe/io/json.hpp"
#include "cmoe/io/llama2c.hpp"
#include "cmoe/io/safetensors.hpp"
#include "cmoe/io/stream.hpp"
#include "cmoe/io/tokenizer.hpp"
#include "shared_data.hpp"

namespace cmoe::parity_test {

TEST_CASE("every dtype of the reference writer reads exactly, and our writer gives its bytes") {
  const auto folder = shared_data("golden/safetensors");
  if (!folder) return;
  const SafeTensors file = SafeTensors::open(*folder / "dtypes.safetensors");
  const SafeTensors expected = SafeTensors::open(*folder / "dtypes_as_f64.safetensors");
  for (const StoredTensor& tensor : expected.tensors()) {
    CAPTURE(tensor.name);
    CHECK(file.at(tensor.name).shape == tensor.shape);
    CHECK(file.at(tensor.name).values<double>() == tensor.values<double>());
  }
  std::set<DType> seen;
  SafeTensorsWriter writer;
  writer.metadata = file.metadata();
  for (const StoredTensor& tensor : file.tensors()) {
    seen.insert(tensor.dtype);
    CHECK(tensor.values<double>().size() == static_cast<std::size_t>(tensor.shape.size()));
    writer.add(tensor.name, tensor.dtype, tensor.shape, tensor.bytes);
  }
  CHECK(seen.size() >= 8);
  CHECK(writer.bytes() == read_file(*folder / "dtypes.safetensors"));
}

TEST_CASE("all golden tensors of other tools are accepted by the strict reader") {
  const auto folder = shared_data("golden");
  if (!folder) return;
  int count = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(*folder)) {
    if (entry.path().extension() != ".safetensors") continue;
    CAPTURE(entry.path().string());
    CHECK_NOTHROW(SafeTensors::open(entry.path()));
    ++count;
  }
  CHECK(count > 0);
}

TEST_CASE("the llama2.c layouts of a real model agree") {
  const auto folder = shared_data("data/models/stories260K");
  if (!folder) return;
  const Llama2cModel legacy = read_llama2c(*folder / "stories260K.bin"), first = read_llama2c(*folder / "checkpoint_v1.bin"),
                     second = read_llama2c(*folder / "stories260K_q80.bin");
  const Json config = read_json(*folder / "golden.json")["config"];
  CHECK(legacy.width == required<Index>(config, "dim", "golden"));
  CHECK(legacy.hidden == required<Index>(config, "hidden", "golden"));
  CHECK(legacy.layers == required<Index>(config, "layers", "golden"));
  CHECK(legacy.kv_heads == required<Index>(config, "kv_heads", "golden"));
  CHECK(legacy.vocabulary == required<Index>(config, "vocab", "golden"));
  CHECK(legacy.tied == required<bool>(config, "shared_classifier", "golden"));
  Index parameters = 0;
  for (const NamedWeights& entry : legacy.weights) {
    CAPTURE(entry.name);
    parameters += entry.shape.size();
    CHECK(first.at(entry.name).values == entry.values);
    const std::vector<float>& quantised = second.at(entry.name).values;
    for (std::size_t i = 0; i < quantised.size(); i += 8) {  // groups of 8: off by half a step of the group's largest value
      float largest = 0;
      for (std::size_t k = i; k < i + 8; ++k) largest = std::max(largest, std::abs(entry.values[k]));
      for (std::size_t k = i; k < i + 8; ++k)
        if (std::abs(quantised[k] - entry.values[k]) > largest / 127 * 0.501f) FAIL_CHECK("value " << k);
    }
  }
  CHECK(parameters == required<Index>(config, "params", "golden"));
}

TEST_CASE("the llama2.c tokenizer gives the reference's tokens") {
  const auto folder = shared_data("data/models/stories260K");
  const auto sample = shared_data("data/text/tinystories-sample/tinystories_valid_30k.txt");
  if (!folder || !sample) return;
  const Tokenizer tokenizer = Llama2cTokenizer::open(*folder / "tok512.bin");
  const Json golden = read_json(*folder / "golden.json");
  const auto with_beginning = [&](std::string_view text) {
    std::vector<Id> ids = tokenizer.encode(text);
    ids.insert(ids.begin(), *tokenizer.bos());
    return ids;
  };
  CHECK(with_beginning(required<std::string>(golden, "prompt", "golden")) ==
        required<std::vector<Id>>(golden, "tokens", "golden"));

  const Json& slice = golden["tinystories_nll"];  // a range of characters, of the text without carriage returns
  const auto range = required<std::vector<std::size_t>>(slice, "char_range", "golden");
  std::string text = read_file(*sample);
  std::erase(text, '\r');
  std::size_t begin = 0, end = 0;
  for (std::size_t at = 0, character = 0; character < range[1]; at += utf8_length(text, at), ++character, end = at)
    if (character == range[0]) begin = at;
  std::vector<Id> ids = with_beginning(std::string_view(text).substr(begin, end - begin));
  ids.resize(required<std::size_t>(slice, "first_tokens", "golden"));
  CHECK(ids == required<std::vector<Id>>(slice, "tokens", "golden"));
}

TEST_CASE("texts in several languages come back from both tokenizers byte for byte") {
  const auto model = shared_data("data/models/stories260K/tok512.bin");
  const auto texts = shared_data("data/text");
  if (!model || !texts) return;
  const Tokenizer pieces = Llama2cTokenizer::open(*model), bytes;
  int count = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(*texts)) {
    if (entry.path().extension() != ".txt") continue;
    CAPTURE(entry.path().string());
    const std::string text = read_file(entry.path());
    CHECK(pieces.decode(pieces.encode(text)) == text);
    CHECK(bytes.decode(bytes.encode(text)) == text);
    ++count;
  }
  CHECK(count > 0);
}

TEST_CASE("the benchmarks' own folders are read as streams") {
  for (const char* below : {"data/superni", "data/long_sequence", "data/trace", "data/labelled", "data/text/genesis"}) {
    const auto folder = shared_data(below);
    if (!folder) continue;
    CAPTURE(below);
    const Stream stream = read_stream(*folder);
    CHECK(stream.size() >= 2);
    for (const Task& task : stream) {
      CAPTURE(task.name);
      if (task.scoring == Scoring::next_token) {
        CHECK(!task.train_text.empty());
        CHECK(!task.dev_text.empty());
        CHECK(!task.test_text.empty());
        continue;
      }
      CHECK(!task.train.empty());
      CHECK(!task.dev.empty());
      CHECK(!task.test.empty());
      CHECK(task.labels.empty() == (task.scoring != Scoring::label_accuracy));
    }
  }
}

}  // namespace cmoe::parity_test
