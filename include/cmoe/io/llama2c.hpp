// llama2.c checkpoints: Llama weights in the three layouts of that project, given Hugging Face names.
#pragma once

#include <cmath>
#include <cstring>
#include <vector>

#include "cmoe/core/shape.hpp"
#include "cmoe/io/file.hpp"

namespace cmoe {

// One array of a llama2.c file, under the name that Hugging Face gives it.
struct NamedWeights {
  std::string name;
  Shape shape;
  std::vector<float> values;
};

// Matrices are (out,in), as stored. Rotary pairs are adjacent rows of q_proj and k_proj (Hugging Face's own files pair row i with
// row i + D/2): whoever runs the model rotates adjacent pairs or permutes those rows.
struct Llama2cModel {
  Index width = 0, hidden = 0, layers = 0, heads = 0, kv_heads = 0, vocabulary = 0, context = 0;
  bool tied = true;  // the output is the embedding; else there is lm_head.weight
  std::vector<NamedWeights> weights;

  const NamedWeights& at(std::string_view name) const {
    for (const NamedWeights& entry : weights)
      if (entry.name == name) return entry;
    fail(ErrorKind::config, "llama2.c model: no weights '", name, "'");
  }
};

namespace detail {

// Legacy: 7 int32 and the weights. v1: magic "ak42", version, 7 int32, a tied byte, zeros up to 256. v2: an int32 group size
// follows the tied byte, and matrices are int8 with one float scale a group.
enum class Llama2cLayout { legacy, v1, v2 };

class Llama2cReader {
 public:
  Llama2cReader(Bytes bytes, std::string name) : bytes_(bytes), name_(std::move(name)) {}

  Llama2cModel read() {
    read_header();
    check_sizes();
    Index needed = static_cast<Index>(at_);
    walk([&](const std::string&, const Shape& shape, bool matrix) { needed = added(needed, stored_bytes(shape, matrix)); });
    check(std::cmp_equal(needed, bytes_.size()), ErrorKind::format, name_, ": a model of these sizes takes ", needed,
          " bytes but the file holds ", bytes_.size());
    walk([&](const std::string& name, const Shape& shape, bool matrix) { take(name, shape, matrix); });
    return std::move(model_);
  }

 private:
  // Names, shapes and which are matrices, in the order of the file. What has no name is not read.
  void walk(auto&& visit) const {
    const Llama2cModel& m = model_;
    const Index kv_width = m.width / m.heads * m.kv_heads;
    const auto every_layer = [&](const char* part, Shape shape) {
      for (Index l = 0; l < m.layers; ++l)
        visit("model.layers." + std::to_string(l) + "." + part + ".weight", shape, shape.rank() == 2);
    };
    const auto norm = [&] { visit("model.norm.weight", Shape{m.width}, false); };
    const auto embedding = [&] { visit("model.embed_tokens.weight", Shape{m.vocabulary, m.width}, true); };
    const auto attention = [&] {
      every_layer("self_attn.q_proj", {m.width, m.width});
      every_layer("self_attn.k_proj", {kv_width, m.width});
      every_layer("self_attn.v_proj", {kv_width, m.width});
      every_layer("self_attn.o_proj", {m.width, m.width});
    };
    const auto feed_forward = [&] {
      every_layer("mlp.gate_proj", {m.hidden, m.width});
      every_layer("mlp.down_proj", {m.width, m.hidden});
      every_layer("mlp.up_proj", {m.hidden, m.width});
    };
    if (layout_ == Llama2cLayout::legacy) {
      embedding();
      every_layer("input_layernorm", {m.width});
      attention();
      every_layer("post_attention_layernorm", {m.width});
      feed_forward();
      norm();
      visit(std::string(), Shape{2, m.context, m.width / m.heads / 2}, false);  // cosines and sines of the rotation
    } else {
      every_layer("input_layernorm", {m.width});
      every_layer("post_attention_layernorm", {m.width});
      norm();
      embedding();
      attention();
      feed_forward();
    }
    if (!m.tied) visit("lm_head.weight", Shape{m.vocabulary, m.width}, true);
  }

  void read_header() {
    constexpr std::uint32_t magic = 0x616B3432;  // "ak42"
    check(bytes_.size() >= 28, ErrorKind::format, name_, ": not a llama2.c model: ", bytes_.size(),
          " bytes are fewer than its header");
    if (number<std::uint32_t>(0) == magic) {
      const auto version = number<std::int32_t>(4);
      check(version == 1 || version == 2, ErrorKind::format, name_, ": llama2.c version ", version, "; 1 and 2 are read");
      check(bytes_.size() >= 256, ErrorKind::format, name_, ": ends within its header of 256 bytes");
      layout_ = version == 1 ? Llama2cLayout::v1 : Llama2cLayout::v2;
      at_ = 8;
    }
    Llama2cModel& m = model_;
    for (Index* size : {&m.width, &m.hidden, &m.layers, &m.heads, &m.kv_heads, &m.vocabulary, &m.context})
      *size = next<std::int32_t>();
    if (layout_ == Llama2cLayout::legacy) {
      m.tied = m.vocabulary > 0;  // a negative vocabulary marks an output of its own
      m.vocabulary = std::abs(m.vocabulary);
      return;
    }
    const auto tied = next<std::uint8_t>();
    check(tied <= 1, ErrorKind::format, name_, ": the byte for a tied output is ", int{tied}, ", neither 0 nor 1");
    m.tied = tied == 1;
    if (layout_ == Llama2cLayout::v2) group_ = next<std::int32_t>();
    at_ = 256;
  }

