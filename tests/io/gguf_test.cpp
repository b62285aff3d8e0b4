#include <doctest/doctest.h>

#include "cmoe/cpu/cpu.hpp"
#include "cmoe/io/gguf_vocabulary.hpp"
#include "cmoe/io/hf_folder.hpp"
#include "io/gguf_samples.hpp"

namespace cmoe::gguf_test {

using B = Cpu<float>;
using samples::GgufFile;
using samples::put;
using samples::refusal;

namespace {

Llama::Config small() {
  Llama::Config c;
  c.vocabulary = 4, c.width = 8, c.layers = 2, c.heads = 2, c.kv_heads = 1, c.hidden = 12, c.context = 16, c.tied = false;
  return c;
}

std::string refused(const std::string& file) {
  const auto got = refusal([&] { Gguf::parse(file, "x.gguf"); });
  CHECK(got.thrown);
  CHECK(got.kind == ErrorKind::format);
  CHECK(got.text.starts_with("x.gguf: "));
  return got.text;
}
bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("queries and keys in adjacent pairs come out as the halves that a Hugging Face folder of the same model holds") {
  Llama::Config c = small();
  c.rotary_layout = RotaryLayout::adjacent;
  const Llama::On<B> adjacent(c, Rng(3));
  const samples::Folder folder;
  write_hf_llama<B>(folder.path() / "hf", adjacent);
  const auto from_folder = read_hf_llama<B>(folder.path() / "hf");
  const auto from_gguf = make_llama<B>(Gguf::parse(samples::gguf(adjacent).build(), "x.gguf"));
  CHECK(from_gguf.config.rotary_layout == RotaryLayout::halves);
  CHECK(hash(from_gguf) == hash(from_folder));
  const Ids<B> ids({1, 6}, {0, 3, 1, 2, 2, 0});
  const auto ours = from_gguf(ids, {}).logits.values(), theirs = adjacent(ids, {}).logits.values();
  for (std::size_t i = 0; i < ours.size(); ++i) CHECK(ours[i] == doctest::Approx(theirs[i]).epsilon(1e-4));
}

TEST_CASE("qwen2 and qwen3 files keep their rows, biases and head norms") {
  for (bool bias : {true, false}) {
    Llama::Config c = small();
    c.qkv_bias = bias, c.head_norm = !bias;
    if (!bias) c.head_size = 6;
    const Llama::On<B> model(c, Rng(4));
    const auto read = make_llama<B>(Gguf::parse(samples::gguf(model).build(), "x.gguf"));
    CHECK(hash(read) == hash(model));
    CHECK(read.config.head() == model.config.head());
    const auto wide = make_llama<Cpu<double>>(Gguf::parse(samples::gguf(model).build(), "x.gguf"));
    const auto narrow = model.deep[1].feed.down.base.weight.values();
    CHECK(wide.deep[1].feed.down.base.weight.values() == std::vector<double>(narrow.begin(), narrow.end()));
  }
}

TEST_CASE("gpt2 files have queries, keys and values in one tensor, and positions instead of rotary keys") {
  Llama::Config c;
  static_cast<DecoderConfig&>(c) = DecoderConfig::gpt2();
  c.vocabulary = 4, c.width = 6, c.layers = 2, c.heads = c.kv_heads = 2, c.hidden = 12, c.context = 16;
  for (const bool tied : {true, false}) {
    c.tied = tied;
    Llama::On<B> model(c, Rng(4));
    for_each_param(model, [](const std::string& name, Param<B>& p) {
      if (name.ends_with(".bias")) p.assign(init::normal<B>(p.shape(), 1, Rng(5).fork(name)).values());
    });
    const Gguf file = Gguf::parse(samples::gguf(model).build(), "x.gguf");
    CHECK(file.at("blk.1.attn_qkv.weight").shape == Shape{18, 6});
    CHECK(hash(make_llama<B>(file)) == hash(model));
    const auto short_table = samples::gguf(model).add("gpt2.attention.head_count_kv", 1u);
    CHECK_THROWS_AS(gguf_decoder_config(Gguf::parse(short_table.build(), "x.gguf")), Error);
  }
  GgufFile rotary = samples::gguf(Llama::On<B>(c, Rng(4)));
  rotary.tensor("rope_freqs.weight", {1}, {1});
  CHECK(has(refusal([&] { make_llama<B>(Gguf::parse(rotary.build(), "x.gguf")); }).text, "'rope_freqs.weight' has no place"));
}

TEST_CASE("rope_freqs.weight divides the rotary frequencies") {
  GgufFile file = samples::gguf(Llama::On<B>(small(), Rng(3)));
  file.tensor("rope_freqs.weight", {2}, {1, 8});
  const DecoderConfig c = gguf_decoder_config(Gguf::parse(file.build(), "x.gguf"));
  CHECK(c.rotary_scaling.divisors == std::vector<double>{1, 8});
  CHECK(make_llama<B>(Gguf::parse(file.build(), "x.gguf")).deep[0].mix.kind.table.positions() == 16);
}

TEST_CASE("the vocabulary comes as arrays") {
  const Llama::On<B> model(small(), Rng(3));
  const GgufVocabulary v = gguf_vocabulary(Gguf::parse(samples::gguf(model).build(), "x.gguf"));
  CHECK(v.tokens == std::vector<std::string>{"a", "b", "ab", "<s>"});
  CHECK(v.scores == std::vector<float>{0, -1, -2, 0});
  CHECK(v.types == std::vector<std::int32_t>{1, 1, 1, 3});
  CHECK(v.merges == std::vector<std::string>{"a b"});
  CHECK((v.begin == 3 && !v.end && v.chat_template == "{{ x }}"));
  const auto with = [](auto&& change) {
    GgufFile file;
    file.add("tokenizer.ggml.model", std::string("gpt2")).add("tokenizer.ggml.tokens", std::vector<std::string>{"a", "b"});
    change(file);
    return refusal([&] { gguf_vocabulary(Gguf::parse(file.build(), "x.gguf")); }).text;
  };
  CHECK(with([](GgufFile&) {}).empty());
  CHECK(has(with([](GgufFile& f) { f.add("tokenizer.ggml.scores", GgufType::f32, std::vector<float>{1}); }), "1 scores for 2 tokens"));
  CHECK(has(with([](GgufFile& f) { f.add("tokenizer.ggml.token_type", GgufType::i32, std::vector<std::int32_t>{1, 7}); }), "unknown type 7"));
  CHECK(has(with([](GgufFile& f) { f.add("tokenizer.ggml.eos_token_id", 2u); }), "not one of the 2 tokens"));
  CHECK(has(with([](GgufFile& f) { f.add("tokenizer.ggml.merges", GgufType::f32, std::vector<float>{1}); }), "must be a text"));
}

TEST_CASE("files that are no GGUF, or end early, are refused") {
  const std::string good = samples::gguf(Llama::On<B>(small(), Rng(3))).build();
  CHECK(has(refused(""), "not a GGUF file"));
  CHECK(has(refused("GGUG" + good.substr(4)), "not a GGUF file"));
  for (std::uint32_t version : {0u, 1u, 4u, 0x03000000u}) {
    GgufFile file;
    file.version = version;
    CHECK(has(refused(file.build()), "version"));
  }
  CHECK(has(refused([] { GgufFile f; f.version = 0x03000000u; return f.build(); }()), "big-endian"));
  GgufFile second = samples::gguf(Llama::On<B>(small(), Rng(3)));
  second.version = 2;
  CHECK(Gguf::parse(second.build(), "x").version() == 2);
  for (std::size_t length = 0; length < good.size(); length += length < 1200 ? 1 : 97) refused(good.substr(0, length));
  refused(good + std::string(64, '\0'));
}

TEST_CASE("counts, lengths and offsets that overflow or leave the file are refused") {
  const auto counts = [](std::uint64_t tensors, std::uint64_t entries) {
    GgufFile file;
    file.tensors = tensors, file.entries = entries;
    return refused(file.build());
  };
  constexpr auto all = ~std::uint64_t{0};
  for (std::uint64_t n : {std::uint64_t{65537}, std::uint64_t{0xFFFFFFFF}, std::uint64_t{1} << 63, all}) counts(n, 0), counts(0, n);
  counts(1, 0), counts(0, 1), counts(65536, 65536);
  for (std::uint64_t n : {std::uint64_t{1000}, std::uint64_t{1} << 40, std::uint64_t{1} << 63, all}) {
    GgufFile text, list, texts, name;
    text.key("a", GgufType::text), put(text.entry_bytes, n);
    list.list("a", GgufType::u64, n);
    texts.list("a", GgufType::text, n);
    ++name.entries, put(name.entry_bytes, n);
    for (const GgufFile& file : {text, list, texts, name}) refused(file.build());
    for (std::uint64_t m : {std::uint64_t{1}, std::uint64_t{1} << 31, n}) {
      GgufFile shape;
      shape.tensor("a", {n, m}, 0, "1234");
      refused(shape.build());
    }
  }
  for (std::uint64_t offset : {std::uint64_t{1}, std::uint64_t{32}, std::uint64_t{1} << 62, all - 31, all}) {
    GgufFile file;
    file.tensor("a", {1}, 0, "1234");
    file.tensor_bytes.resize(file.tensor_bytes.size() - 8), put(file.tensor_bytes, offset);
    CHECK(has(refused(file.build()), "next place"));
  }
}

TEST_CASE("what stands twice, makes no sense or is not read is refused by name") {
  const auto tensor = [](const std::vector<std::uint64_t>& sizes, std::uint32_t type) {
    GgufFile file;
    file.tensor("weights", sizes, type, std::string(1024, '\0'));
    return refused(file.build());
  };
  CHECK(has(tensor({0}, 0), "size 0"));
  CHECK(has(tensor({4, 0}, 0), "size 0"));
  CHECK(has(tensor({1, 1, 1, 1, 1}, 0), "5 sizes"));
  CHECK(has(tensor({}, 0), "0 sizes"));
  CHECK(has(tensor({33}, 8), "no multiple of the 32"));
  CHECK(has(tensor({128}, 12), "no multiple of the 256"));
  for (std::uint32_t type : {4u, 9u, 16u, 24u, 31u, 0xFFFFFFFFu}) CHECK(has(tensor({256}, type), "which is not read"));
  CHECK(has(refused(GgufFile().add("a", 1u).add("a", 1u).build()), "stands twice"));
  CHECK(has(refused(GgufFile().tensor("a", {1}, 0, "1234").tensor("a", {1}, 0, "1234").build()), "stands twice"));
  CHECK(has(refused(GgufFile().tensor("../a", {1}, 0, "1234").build()), "contains '..'"));
  CHECK(has(refused(GgufFile().add("a", static_cast<GgufType>(13), 1u).build()), "unknown type 13"));
  CHECK(has(refused(GgufFile().add("a", GgufType::boolean, std::uint8_t{2}).build()), "neither 0 nor 1"));
  GgufFile nested;
  nested.list("a", GgufType::list, 1);
  CHECK(has(refused(nested.build()), "list of lists"));
  for (std::uint32_t alignment : {0u, 1u, 3u, 13u, 24u, 1u << 17, 1u << 30, 1u << 31}) CHECK(has(refused(GgufFile().add("general.alignment", alignment).build()), "power of two"));
  CHECK(has(refused(GgufFile().add("general.alignment", std::string("32")).build()), "whole number"));
  GgufFile wide;
  wide.alignment = 128;
  wide.add("general.alignment", 128u).tensor("a", {1}, 0, "1234").tensor("b", {1}, {2.5F});
  CHECK(Gguf::parse(wide.build(), "x").at("b").values() == std::vector<float>{2.5F});
}

TEST_CASE("a GGUF file whose mathematics is another's is refused with the key, and weights that are no numbers by tensor") {
  const auto with = [](auto&& change) {
    GgufFile file = samples::gguf(Llama::On<B>(small(), Rng(3)));
    change(file);
    const Gguf parsed = Gguf::parse(file.build(), "x.gguf");
    return refusal([&] { make_llama<B>(parsed); });
  };
  CHECK_FALSE(with([](GgufFile&) {}).thrown);
  CHECK_FALSE(with([](GgufFile& f) { f.add("llama.expert_count", 0u).add("general.file_type", 7u); }).thrown);
  CHECK(has(with([](GgufFile& f) { f.add("llama.expert_count", 8u); }).text, "'llama.expert_count' is 8"));
  CHECK(has(with([](GgufFile& f) { f.add("llama.rope.scaling.type", std::string("yarn")); }).text, "yarn"));
  CHECK(has(with([](GgufFile& f) { f.add("llama.logit_scale", 0.5F); }).text, "logit_scale"));
  CHECK(has(with([](GgufFile& f) { f.add("llama.rope.dimension_count", 2u); }).text, "rope.dimension_count' is 2"));
  CHECK(has(with([](GgufFile& f) { f.tensor("blk.0.attn_q.bias", {8}, std::vector<float>(8)); }).text, "'blk.0.attn_q.bias' has no place"));
  CHECK(has(with([](GgufFile& f) { f.entry_bytes.replace(f.entry_bytes.find("block_count") + 15, 4, std::string("\xFF\xFF\xFF\x00", 4)); }).text, "no tensor 'blk.2."));
  CHECK(has(with([](GgufFile& f) { f.entry_bytes.replace(f.entry_bytes.find("head_count") + 14, 4, std::string("\0\0\0\0", 4)); }).text, "head_count' is 0"));
  const auto nan = with([](GgufFile& f) { f.data.replace(0, 4, std::string("\0\0\xC0\x7F", 4)); });
  CHECK(nan.kind == ErrorKind::numeric);
  CHECK(has(nan.text, "token_embd.weight"));
  const auto other = refusal([] { gguf_decoder_config(Gguf::parse(GgufFile().add("general.architecture", std::string("gemma")).build(), "x.gguf")); });
  CHECK(has(other.text, "gemma"));
}

TEST_CASE("blocks are decoded as worked by hand") {
  const auto decode = [](std::uint32_t type, std::string bytes) {
    const BlockType& block = *block_type(type);
    REQUIRE(std::cmp_equal(bytes.size(), block.bytes));
    std::vector<float> out(static_cast<std::size_t>(block.numbers));
    dequantise(block, as_bytes(bytes), out);
    return out;
  };
  const auto half = [](float value) {
    std::string out;
    put(out, to_half(value));
    return out;
  };
  const std::string nibbles(16, '\x4F');  // low 15, high 4
  const auto q4_0 = decode(2, half(0.5F) + nibbles), q4_1 = decode(3, half(0.5F) + half(-3) + nibbles);
  CHECK((q4_0[0] == 3.5F && q4_0[15] == 3.5F && q4_0[16] == -2 && q4_0[31] == -2));
  CHECK((q4_1[0] == 4.5F && q4_1[16] == -1));
  const auto q5_0 = decode(6, half(1) + std::string("\x01\0\x01\0", 4) + nibbles), q5_1 = decode(7, half(1) + half(2) + std::string("\x01\0\x01\0", 4) + nibbles);
  CHECK((q5_0[0] == 15 && q5_0[1] == -1 && q5_0[16] == 4 && q5_0[17] == -12));  // bit 0 and bit 16 are set
  CHECK((q5_1[0] == 33 && q5_1[1] == 17 && q5_1[16] == 22 && q5_1[17] == 6));
  const auto q8_0 = decode(8, half(0.25F) + std::string(31, '\x02') + "\x80");
  CHECK((q8_0[0] == 0.5F && q8_0[31] == -32));
  const auto q2 = decode(10, std::string(16, '\x21') + std::string(64, '\xE4') + half(3) + half(0.5F));  // scale 1, minimum 2; quants 0 1 2 3
  CHECK((q2[0] == -1 && q2[32] == 2 && q2[64] == 5 && q2[96] == 8 && q2[128] == -1));
  const auto q3 = decode(11, std::string(32, '\x01') + std::string(64, '\xE4') + std::string(8, '\x11') + std::string(4, '\xAA') + half(1));  // scales 33 - 32
  CHECK((q3[0] == 0 && q3[32] == -3 && q3[64] == -2 && q3[96] == -1 && q3[128] == -4));
  const std::string pairs = std::string(4, '\x42') + std::string(4, '\x83') + std::string(4, '\x51');  // scales 2 and 17, minima 3 and 37
  const auto q4 = decode(12, half(1) + half(2) + pairs + std::string(128, '\x4F'));
  CHECK((q4[0] == 24 && q4[32] == 2 && q4[128] == 17 * 15 - 74 && q4[160] == 17 * 4 - 74));
  const auto q5 = decode(13, half(1) + half(2) + pairs + std::string(32, '\x01') + std::string(128, '\x4F'));
  CHECK((q5[0] == 56 && q5[32] == 2));  // only the first group has its fifth bit
  const auto q6 = decode(14, std::string(128, '\x4F') + std::string(64, '\x1B') + std::string(16, '\xFE') + half(1));  // scale -2; high bits 3 2 1 0
  CHECK((q6[0] == -2 * (15 + 48 - 32) && q6[32] == -2 * (15 + 32 - 32) && q6[64] == -2 * (4 + 16 - 32) && q6[96] == -2 * (4 - 32)));
}

}  // namespace cmoe::gguf_test
