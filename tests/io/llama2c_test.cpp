#include "cmoe/io/llama2c.hpp"

#include <doctest/doctest.h>

#include <limits>

#include "io/samples.hpp"

namespace cmoe::llama2c_test {

using samples::refusal;

TEST_CASE("the three layouts hold the same model") {
  for (bool tied : {true, false}) {
    const Llama2cModel legacy = parse_llama2c(as_bytes(samples::llama2c(0, tied)), "legacy");
    const Llama2cModel first = parse_llama2c(as_bytes(samples::llama2c(1, tied)), "v1");
    const Llama2cModel second = parse_llama2c(as_bytes(samples::llama2c(2, tied)), "v2");
    CHECK(legacy.weights.size() == (tied ? 11 : 12));
    CHECK(legacy.tied == tied);
    CHECK(second.tied == tied);
    CHECK(legacy.vocabulary == 5);
    CHECK(legacy.context == 8);
    for (const NamedWeights& entry : legacy.weights) {
      CHECK(first.at(entry.name).values == entry.values);
      CHECK(first.at(entry.name).shape == entry.shape);
      CHECK(second.at(entry.name).shape == entry.shape);
    }
    CHECK(legacy.at("model.layers.0.self_attn.k_proj.weight").shape == Shape{2, 4});
    CHECK(legacy.at("model.layers.0.self_attn.k_proj.weight").values.front() == 200);
    CHECK(legacy.at("model.layers.0.mlp.gate_proj.weight").shape == Shape{6, 4});
    CHECK(legacy.at("model.layers.0.mlp.down_proj.weight").shape == Shape{4, 6});
    CHECK(legacy.at("model.layers.0.mlp.down_proj.weight").values.front() == 600);
    CHECK(legacy.at("model.layers.0.mlp.up_proj.weight").values.back() == 723);
    CHECK(legacy.at("model.norm.weight").values.front() == 3000);
    CHECK(second.at("model.norm.weight").values.front() == 3000);
    CHECK(second.at("model.embed_tokens.weight").values[0] == 63.5f);
    CHECK(second.at("model.embed_tokens.weight").values[1] == -32.0f);
  }
}

TEST_CASE("a model of the wrong length is refused before its weights are read") {
  for (int version : {0, 1, 2}) {
    const std::string good = samples::llama2c(version);
    for (std::size_t n = 0; n < good.size(); ++n)
      CHECK(refusal([&] { parse_llama2c(as_bytes(good.substr(0, n)), "cut"); }).kind == ErrorKind::format);
    CHECK(refusal([&] { parse_llama2c(as_bytes(good + "x"), "long"); }).kind == ErrorKind::format);
  }
}

TEST_CASE("sizes that make no model are refused") {
  for (int version : {0, 1, 2})
    for (std::size_t field = 0; field < 7; ++field)
      for (std::int32_t value :
           {0, std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::max(), 1 << 24, 3}) {
        if (version > 0 && field == 6 && (value == 3 || value == 1 << 24)) continue;  // no stored size depends on the context
        std::string bytes = samples::llama2c(version);
        std::memcpy(bytes.data() + (version > 0 ? 8 : 0) + 4 * field, &value, 4);
        CHECK(refusal([&] { parse_llama2c(as_bytes(bytes), "bad"); }).kind == ErrorKind::format);
      }
  for (std::int32_t group : {0, -1, 3, 1 << 30}) {
    std::string bytes = samples::llama2c(2);
    std::memcpy(bytes.data() + 37, &group, 4);
    CHECK(refusal([&] { parse_llama2c(as_bytes(bytes), "bad"); }).kind == ErrorKind::format);
  }
}

TEST_CASE("a weight that is not finite is told with its tensor") {
  std::string bytes = samples::llama2c(1);
  const float infinite = std::numeric_limits<float>::infinity();
  std::memcpy(bytes.data() + 256 + 4 * 8, &infinite, 4);
  const auto refused = refusal([&] { parse_llama2c(as_bytes(bytes), "bad.bin"); });
  CHECK(refused.kind == ErrorKind::numeric);
  CHECK(refused.text.starts_with("bad.bin: tensor 'model.norm.weight': value 0 is not finite"));
}

}  // namespace cmoe::llama2c_test
