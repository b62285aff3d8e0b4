// Makes what the fuzzers begin with: corpus OUT writes OUT/TARGET/* with small valid files of every format, and OUT/TARGET.dict with
// words that random bytes would hardly hit upon.
#include <cstdio>

#include "cmoe/io/hf_config.hpp"
#include "io/gguf_samples.hpp"
#include "io/tokenizer_samples.hpp"

using namespace cmoe;

namespace {

class Corpus {
 public:
  explicit Corpus(Path out) : out_(std::move(out)) {}

  void add(const std::string& target, const std::string& contents) {
    const Path folder = out_ / target;
    std::filesystem::create_directories(folder);
    write_file_atomically(folder / ("made-" + std::to_string(number_++)), contents);
  }
  void words(const std::string& target, const std::vector<std::string>& all) {
    std::string text;
    for (const std::string& word : all) {
      text += '"';
      for (const char c : word) {
        char hex[5];
        std::snprintf(hex, sizeof hex, "\\x%02X", static_cast<unsigned>(static_cast<unsigned char>(c)));
        text += hex;
      }
      text += "\"\n";
    }
    write_file_atomically(out_ / (target + ".dict"), text);
  }

 private:
  Path out_;
  int number_ = 0;
};

Llama::Config small(bool bias, bool norm) {
  Llama::Config c;
  c.vocabulary = 4, c.width = 8, c.layers = 1, c.heads = 2, c.kv_heads = 1, c.hidden = 12, c.context = 16;
  c.qkv_bias = bias, c.head_norm = norm;
  return c;
}

void add_gguf(Corpus& corpus) {
  for (const auto& [bias, norm] : {std::pair(false, false), std::pair(true, false), std::pair(false, true)}) {
    samples::GgufFile file = samples::gguf(Llama::On<Cpu<float>>(small(bias, norm), Rng(1)));
    if (!bias && !norm) file.tensor("rope_freqs.weight", {2}, {1, 2});
    corpus.add("gguf", file.build());
  }
  samples::GgufFile blocks;
  for (const std::uint32_t type : {1u, 2u, 3u, 6u, 7u, 8u, 10u, 11u, 12u, 13u, 14u, 30u}) {
    const BlockType& block = *block_type(type);
    blocks.tensor("t" + std::to_string(type), {256, 1}, type, std::string(static_cast<std::size_t>(256 / block.numbers * block.bytes), '\x5A'));
  }
  corpus.add("gguf", blocks.build());
  samples::GgufFile words;
  words.add("tokenizer.ggml.model", std::string("llama")).add("tokenizer.ggml.tokens", {"<unk>", "<s>", "a", "b", "ab", "\xE2\x96\x81"});
  words.add<float>("tokenizer.ggml.scores", GgufType::f32, {0, 0, -1, -2, -0.5f, -3});
  words.add<std::int32_t>("tokenizer.ggml.token_type", GgufType::i32, {2, 3, 1, 1, 1, 1}).add("tokenizer.ggml.unknown_token_id", 0u);
  words.add("tokenizer.ggml.bos_token_id", 1u).add("tokenizer.ggml.eot_token_id", 1u).add("tokenizer.ggml.add_bos_token", GgufType::boolean, std::uint8_t{1});
  words.add("tokenizer.chat_template", std::string("{% for m in messages %}{{ m.role + m.content }}{% endfor %}"));
  corpus.add("gguf", words.build());
  corpus.words("gguf", {"general.architecture", "llama", "qwen2", "qwen3", "general.alignment", "tokenizer.ggml.", "rope.scaling.type", "linear",
                        "attention.head_count_kv", "token_embd.weight", "blk.0.attn_q.weight", "output.weight", "gpt2", "t5", "t5.", "precompiled_charsmap"});
}

void add_configs(Corpus& corpus) {
  for (const auto& [bias, norm] : {std::pair(false, false), std::pair(true, false), std::pair(false, true)}) {
    DecoderConfig config = small(bias, norm);
    if (norm) config.head_size = 6;
    corpus.add("hf_config", hf_config_json(config).dump());
    config.rotary_scaling = {.kind = RotaryScaling::Kind::llama3, .factor = 8, .low_frequency = 1, .high_frequency = 4, .context = 8};
    corpus.add("hf_config", hf_config_json(config).dump());
  }
  OrderedJson mistral = hf_config_json(small(false, false));
  mistral["model_type"] = "mistral";
  mistral["sliding_window"] = nullptr;
  corpus.add("hf_config", mistral.dump());
  corpus.add("hf_config", R"({"bos_token_id": 1, "eos_token_id": [2, 3]})");
  corpus.words("hf_config", {"\"model_type\"", "\"llama\"", "\"mistral\"", "\"qwen2\"", "\"qwen3\"", "\"rope_parameters\"", "\"rope_scaling\"", "\"rope_type\"", "\"type\"",
                             "\"linear\"", "\"llama3\"", "\"factor\"", "\"sliding_window\"", "\"layer_types\"", "\"full_attention\"", "\"head_dim\"", "null",
                             "16777216", "1e308", "\"partial_rotary_factor\"", "\"tie_word_embeddings\""});
}

void add_adapters(Corpus& corpus) {
  corpus.add("peft_config", R"({"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj"], "use_rslora": true, "bias": "none"})");
  corpus.add("peft_config", R"({"peft_type": "LORA", "r": 2, "lora_alpha": 2, "target_modules": ".*(q|k)_proj", "rank_pattern": {"layers.0": 3}, "use_dora": true})");
  corpus.add("peft_config", R"({"peft_type": "IA3", "target_modules": ["k_proj", "down_proj"], "feedforward_modules": ["down_proj"]})");
  corpus.add("peft_config", R"({"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 5, "token_dim": 16, "num_layers": 2})");
  corpus.words("peft_config", {"\"all-linear\"", "\"layers_to_transform\"", "\"alpha_pattern\"", "\"exclude_modules\"", "\"modules_to_save\"", "null", "true"});
}

