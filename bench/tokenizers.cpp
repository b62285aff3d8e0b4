// bench_tokenizers: megabytes of text a second that tokenizers encode and decode on one thread. Words are remembered within a
// call, so that a text which repeats its words is faster than one in many languages. Reads the shared data unless told what to
// read.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>

#include "cmoe/io/read_tokenizer.hpp"
#include "measure.hpp"

namespace {

using namespace cmoe;
namespace fs = std::filesystem;

struct Speed {
  std::string tokenizer, text;
  double megabytes, tokens, encode, decode;  // MB/s
};

Speed measure(const fs::path& path, const fs::path& file, const Tokenizer& tokenizer, int repeat) {
  std::string text;
  if (fs::is_directory(file)) {  // all its files as one text
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(file))
      if (entry.path().extension() == ".txt") files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    for (const fs::path& one : files) text += read_file(one);
  } else {
    text = read_file(file);
  }
  std::vector<Id> ids;
  std::string back;
  const double megabytes = static_cast<double>(text.size()) * 1e-6;
  const auto encode = bench::measure(repeat, 1, [&] { ids = tokenizer.encode(text); });
  const auto decode = bench::measure(repeat, 1, [&] { back = tokenizer.decode(ids); });
  return {path.filename().string(),        file.filename().string(),  megabytes,
          static_cast<double>(ids.size()), megabytes / encode.median, megabytes / decode.median};
}

}  // namespace

int main(int argc, char** argv) {
  const char* named = std::getenv("CMOE_SHARED");
  const fs::path shared = named != nullptr && *named != '\0' ? named : "../shared";
  std::vector<std::string> tokenizers, texts;
  int repeat = 5;
  bool json = false;
  CLI::App app("MB/s of tokenizers on one thread");
  app.add_option("--tokenizer", tokenizers,
                 "files or folders; default: GPT-2's and the small SentencePiece models of the shared data");
  app.add_option("--text", texts, "files, or folders of .txt; default: an English novel and one text in many languages");
  app.add_option("--repeat", repeat)->check(CLI::PositiveNumber);
  app.add_flag("--json", json);
  CLI11_PARSE(app, argc, argv);
  try {
    if (tokenizers.empty())
      for (const char* usual : {"data/tokenizer/gpt2", "golden/tokenizer/llama3_style", "golden/tokenizer/spm_bpe.model",
                                "golden/tokenizer/spm_unigram.model"})
        tokenizers.push_back((shared / usual).string());
    if (texts.empty())
      for (const char* usual : {"data/text/austen-emma.txt", "data/text/udhr"}) texts.push_back((shared / usual).string());
    if (!json)
      std::printf("%-24s %-32s %8s %10s %12s %12s %10s\n", "tokenizer", "text", "MB", "tokens", "encode MB/s", "decode MB/s",
                  "load ms");
    Json all = Json::array();
    for (const std::string& path : tokenizers) {
      const auto load = bench::measure(1, 0, [&] { (void)read_tokenizer(path); });
      const Tokenizer tokenizer = read_tokenizer(path);
      for (const std::string& text : texts) {
        const Speed s = measure(path, text, tokenizer, repeat);
        all.push_back({{"tokenizer", s.tokenizer},
                       {"text", s.text},
                       {"mb", s.megabytes},
                       {"tokens", s.tokens},
                       {"encode_mb_per_s", s.encode},
                       {"decode_mb_per_s", s.decode},
                       {"load_ms", load.median * 1e3}});
        if (!json)
          std::printf("%-24s %-32s %8.3f %10.0f %12.1f %12.1f %10.1f\n", s.tokenizer.c_str(), s.text.c_str(), s.megabytes,
                      s.tokens, s.encode, s.decode, load.median * 1e3);
      }
    }
    if (json) std::printf("%s\n", all.dump(1).c_str());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_tokenizers: %s\n", error.what());
    return 1;
  }
}