  void check_sizes() const {
    const Llama2cModel& m = model_;
    constexpr Index most = Index{1} << 24;
    const auto in_range = [&](Index n, const char* what, Index limit) {
      check(n >= 1 && n <= limit, ErrorKind::format, name_, ": not a llama2.c model: ", what, " ", n, " is not within 1 to ",
            limit);
    };
    in_range(m.width, "width", most);
    in_range(m.hidden, "hidden width", most);
    in_range(m.layers, "number of layers", 4096);
    in_range(m.heads, "number of heads", 65536);
    in_range(m.kv_heads, "number of key heads", 65536);
    in_range(m.vocabulary, "vocabulary", most);
    in_range(m.context, "context", most);
    check(m.width % m.heads == 0 && m.width / m.heads % 2 == 0, ErrorKind::format, name_, ": width ", m.width, " in ", m.heads,
          " heads gives no even head size");
    check(m.heads % m.kv_heads == 0, ErrorKind::format, name_, ": ", m.heads, " heads do not share ", m.kv_heads,
          " key heads evenly");
    in_range(group_, "group size", most);
  }

  // Factors are at most 2^24 and few, so products fit; sums are checked.
  Index stored_bytes(const Shape& shape, bool matrix) const {
    const Index count = shape.size();
    if (!matrix || layout_ != Llama2cLayout::v2) return count * 4;
    check(count % group_ == 0, ErrorKind::format, name_, ": groups of ", group_, " do not divide a matrix of ", shape);
    return count + count / group_ * 4;  // a group may run over the end of a row
  }
  Index added(Index a, Index b) const {
    Index sum = 0;
    check(!__builtin_add_overflow(a, b, &sum), ErrorKind::format, name_, ": the sizes overflow");
    return sum;
  }

  void take(const std::string& name, const Shape& shape, bool matrix) {
    if (name.empty()) {
      take_bytes(static_cast<std::size_t>(stored_bytes(shape, matrix)));
      return;
    }
    NamedWeights entry{name, shape, std::vector<float>(static_cast<std::size_t>(shape.size()))};
    if (matrix && layout_ == Llama2cLayout::v2) {
      const Bytes quantised = take_bytes(entry.values.size());
      const auto group = static_cast<std::size_t>(group_);
      for (std::size_t first = 0; first < entry.values.size(); first += group) {
        const auto scale = next<float>();
        for (std::size_t i = first; i < first + group; ++i)
          entry.values[i] = scale * static_cast<float>(static_cast<std::int8_t>(quantised[i]));
      }
    } else {
      const Bytes stored = take_bytes(entry.values.size() * 4);
      std::memcpy(entry.values.data(), stored.data(), stored.size());
    }
    for (std::size_t i = 0; i < entry.values.size(); ++i)
      check(std::isfinite(entry.values[i]), ErrorKind::numeric, name_, ": tensor '", name, "': value ", i,
            " is not finite; the file is damaged or its training diverged");
    model_.weights.push_back(std::move(entry));
  }

  Bytes take_bytes(std::size_t count) {
    check(count <= bytes_.size() - at_, ErrorKind::format, name_, ": ends early");
    at_ += count;
    return bytes_.subspan(at_ - count, count);
  }
  template <class T>
  T next() {
    T value;
    std::memcpy(&value, take_bytes(sizeof(T)).data(), sizeof(T));
    return value;
  }
  template <class T>
  T number(std::size_t at) const {
    T value;
    std::memcpy(&value, bytes_.data() + at, sizeof(T));
    return value;
  }

  Bytes bytes_;
  std::string name_;
  std::size_t at_ = 0;
  Llama2cLayout layout_ = Llama2cLayout::legacy;
  Index group_ = 1;
  Llama2cModel model_;
};

}  // namespace detail

// throws Error format when the sizes make no sense or the length is not exactly theirs, numeric when a weight is not finite
inline Llama2cModel parse_llama2c(Bytes bytes, const std::string& name) { return detail::Llama2cReader(bytes, name).read(); }

// The same from a file.
inline Llama2cModel read_llama2c(const Path& path) { return parse_llama2c(MappedFile(path).bytes(), path.string()); }

}  // namespace cmoe
