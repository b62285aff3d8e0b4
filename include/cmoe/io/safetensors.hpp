// Safetensors: named tensors in one file, read under the strict profile (what two readers could understand differently is
// refused).
#pragma once

#include <memory>
#include <numeric>

#include "cmoe/io/safetensors_header.hpp"
#include "cmoe/io/safetensors_writer.hpp"

namespace cmoe {

// A tensor as it lies in the file; the bytes live as long as the SafeTensors it came from, or a copy of that.
struct StoredTensor {
  std::string name;
  DType dtype = DType::f32;
  Shape shape;
  Bytes bytes;

  // All the numbers as T (float, double or an integer), from any numeric dtype; see convert for what is exact.
  template <class T>
  void read(std::span<T> out) const {
    check(std::cmp_equal(out.size(), shape.size()), "tensor '", name, "': holds ", shape.size(), " values, asked for ",
          out.size());
    convert<T>(dtype, bytes, out, name);
  }
  template <class T>
  std::vector<T> values() const {
    std::vector<T> out(static_cast<std::size_t>(shape.size()));
    read<T>(out);
    return out;
  }

  // throws Error numeric at the first NaN or infinity of a floating-point tensor
  void check_finite() const {
    if (dtype != DType::f64 && dtype != DType::f32 && dtype != DType::f16 && dtype != DType::bf16) return;
    detail::with_stored_type(dtype, [&](auto stored, auto decode) {
      for (std::size_t i = 0; i < bytes.size() / sizeof(stored); ++i) {
        std::memcpy(&stored, bytes.data() + i * sizeof(stored), sizeof(stored));
        check(std::isfinite(static_cast<double>(decode(stored))), ErrorKind::numeric, "tensor '", name, "': value ", i,
              " is not finite; the file is damaged or its training diverged");
      }
    });
  }
};

// The tensors of one file, in the order of their data. Copies share the file's bytes.
class SafeTensors {
 public:
  // Maps the file; only what is read is loaded.
  static SafeTensors open(const Path& path) {
    auto file = std::make_shared<const MappedFile>(path);
    const Bytes bytes = file->bytes();
    return SafeTensors(bytes, std::move(file), path.string());
  }
  static SafeTensors parse(std::string contents, const std::string& name) {
    auto owned = std::make_shared<const std::string>(std::move(contents));
    const Bytes bytes = as_bytes(*owned);
    return SafeTensors(bytes, std::move(owned), name);
  }
  static SafeTensors parse(Bytes bytes, std::shared_ptr<const void> owner, const std::string& name) {
    return SafeTensors(bytes, std::move(owner), name);
  }

