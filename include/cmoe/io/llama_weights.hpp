// Stored tensors into a decoder of the Llama family: every shape is checked before the model is made.
#pragma once

#include <array>
#include <bit>
#include <functional>
#include <optional>

#include "cmoe/core/parallel.hpp"
#include "cmoe/io/llama2c.hpp"
#include "cmoe/io/llama_names.hpp"
#include "cmoe/io/utf8.hpp"
#include "cmoe/models/llama.hpp"

namespace cmoe {

// Named tensors, wherever they lie: a folder, a GGUF file, a llama2.c file. What it refers to must live while it is used.
template <class Real>
struct TensorSource {
  std::string name;                                                     // of the file, for messages
  std::function<std::optional<Shape>(const std::string& tensor)> shape;  // nothing: no such tensor
  // Rows first..last-1 of a tensor seen as a matrix (a vector is one row); called from several threads.
  std::function<void(const std::string& tensor, Index first, Index last, std::span<Real> out)> read;
  // The bytes of a matrix that should stay as it is; nothing for one that becomes numbers of the model. Empty: all do.
  std::function<std::optional<StoredMatrix>(const std::string& tensor)> stored = {};
};

// What becomes of the matrices of a file when a model is read: numbers of the model's scalar, which can be trained and multiply
// fastest, or, where the file's type is narrower than 32 bits, the file's own bytes, frozen and decoded where they are used.
enum class Weights { unpacked, stored };

// Turns a row of a query or key matrix whose rotary pairs are adjacent, (2p, 2p+1), into its place where they are halves,
// (p, p + D/2), head by head.
constexpr Index row_in_halves(Index row, Index head_size) {
  const Index within = row % head_size;
  return row - within + within / 2 + within % 2 * (head_size / 2);
}

// A (rows,cols) matrix turned, a band of rows at a time so that what is read stays in the cache.
template <class Real>
std::vector<Real> transposed(std::span<const Real> values, Index rows, Index cols) {
  std::vector<Real> out(values.size());
  constexpr Index band = 32;
  for (Index first = 0; first < rows; first += band)
    for (Index c = 0; c < cols; ++c)
      for (Index r = first; r < std::min(rows, first + band); ++r)
        out[static_cast<std::size_t>(c * rows + r)] = values[static_cast<std::size_t>(r * cols + c)];
  return out;
}

namespace detail {

template <class Real>
bool all_finite(std::span<const Real> values) {
  using Bits = std::conditional_t<sizeof(Real) == 4, std::uint32_t, std::uint64_t>;
  constexpr Bits exponent = std::bit_cast<Bits>(std::numeric_limits<Real>::infinity());
  Bits highest = 0;
  for (const Real x : values) highest = std::max(highest, std::bit_cast<Bits>(x) & exponent);
  return highest < exponent;
}

template <class Real>
void check_finite(const TensorSource<Real>& source, const std::string& tensor, Index first, std::span<const Real> values, Index cols) {
  check(all_finite<Real>(values), ErrorKind::numeric, source.name, ": tensor '", tensor, "' holds a number in rows ", first, " to ",
        first + std::ssize(values) / cols - 1, " that is not finite; the file is damaged or its training diverged");
}

// Fills a parameter from a stored tensor. Blocks of rows go through small buffers, and only what is turned through a whole one
// (`turned`, kept for the next tensor).
template <class B, class Real = typename B::Scalar>
void fill_stored(Param<B>& p, const TensorSource<Real>& source, const StoredName& stored, Index adjacent_head, std::vector<Real>& turned) {
  constexpr Index block_rows = 32;
  const Shape shape = stored.shape(p.shape());
  const Index rows = shape.rows(), cols = shape.cols();
  const auto place = [&](Index row) { return adjacent_head > 0 ? row_in_halves(row, adjacent_head) : row; };
  if (stored.transposed) turned.resize(std::max(turned.size(), static_cast<std::size_t>(shape.size())));
  parallel_for(rows, block_rows, [&](Index first, Index last) {
    const Index count = last - first;
    std::vector<Real> block(static_cast<std::size_t>(count * cols));
    source.read(stored.name, first, last, std::span(block));
    check_finite<Real>(source, stored.name, first, block, cols);
    if (stored.transposed) {
      std::array<Index, block_rows> places{};
      for (Index r = 0; r < count; ++r) places[static_cast<std::size_t>(r)] = place(first + r);
      for (Index c = 0; c < cols; ++c)
        for (Index r = 0; r < count; ++r)
          turned[static_cast<std::size_t>(c * rows + places[static_cast<std::size_t>(r)])] = block[static_cast<std::size_t>(r * cols + c)];
    } else {
      if (adjacent_head > 0) {  // a vector: its elements are what moves
        std::vector<Real> moved(block.size());
        for (Index c = 0; c < cols; ++c) moved[static_cast<std::size_t>(place(c))] = block[static_cast<std::size_t>(c)];
        block = std::move(moved);
      }
      B::upload(count * cols, block.data(), p.data() + first * cols);
    }
  });
  if (stored.transposed) p.assign(std::span(turned).first(static_cast<std::size_t>(shape.size())));
}

// Leaves a matrix as it lies in the file; only rows that have to move are copied. False if it is none that stays.
template <class B, class Real = typename B::Scalar>
bool keep_stored(Param<B>& p, const TensorSource<Real>& source, const StoredName& stored, Index adjacent_head) {
  if (!source.stored || p.shape().rank() != 2) return false;
  std::optional<StoredMatrix> matrix = source.stored(stored.name);
  if (!matrix) return false;
  parallel_for(matrix->rows(), 64, [&](Index first, Index last) {
    std::vector<Real> rows(static_cast<std::size_t>((last - first) * matrix->cols()));
    source.read(stored.name, first, last, std::span(rows));
    check_finite<Real>(source, stored.name, first, rows, matrix->cols());
  });
  if (adjacent_head > 0) matrix = matrix->reordered([&](Index row) { return row_in_halves(row, adjacent_head); });
  p.store({std::make_shared<const StoredMatrix>(std::move(*matrix)), stored.transposed});
  return true;
}

// Whether a parameter holds queries or keys, whose rows follow the rotary layout.
inline bool rotated(const std::string& ours) {
  return ours.find("mix.query.base") != std::string::npos || ours.find("mix.key.base") != std::string::npos;
}

}  // namespace detail

// Fills a plain decoder. Rows of queries and keys stored in adjacent pairs are brought into halves if `adjacent` says so.
// throws Error (format) for a tensor that is missing or of another shape, (numeric) for NaN and infinity
template <class B>
void load_llama(Llama::On<B>& model, const TensorSource<typename B::Scalar>& source, Naming naming = Naming::hugging_face,
                bool adjacent = false) {
  std::vector<typename B::Scalar> turned;
  for_each_param(model, [&](const std::string& ours, Param<B>& p) {
    const StoredName stored = llama_name(ours, naming);
    const Shape wanted = stored.shape(p.shape());
    const auto found = source.shape(stored.name);
    check(found.has_value(), ErrorKind::format, source.name, ": no tensor '", stored.name, "'");
    check(*found == wanted, ErrorKind::format, source.name, ": tensor '", stored.name, "' is ", *found, ", expected ", wanted);
    const Index adjacent_head = adjacent && detail::rotated(ours) ? model.config.head() : 0;
    if (!detail::keep_stored(p, source, stored, adjacent_head)) detail::fill_stored(p, source, stored, adjacent_head, turned);
  });
}

// The decoder of these sizes out of a source; nothing is allocated before every tensor was found with its shape. `tensors` are the
// names of all that the source holds and should be used. throws as load_llama, and (format) for a tensor that has no place
template <class B>
Llama::On<B> make_llama(const DecoderConfig& sizes, const TensorSource<typename B::Scalar>& source, const std::vector<std::string>& tensors,
                        Naming naming = Naming::hugging_face, bool adjacent = false) {
  std::vector<std::string> wanted;
  for_each_llama_param(sizes, [&](const std::string& ours, const Shape& shape) {
    const StoredName stored = llama_name(ours, naming);
    const auto found = source.shape(stored.name);
    check(found.has_value(), ErrorKind::format, source.name, ": no tensor '", stored.name, "'");
    check(*found == stored.shape(shape), ErrorKind::format, source.name, ": tensor '", stored.name, "' is ", *found, ", expected ", stored.shape(shape));
    wanted.push_back(stored.name);
  });
  std::sort(wanted.begin(), wanted.end());
  for (const std::string& name : tensors)
    check(std::binary_search(wanted.begin(), wanted.end(), name), ErrorKind::format, source.name, ": tensor '", printable(name),
          "' has no place in a decoder of these sizes");
  Llama::Config config;
  static_cast<DecoderConfig&>(config) = sizes;
  Llama::On<B> model(config, Rng(0), Pretrained::unfilled);
  load_llama<B>(model, source, naming, adjacent);
  return model;
}

// The decoder that a llama2.c checkpoint describes: rotary pairs are adjacent, ε is 1e-5, the base 10000.
inline DecoderConfig decoder_config(const Llama2cModel& file) {
  DecoderConfig c;
  c.vocabulary = file.vocabulary;
  c.width = file.width;
  c.layers = file.layers;
  c.heads = file.heads;
  c.kv_heads = file.kv_heads;
  c.hidden = file.hidden;
  c.context = file.context;
  c.rotary_layout = RotaryLayout::adjacent;
  c.tied = file.tied;
  return c;
}

template <class B>
Llama::On<B> make_llama(const Llama2cModel& file) {
  const auto find = [&](const std::string& name) {
    return std::find_if(file.weights.begin(), file.weights.end(), [&](const NamedWeights& w) { return w.name == name; });
  };
  TensorSource<typename B::Scalar> source;
  source.name = "llama2.c";
  source.shape = [&](const std::string& name) {
    const auto found = find(name);
    return found == file.weights.end() ? std::nullopt : std::optional<Shape>(found->shape);
  };
  source.read = [&](const std::string& name, Index first, Index last, auto out) {
    const NamedWeights& w = *find(name);
    std::copy_n(w.values.begin() + first * w.shape.cols(), (last - first) * w.shape.cols(), out.begin());
  };
  std::vector<std::string> names;
  for (const NamedWeights& w : file.weights) names.push_back(w.name);
  return make_llama<B>(decoder_config(file), source, names);
}

}  // namespace cmoe