void add_templates(Corpus& corpus) {
  const std::vector<std::string> all = {
      "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
      "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
      "{%- set ns = namespace(a=0, b='x') %}\n{%- for m in messages[::-1] if m.role == \"user\" and not loop is defined %}\n"
      "  {%- set ns.a = ns.a + loop.index0 %}{{- loop.previtem.role ~ m.content.strip() | trim }}\n{%- else %}none{% endfor %}{{ ns.a }}",
      "{% if messages[0]['role'] == 'system' %}{% set rest = messages[1:] %}{% elif messages|length > 3 %}{{ raise_exception('no') }}{% else %}"
      "{% set rest = [] + messages %}{% endif %}{% for k, v in rest[0].items() %}{{ k ~ v | tojson }}{% endfor %}",
      "{# c -#} {{ 'a' if x is defined else 'b\\n\\x41' }}{{ 7 // 2 * 3 - 1 % 2 }}{{ 'a,b'.split(',')[-1].upper() }}{{ ('a' in ['a', 1]) is true }}{{ range(3)|join('-') }}",
      "{% generation %}{{ bos_token + messages[-1].content.split('</t>')[0].rstrip('\\n').replace('a', 'bb') | default('q', true) | title }}{%+ endgeneration +%}"};
  for (const std::string& one : all) {
    corpus.add("chat_template", one);
    corpus.add("chat_template", one + std::string("\0hi\0yo\0\xC3\xA9", 9));
  }
  corpus.words("chat_template", {"{%", "%}", "{{", "}}", "{#", "#}", "{%-", "-%}", "for ", " in ", "endfor", "if ", "elif ", "else", "endif", "set ", "namespace(",
                                 "messages", "loop.", "role", "content", "|", "trim", "tojson", "length", "default(", "join(", "replace(", ".split(", ".strip(", "[::-1]",
                                 " is ", "defined", "none", "string", " not ", " and ", " or ", "range(", "~", "//", "raise_exception("});
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "usage: corpus OUT\n"), 2;
  Corpus corpus(argv[1]);
  corpus.add("safetensors", samples::safetensors());
  corpus.words("safetensors", {"__metadata__", "data_offsets", "shape", "dtype", "BF16", "F8_E4M3", "I64", "BOOL", "F64", "U8"});
  add_gguf(corpus);
  add_configs(corpus);
  add_adapters(corpus);
  add_templates(corpus);
  corpus.add("tokenizer_json", samples::byte_level_json().dump());
  corpus.add("tokenizer_json", samples::unigram_json().dump());
  Json few = samples::byte_level_json();  // small enough to be changed everywhere
  few["model"]["vocab"] = {{"h", 0}, {"e", 1}, {"he", 2}};
  few["model"]["merges"] = Json::array({"h e"});
  few["added_tokens"] = Json::array();
  corpus.add("tokenizer_json", few.dump());
  corpus.words("tokenizer_json", {"\"type\"", "\"BPE\"", "\"Unigram\"", "\"Sequence\"", "\"normalizers\"", "\"pretokenizers\"", "\"Split\"", "\"Regex\"", "\"String\"",
                                  "\"ByteLevel\"", "\"Metaspace\"", "\"Replace\"", "\"Prepend\"", "\"Precompiled\"", "\"precompiled_charsmap\"", "\"NFC\"", "\"merges\"",
                                  "\"vocab\"", "\"added_tokens\"", "\"byte_fallback\"", "\"unk_id\"", "\"ignore_merges\"", "\"Digits\"", "\"Strip\"", "\"Fuse\""});
  for (const char* model : {"t5", "llama"})
    for (const bool bytes : {false, true})
      corpus.add("tokenizer_model", samples::sentencepiece_model(samples::pieces(model, bytes), bytes, bytes ? samples::charsmap({{'A', "a"}, {'\t', " "}}) : ""));
  corpus.words("tokenizer_model", {"<unk>", "<s>", "</s>", "<0x0A>", "\xE2\x96\x81"});
  corpus.add("tasks", samples::trace());
  corpus.add("tasks", samples::instructions());
  corpus.add("tasks", samples::instructions(2, false));
  corpus.words("tasks", {"\"prompt\"", "\"answer\"", "\"Definition\"", "\"Instances\"", "\"id\"", "\"input\"", "\"output\"", "\"Positive Examples\""});
  for (const int version : {0, 1, 2}) corpus.add("llama2c", samples::llama2c(version));
  corpus.add("llama2c", samples::llama2c(1, false));
  corpus.add("llama2c", samples::tokenizer());
  corpus.words("llama2c", {"24ka", "<unk>", "<0x0A>", "\n<s>\n"});
  return 0;
}