  const std::vector<StoredTensor>& tensors() const { return tensors_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

  const StoredTensor* find(std::string_view name) const {
    const auto place = by_name_.find(name);
    return place == by_name_.end() ? nullptr : &tensors_[place->second];
  }
  // throws Error format naming the tensors whose names are nearest
  const StoredTensor& at(std::string_view name) const {
    const StoredTensor* found = find(name);
    check(found != nullptr, ErrorKind::format, file_, ": no tensor '", printable(name), "'", near_misses(name));
    return *found;
  }

  void check_finite() const {
    for (const StoredTensor& tensor : tensors_) tensor.check_finite();
  }

 private:
  SafeTensors(Bytes bytes, std::shared_ptr<const void> owner, std::string file)
      : file_(std::move(file)), owner_(std::move(owner)) {
    check(bytes.size() >= 8, ErrorKind::format, file_, ": not a safetensors file: it holds ", bytes.size(),
          " bytes, fewer than 8");
    std::uint64_t length = 0;
    std::memcpy(&length, bytes.data(), sizeof(length));
    const std::size_t rest = bytes.size() - 8;
    check(length >= 2 && length <= detail::SafeTensorsLimits::header_bytes, ErrorKind::format, file_,
          ": not a safetensors file: a header of ", length, " bytes (2 to 16 MiB are read)");
    check(length <= rest, ErrorKind::format, file_, ": the header should hold ", length, " bytes but the file ends after ", rest);
    const std::string header(as_text(bytes.subspan(8, static_cast<std::size_t>(length))));  // copied once, then never read again
    check(header.front() == '{', ErrorKind::format, file_, ": not a safetensors file: the header does not begin with '{'");
    place(detail::SafeTensorsHeader(header, file_), bytes.subspan(8 + static_cast<std::size_t>(length)));
  }

  // The tensors lie back to back, without a gap or an overlap, and fill the data to the last byte.
  void place(detail::SafeTensorsHeader header, Bytes data) {
    metadata_ = std::move(header.metadata);
    using Named = std::pair<const std::string, detail::SafeTensorsEntry>;
    std::vector<const Named*> order;
    for (const Named& named : header.entries) order.push_back(&named);
    std::stable_sort(order.begin(), order.end(), [](const Named* a, const Named* b) {
      return std::pair(a->second.begin, a->second.end) < std::pair(b->second.begin, b->second.end);
    });
    Index end = 0;
    tensors_.reserve(order.size());
    for (const Named* named : order) {
      const auto& [name, entry] = *named;
      check(std::cmp_less_equal(entry.end, data.size()), ErrorKind::format, file_, ": the header says tensor '", printable(name),
            "' ends at ", entry.end, " but the file holds ", data.size(), " data bytes");
      check(entry.begin == end && entry.begin <= entry.end, ErrorKind::format, file_, ": tensor '", printable(name), "' lies at ",
            entry.begin, " to ", entry.end, " where ", end, " is the next free byte");
      const Index wanted = stored_bytes(name, entry);
      check(entry.end - entry.begin == wanted, ErrorKind::format, file_, ": tensor '", printable(name), "' needs ", wanted,
            " bytes by its shape but has ", entry.end - entry.begin);
      StoredTensor tensor{name, entry.dtype, {}, data.subspan(static_cast<std::size_t>(end), static_cast<std::size_t>(wanted))};
      for (Index n : entry.sizes) tensor.shape.push_back(n);
      by_name_.emplace(name, tensors_.size());
      tensors_.push_back(std::move(tensor));
      end = entry.end;
    }
    check(std::cmp_equal(end, data.size()), ErrorKind::format, file_, ": the tensors end at ", end, " but the file holds ",
          data.size(), " data bytes");
  }

  // Also for an empty tensor the other sizes must multiply without overflow: whoever computes rows and columns later relies on
  // it.
  Index stored_bytes(const std::string& name, const detail::SafeTensorsEntry& entry) const {
    Index product = 1, bits = 0;
    bool empty = false, fits = true;
    for (Index n : entry.sizes) {
      empty = empty || n == 0;
      fits = fits && !__builtin_mul_overflow(product, n == 0 ? 1 : n, &product);
    }
    fits = fits && !__builtin_mul_overflow(product, Index{bits_of(entry.dtype)}, &bits);
    check(fits, ErrorKind::format, file_, ": the size of tensor '", printable(name), "' overflows");
    if (empty) return 0;
    check(bits % 8 == 0, ErrorKind::format, file_, ": tensor '", printable(name), "' does not fill whole bytes");
    return bits / 8;
  }

  std::string near_misses(std::string_view wanted) const {
    std::vector<std::pair<std::size_t, std::string_view>> nearest;
    for (const auto& [name, position] : by_name_)
      if (name.size() <= 200 && wanted.size() <= 200 && nearest.size() < 4096) nearest.emplace_back(edits(wanted, name), name);
    std::sort(nearest.begin(), nearest.end());
    std::string out = nearest.empty() ? "" : "; the nearest are";
    for (std::size_t i = 0; i < std::min<std::size_t>(3, nearest.size()); ++i)
      out += (i > 0 ? ", '" : " '") + printable(nearest[i].second) + "'";
    return out;
  }

  // Insertions, removals and replacements that make a out of b.
  static std::size_t edits(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 0; i < a.size(); ++i) {
      std::size_t diagonal = std::exchange(row[0], i + 1);
      for (std::size_t j = 0; j < b.size(); ++j) {
        const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
        diagonal = row[j + 1];
        row[j + 1] = std::min({replaced, diagonal + 1, row[j] + 1});
      }
    }
    return row.back();
  }

  std::string file_;
  std::shared_ptr<const void> owner_;
  std::vector<StoredTensor> tensors_;
  std::map<std::string, std::size_t, std::less<>> by_name_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace cmoe
