// Stored tensors into a plain decoder: every shape is checked before the model is made.
#pragma once

#include <array>
#include <bit>
#include <functional>
#include <map>
#include <optional>

#include "cmoe/core/parallel.hpp"
#include "cmoe/io/llama2c.hpp"
#include "cmoe/io/decoder_names.hpp"
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

// Rows of what leaves a query or key map, brought from adjacent rotary pairs into halves or back, head by head.
enum class RowOrder { to_halves, to_pairs };
template <class Real>
std::vector<Real> in_rotary_order(std::span<const Real> values, Index rows, Index head_size, RowOrder order) {
  std::vector<Real> moved(values.size());
  const Index cols = std::ssize(values) / rows;
  for (Index pair = 0; pair < rows; ++pair) {
    const Index half = row_in_halves(pair, head_size), from = order == RowOrder::to_halves ? pair : half;
    std::copy_n(values.begin() + from * cols, cols, moved.begin() + (pair + half - from) * cols);
  }
  return moved;
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
  const Shape shape = stored.transposed ? Shape{p.shape()[1], p.shape()[0]} : p.shape();  // of our part
  const Index rows = shape.rows(), cols = shape.cols(), whole = stored.transposed ? cols : stored.parts * cols;
  const Index first_row = stored.transposed ? stored.part * rows : 0, first_col = stored.transposed ? 0 : stored.part * cols;
  const auto place = [&](Index row) { return adjacent_head > 0 ? row_in_halves(row, adjacent_head) : row; };
  if (stored.transposed) turned.resize(std::max(turned.size(), static_cast<std::size_t>(shape.size())));
  parallel_for(rows, block_rows, [&](Index first, Index last) {
    const Index count = last - first;
    std::vector<Real> block(static_cast<std::size_t>(count * whole));
    source.read(stored.name, first_row + first, first_row + last, std::span(block));
    check_finite<Real>(source, stored.name, first_row + first, block, whole);
    if (whole != cols) {
      for (Index r = 0; r < count; ++r) std::copy_n(block.begin() + r * whole + first_col, cols, block.begin() + r * cols);
      block.resize(static_cast<std::size_t>(count * cols));
    }
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

// What a model wants of a source, checked before the model is made. Both throw Error (format).
template <class Real>
class WantedTensors {
 public:
  explicit WantedTensors(const TensorSource<Real>& source) : source_(source) {}

  // The tensor is there and has the shape.
  void expect(const std::string& tensor, const Shape& shape) {
    const auto found = source_.shape(tensor);
    check(found.has_value(), ErrorKind::format, source_.name, ": no tensor '", tensor, "'");
    check(*found == shape, ErrorKind::format, source_.name, ": tensor '", tensor, "' is ", *found, ", expected ", shape);
    names_.push_back(tensor);  // one of several parts stands there several times
  }
  // All of `tensors` were expected.
  void nothing_else(const std::vector<std::string>& tensors) {
    std::sort(names_.begin(), names_.end());
    for (const std::string& name : tensors)
      check(std::binary_search(names_.begin(), names_.end(), name), ErrorKind::format, source_.name, ": tensor '", printable(name),
            "' has no place in a model of these sizes");
  }

 private:
  const TensorSource<Real>& source_;
  std::vector<std::string> names_;
};

}  // namespace detail

// Puts the values of a parameter, or gradients by them, where the file's tensor has them: the other way of reading. `whole` is the
// file's tensor, made by its first part.
template <class Real>
void put_stored(const StoredName& stored, const Shape& ours, std::span<const Real> values, std::vector<Real>& whole) {
  const Index rows = ours.rows(), cols = ours.cols();
  whole.resize(static_cast<std::size_t>(stored.parts * rows * cols));
  if (stored.transposed) {
    const std::vector<Real> turned = transposed<Real>(values, rows, cols);
    std::copy(turned.begin(), turned.end(), whole.begin() + stored.part * rows * cols);
  } else {
    for (Index r = 0; r < rows; ++r) std::copy_n(values.begin() + r * cols, cols, whole.begin() + (r * stored.parts + stored.part) * cols);
  }
}

// f(name, shape, values) for every tensor of a file that holds the decoder, in F32. Queries and keys that rotate adjacent pairs are
// put in halves if the caller says so.
template <class B, class F>
void for_each_stored(const Llama::On<B>& model, Naming naming, bool to_halves, F&& f) {
  std::map<std::string, std::vector<float>> unfinished;  // tensors of several parts, which come in order
  const bool moves = to_halves && model.config.positions == Positions::rotary && model.config.rotary_layout == RotaryLayout::adjacent;
  for_each_param(model, [&](const std::string& ours, const Param<B>& p) {
    const StoredName stored = decoder_name(model.config, ours, naming);
    const auto values = p.values();
    const std::vector<float> single(values.begin(), values.end());
    std::vector<float>& all = unfinished[stored.name];
    put_stored<float>(stored, p.shape(), single, all);
    if (stored.part + 1 < stored.parts) return;
    if (moves && detail::rotated(ours)) all = in_rotary_order<float>(all, p.shape()[-1], model.config.head(), RowOrder::to_halves);
    f(stored.name, stored.shape(p.shape()), std::span<const float>(all));
    unfinished.erase(stored.name);
  });
}

// Fills a plain decoder. Rows of queries and keys stored in adjacent pairs are brought into halves if `adjacent` says so.
// throws Error (format) for a tensor that is missing or of another shape, (numeric) for NaN and infinity
template <class B>
void load_llama(Llama::On<B>& model, const TensorSource<typename B::Scalar>& source, Naming naming = Naming::hugging_face,
                bool adjacent = false) {
  std::vector<typename B::Scalar> turned;
  for_each_param(model, [&](const std::string& ours, Param<B>& p) {
    const StoredName stored = decoder_name(model.config, ours, naming);
    const Shape wanted = stored.shape(p.shape());
    const auto found = source.shape(stored.name);
    check(found.has_value(), ErrorKind::format, source.name, ": no tensor '", stored.name, "'");
    check(*found == wanted, ErrorKind::format, source.name, ": tensor '", stored.name, "' is ", *found, ", expected ", wanted);
    const Index adjacent_head = adjacent && detail::rotated(ours) ? model.config.head() : 0;
    const bool whole = stored.parts == 1 && (stored.transposed || ours == "embedding.weight");  // as products and look-ups read it
    if (!whole || !detail::keep_stored(p, source, stored, adjacent_head)) detail::fill_stored(p, source, stored, adjacent_head, turned);
  });
}

// The decoder of these sizes out of a source; nothing is allocated before every tensor was found with its shape. `tensors` are the
// names of all that the source holds and should be used. throws as load_llama, and (format) for a tensor that has no place
template <class B>
Llama::On<B> make_llama(const DecoderConfig& sizes, const TensorSource<typename B::Scalar>& source, const std::vector<std::string>& tensors,
                        Naming naming = Naming::hugging_face, bool adjacent = false) {
  detail::WantedTensors wanted(source);
  for_each_decoder_param(sizes, [&](const std::string& ours, const Shape& shape) {
    const StoredName stored = decoder_name(sizes, ours, naming);
    wanted.expect(stored.name, stored.shape(shape));
  });
  wanted.nothing_else(tensors);
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

// The decoder of a llama2.c file.
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
