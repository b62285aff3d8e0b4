#include <doctest/doctest.h>

#include "cmoe/io/gguf_export.hpp"
#include "io/gguf_samples.hpp"

namespace cmoe::gguf_writer_test {

using B = Cpu<float>;

namespace {

const Ids<B> ids({2, 5}, {3, 1, 4, 1, 5, 9, 2, 6, 5, 3});

Llama::On<B> small(bool bias, bool head_norm, const std::function<void(Llama::Config&)>& change = {}) {
  Llama::Config c;
  c.vocabulary = 10, c.width = 32, c.layers = 2, c.heads = 2, c.kv_heads = 1, c.head_size = 16, c.hidden = 24, c.context = 16;
  c.qkv_bias = bias, c.head_norm = head_norm;
  if (change) change(c);
  Llama::On<B> model(c, Rng(1));
  Rng draw(2);
  for_each_param(model, [&](const std::string&, Param<B>& p) {
    for (Index i = 0; i < p.size(); ++i) p.data()[i] += 0.1F * static_cast<float>(draw.normal());
  });
  return model;
}

Gguf written(const Llama::On<B>& model, GgufStorage type) {
  GgufWriter writer;
  set_decoder(model, type, writer);
  return Gguf::parse(writer.bytes(), "w.gguf");
}

double difference(const Llama::On<B>& a, const Llama::On<B>& b) {
  const auto x = a(ids, {}).logits.values(), y = b(ids, {}).logits.values();
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i) worst = std::max(worst, std::abs(static_cast<double>(x[i]) - static_cast<double>(y[i])));
  return worst;
}

}  // namespace

TEST_CASE("a decoder goes out as F32 and comes back with the same weights, whatever its architecture and rotary layout") {
  for (const auto& [bias, norm, arch] : {std::tuple(false, false, "llama"), std::tuple(true, false, "qwen2"), std::tuple(false, true, "qwen3")}) {
    const auto model = small(bias, norm);
    const Gguf file = written(model, GgufStorage::f32);
    CHECK(file.required<std::string>("general.architecture") == arch);
    CHECK(hash(make_llama<B>(file)) == hash(model));
  }
  const auto adjacent = small(false, false, [](Llama::Config& c) { c.rotary_layout = RotaryLayout::adjacent; });
  CHECK(difference(adjacent, make_llama<B>(written(adjacent, GgufStorage::f32))) < 1e-5);
  const auto turned = small(false, true, [](Llama::Config& c) { c.rotary_layout = RotaryLayout::adjacent; });
  CHECK(difference(small(false, true), make_llama<B>(written(turned, GgufStorage::f32))) > 1e-3);
}

TEST_CASE("rotary scalings go out as a factor or as divisors") {
  const auto linear = small(false, false, [](Llama::Config& c) { c.rotary_scaling = {.kind = RotaryScaling::Kind::linear, .factor = 4}; });
  const auto llama3 = small(false, false, [](Llama::Config& c) {
    c.rotary_scaling = {.kind = RotaryScaling::Kind::llama3, .factor = 8, .low_frequency = 1, .high_frequency = 4, .context = 8};
  });
  CHECK(difference(linear, make_llama<B>(written(linear, GgufStorage::f32))) == 0);
  const Gguf file = written(llama3, GgufStorage::f32);
  CHECK(file.at("rope_freqs.weight").shape == Shape{8});
  CHECK(difference(llama3, make_llama<B>(file)) < 1e-5);
  CHECK(difference(llama3, small(false, false)) > 1e-4);
}

TEST_CASE("F16 and Q8_0 hold matrices, vectors stay F32, and rows that fill no blocks stay F16") {
  const auto model = small(true, false);
  const Gguf half = written(model, GgufStorage::f16), eighth = written(model, GgufStorage::q8_0);
  CHECK(half.at("blk.0.attn_q.weight").type->name == "F16");
  CHECK(half.at("blk.0.attn_q.bias").type->name == "F32");
  CHECK(eighth.at("blk.0.attn_q.weight").type->name == "Q8_0");
  CHECK(eighth.at("blk.1.ffn_down.weight").type->name == "F16");  // rows of 24
  CHECK(eighth.at("output_norm.weight").type->name == "F32");
  CHECK(difference(model, make_llama<B>(half)) < 0.02);
  CHECK(difference(model, make_llama<B>(eighth)) < 0.2);
}

