// Small valid files of every format, made in memory, and a folder that goes away with the test.
#pragma once

#include <unistd.h>
#include <zlib.h>

#include <cstring>
#include <functional>

#include "cmoe/io/file.hpp"
#include "cmoe/io/safetensors.hpp"

namespace samples {

// The kind of the Error that `act` throws, "nothing" when it throws none; any other exception passes through.
struct Refusal {
  bool thrown = false;
  cmoe::ErrorKind kind = cmoe::ErrorKind::misuse;
  std::string text;
};
inline Refusal refusal(const std::function<void()>& act) {
  try {
    act();
  } catch (const cmoe::Error& error) {
    return {true, error.kind(), error.what()};
  }
  return {};
}

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "cmoe_io_XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const cmoe::Path& path() const { return path_; }
  cmoe::Path write(const std::string& name, std::string_view text) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    cmoe::write_file_atomically(path_ / name, text);
    return path_ / name;
  }
  std::size_t entries() const {
    return static_cast<std::size_t>(
        std::distance(std::filesystem::directory_iterator(path_), std::filesystem::directory_iterator()));
  }

 private:
  cmoe::Path path_;
};

template <class T>
void put(std::string& out, T value) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out.append(bytes, sizeof(T));
}

inline std::string gzip(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

// A safetensors file out of any header text and any data.
inline std::string container(const std::string& header, const std::string& data = "") {
  std::string out;
  put(out, static_cast<std::uint64_t>(header.size()));
  return out + header + data;
}

inline std::string safetensors() {
  cmoe::SafeTensorsWriter writer;
  writer.metadata = {{"format", "pt"}, {"made by", "tests"}};
  const std::vector<float> weights = {1, -2, 3.5f, 0, 5, 6};
  const std::vector<std::int64_t> ids = {7, -8};
  writer.add<float>("layer.0.weight", {2, 3}, weights);
  writer.add<std::int64_t>("ids", {2}, ids);
  writer.add_rounded("half", cmoe::DType::f16, {3, 2}, weights);
  writer.add("empty", cmoe::DType::f32, {0, 4}, {});
  return writer.bytes();
}

// A llama2.c model of width 4, hidden 6, one layer, two heads that share one key head, 5 tokens, context 8.
// version 0 is the legacy layout; the weights count up, so that a shift of one shows.
inline std::string llama2c(int version, bool tied = true) {
  std::string out;
  const std::int32_t width = 4, hidden = 6, vocabulary = 5, context = 8;
  if (version > 0) {
    put(out, std::uint32_t{0x616B3432});
    put(out, std::int32_t{version});
  }
  for (std::int32_t n : {width, hidden, 1, 2, 1, version == 0 && !tied ? -vocabulary : vocabulary, context}) put(out, n);
  if (version > 0) put(out, static_cast<std::uint8_t>(tied));
  if (version == 2) put(out, std::int32_t{2});
  if (version > 0) out.resize(256);
  const auto floats = [&](int count, float first) {
    for (int i = 0; i < count; ++i) put(out, first + static_cast<float>(i));
  };
  const auto matrix = [&](int count, float first) {
    if (version < 2) return floats(count, first);
    for (int i = 0; i < count; ++i) put(out, static_cast<std::int8_t>(i % 2 == 0 ? 127 : -64));
    for (int i = 0; i < count / 2; ++i) put(out, 0.5f);
  };
  const auto attention = [&] {
    matrix(16, 100);
    matrix(8, 200);
    matrix(8, 300);
    matrix(16, 400);
  };
  const auto feed_forward = [&] {
    matrix(24, 500);
    matrix(24, 600);
    matrix(24, 700);
  };
  if (version == 0) {
    matrix(20, 0);
    floats(4, 1000);
    attention();
    floats(4, 2000);
    feed_forward();
    floats(4, 3000);
    floats(2 * 8, 0);  // rotary tables of 8 positions, one pair a head
  } else {
    floats(4, 1000);
    floats(4, 2000);
    floats(4, 3000);
    matrix(20, 0);
    attention();
    feed_forward();
  }
  if (!tied) matrix(20, 4000);
  return out;
}

// Tokens after the bytes: single letters and a few merges; a higher score merges first.
inline std::string tokenizer(
    const std::vector<std::pair<std::string, float>>& pieces = {
        {" ", -9}, {"a", -9}, {"b", -9}, {"ab", -1}, {" a", -2}, {"abab", -3}, {"\xC3\xA9", -9}, {"ba", -0.5f}}) {
  std::string out;
  put(out, std::int32_t{8});
  const auto token = [&](const std::string& text, float score) {
    put(out, score);
    put(out, static_cast<std::int32_t>(text.size()));
    out += text;
  };
  token("<unk>", 0);
  token("\n<s>\n", 0);
  token("\n</s>\n", 0);
  for (int byte = 0; byte < 256; ++byte) {
    constexpr char digits[] = "0123456789ABCDEF";
    token(std::string("<0x") + digits[byte / 16] + digits[byte % 16] + ">", 0);
  }
  for (const auto& [text, score] : pieces) token(text, score);
  return out;
}

inline std::string trace(int count = 3) {
  std::string out = "[";
  for (int i = 0; i < count; ++i)
    out += std::string(i > 0 ? ", " : "") + R"({"prompt": "Is \u00e9 number )" + std::to_string(i) +
           R"( odd?\nAnswer: ", "answer": ")" + (i % 2 == 1 ? "yes" : "no") + "\"}";
  return out + "]";
}

inline std::string instructions(int count = 3, bool list = true) {
  std::string out = R"({"Definition": ["Say whether the number is odd.\n"], "Positive Examples": [], "Instances": [)";
  for (int i = 0; i < count; ++i) {
    const std::string answer = i % 2 == 1 ? "\"yes\"" : "\"no\"";
    out += std::string(i > 0 ? ", " : "") + R"({"id": "n-)" + std::to_string(i) + R"(", "input": "number )" + std::to_string(i) +
           R"(\n", "output": )" + (list ? "[" + answer + ", \"other\"]" : answer) + "}";
  }
  return out + "]}";
}

inline std::string table(int count = 60) {
  std::string out;
  for (int i = 0; i < count; ++i) out += std::string(i % 2 == 1 ? "odd" : "even") + "\tthe number " + std::to_string(i) + "\n";
  return out;
}

}  // namespace samples