TEST_CASE("a block of Q8_0 as worked by hand: the scale is the largest value over 127, halves go away from zero") {
  std::vector<float> values(32, 0);
  values[0] = 127, values[1] = -127, values[2] = 2.5F, values[3] = -2.5F, values[4] = 2.4F;
  const std::string bytes = detail::gguf_bytes(GgufStorage::q8_0, values);
  REQUIRE(bytes.size() == 34);
  const auto q = [&](std::size_t i) { return static_cast<int>(static_cast<signed char>(bytes[2 + i])); };
  CHECK(static_cast<unsigned char>(bytes[1]) == 0x3C);  // 1 in half precision
  CHECK(q(0) == 127);
  CHECK(q(1) == -127);
  CHECK(q(2) == 3);
  CHECK(q(3) == -3);
  CHECK(q(4) == 2);
  CHECK(detail::gguf_bytes(GgufStorage::q8_0, std::vector<float>(32, 0)) == std::string(34, '\0'));
  const std::vector<float> ties = {1 + 0x1p-11F, 1 + 0x3p-11F};  // halves half-way between two: the even one
  CHECK(detail::gguf_bytes(GgufStorage::f16, ties) == std::string("\x00\x3C\x02\x3C", 4));
}

TEST_CASE("the tokenizer of a file is carried over, and one of arrays or bytes gives the same ids") {
  const Gguf source = Gguf::parse(samples::gguf(small(false, false)).build(), "s.gguf");
  GgufWriter carried;
  copy_tokenizer(source, carried);
  const Gguf copy = Gguf::parse(carried.bytes(), "c.gguf");
  for (const auto& [key, value] : source.metadata())
    if (key.starts_with("tokenizer.")) CHECK(as_text(copy.metadata().at(key).bytes) == as_text(value.bytes));
  CHECK(gguf_vocabulary(copy).tokens == gguf_vocabulary(source).tokens);

  GgufWriter bytes;
  set_tokenizer(byte_arrays(), bytes);
  const Tokenizer made = gguf_tokenizer(Gguf::parse(bytes.bytes(), "b.gguf"));
  const std::string text = "Two  words,\n\tcaf\xC3\xA9 \xF0\x9F\x99\x82 123's";
  CHECK(made.encode(text) == ByteTokenizer().encode(text));
  CHECK(made.decode(made.encode(text)) == text);
  CHECK(made.eos() == ByteTokenizer().eos());
  CHECK(made.size() == 260);

  TokenizerArrays pieces;
  pieces.model = "llama";
  pieces.tokens = {"<unk>", "a"};
  GgufWriter none;
  CHECK_THROWS_WITH_AS(set_tokenizer(pieces, none),
                       "tokenizer: holds merges of SentencePiece without scores, which GGUF needs; name the tokenizer.model that it was made from",
                       Error);
}

TEST_CASE("what no reader takes is refused before a file is there: keys and tensors twice, broken rows, numbers that do not fit") {
  GgufWriter writer;
  writer.set("a", true);
  CHECK_THROWS_WITH_AS(writer.set("a", 1.0F), "gguf: the key 'a' was set twice", Error);
  const auto zeros = [] { return std::vector<float>(31, 0); };
  writer.add("t", GgufStorage::f32, {31}, zeros);
  CHECK_THROWS_WITH_AS(writer.add("t", GgufStorage::f32, {31}, zeros), "gguf: tensor 't' was added twice", Error);
  CHECK_THROWS_WITH_AS(writer.add("u", GgufStorage::q8_0, {31}, zeros),
                       "gguf: rows of tensor 'u' hold 31 numbers, no multiple of the 32 of a Q8_0 block", Error);
  CHECK_THROWS_AS(writer.add("../u", GgufStorage::f32, {31}, zeros), Error);
  const samples::Folder folder;
  for (const auto& [type, value] :
       {std::pair(GgufStorage::f16, 70000.0F), std::pair(GgufStorage::q8_0, 1e7F), std::pair(GgufStorage::f32, std::nanf(""))}) {
    GgufWriter large;
    large.add("t", type, {32}, [value = value] { return std::vector<float>(32, value); });
    CHECK_THROWS_AS(large.save(folder.path() / "x.gguf"), Error);
  }
  CHECK(folder.entries() == 0);
}

}  // namespace cmoe::gguf_writer_test
