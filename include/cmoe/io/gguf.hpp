// GGUF files, versions 2 and 3: typed metadata and named tensors in one file, mapped and strictly checked.
#pragma once

#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "cmoe/io/gguf_blocks.hpp"
#include "cmoe/io/safetensors_header.hpp"
#include "cmoe/io/utf8.hpp"

namespace cmoe {

// The types of metadata, with the numbers that stand in files.
enum class GgufType : std::uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, text, list, u64, i64, f64 };

// A value of the metadata as it lies in the file; lists hold values of one type, never lists.
struct GgufValue {
  GgufType type = GgufType::u8, element = GgufType::u8;  // element: of a list
  Index count = 1;                                       // of a list
  Bytes bytes;                                           // of a text or a list without the length in front
};

// A tensor as it lies in the file, sizes in our order: (out,in) for a matrix. Rows are whole blocks.
struct GgufTensor {
  std::string name;
  const BlockType* type = nullptr;
  Shape shape;
  Bytes bytes;

  // Rows first..last-1 of the tensor seen as a matrix.
  void read_rows(Index first, Index last, std::span<float> out) const {
    const Index cols = shape.cols(), row = cols / type->numbers * type->bytes;
    check(first >= 0 && first <= last && last <= shape.rows() && std::cmp_equal(out.size(), (last - first) * cols), "tensor '", name, "': ", out.size(),
          " values for rows ", first, " to ", last, " of ", shape);
    dequantise(*type, bytes.subspan(static_cast<std::size_t>(first * row), static_cast<std::size_t>((last - first) * row)), out);
  }
  std::vector<float> values() const {
    std::vector<float> out(static_cast<std::size_t>(shape.size()));
    read_rows(0, shape.rows(), out);
    return out;
  }
};

namespace detail {

constexpr Index gguf_size(GgufType type) {  // 0 for text and lists
  constexpr Index sizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
  return sizes[static_cast<std::size_t>(type)];
}

// Takes one thing after another from the front; what is not there is an Error.
struct GgufCursor {
  Bytes bytes;
  const std::string& file;
  std::size_t at = 0;

  Bytes take(std::uint64_t count, const char* what) {
    check(count <= bytes.size() - at, ErrorKind::format, file, ": ends at byte ", bytes.size(), " within ", what, " of ", count, " bytes at ", at);
    at += static_cast<std::size_t>(count);
    return bytes.subspan(at - static_cast<std::size_t>(count), static_cast<std::size_t>(count));
  }
  template <class T>
  T number(const char* what) {
    T value;
    std::memcpy(&value, take(sizeof(T), what).data(), sizeof(T));
    return value;
  }
  Bytes text(const char* what) {
    const auto length = number<std::uint64_t>(what);
    return take(length, what);
  }
  GgufType type(const char* what) {
    const auto id = number<std::uint32_t>(what);
    check(id <= static_cast<std::uint32_t>(GgufType::f64), ErrorKind::format, file, ": ", what, " has the unknown type ", id);
    return static_cast<GgufType>(id);
  }
};

// Calls use(T{}) with the C++ type of a number or a bool.
template <class Use>
auto with_gguf_type(GgufType type, Use&& use) {
  switch (type) {
    case GgufType::u8: case GgufType::boolean: return use(std::uint8_t{});
    case GgufType::i8: return use(std::int8_t{});
    case GgufType::u16: return use(std::uint16_t{});
    case GgufType::i16: return use(std::int16_t{});
    case GgufType::u32: return use(std::uint32_t{});
    case GgufType::i32: return use(std::int32_t{});
    case GgufType::u64: return use(std::uint64_t{});
    case GgufType::i64: return use(std::int64_t{});
    case GgufType::f32: return use(float{});
    default: return use(double{});
  }
}

}  // namespace detail

// One file. Copies share its bytes. Refused: other versions and big-endian files, keys or tensors that stand twice, lists of lists,
// an alignment that is no power of two from 8 to 65536, more than 65536 entries, types that are not read, tensors that do not lie
// one behind the other up to the end of the file. throws Error (file), (format)
class Gguf {
 public:
  static Gguf open(const Path& path) {
    auto file = std::make_shared<const MappedFile>(path);
    const Bytes bytes = file->bytes();
    return Gguf(bytes, std::move(file), path.string());
  }
  static Gguf parse(std::string contents, const std::string& name) {
    auto owned = std::make_shared<const std::string>(std::move(contents));
    const Bytes bytes = as_bytes(*owned);
    return Gguf(bytes, std::move(owned), name);
  }

  const std::string& name() const { return file_; }
  std::uint32_t version() const { return version_; }
  const std::shared_ptr<const void>& owner() const { return owner_; }  // keeps the bytes of the tensors
  const std::vector<GgufTensor>& tensors() const { return tensors_; }
  const std::map<std::string, GgufValue, std::less<>>& metadata() const { return metadata_; }

  const GgufTensor* find(std::string_view name) const {
    const auto place = by_name_.find(name);
    return place == by_name_.end() ? nullptr : &tensors_[place->second];
  }
  const GgufTensor& at(std::string_view name) const {
    const GgufTensor* found = find(name);
    check(found != nullptr, ErrorKind::format, file_, ": no tensor '", printable(name), "'");
    return *found;
  }

  // The value of a key, or nothing when it is absent. T: bool, std::string, an integer, float or double, or a std::vector of these;
  // any integer type that holds the value will do, and any floating-point type. throws Error (format) for another type
  template <class T>
  std::optional<T> optional(std::string_view key) const {
    const auto found = metadata_.find(key);
    if (found == metadata_.end()) return std::nullopt;
    const GgufValue& value = found->second;
    if constexpr (requires { typename T::value_type; } && !std::is_same_v<T, std::string>) {
      expect(value.type == GgufType::list, key, "a list");
      T list;
      std::size_t at = 0;
      for (Index i = 0; i < value.count; ++i) {
        const auto size = value.element == GgufType::text ? text_length(value.bytes, at) : static_cast<std::size_t>(detail::gguf_size(value.element));
        list.push_back(scalar<typename T::value_type>(value.element, value.bytes.subspan(at, size), key));
        at += size;
      }
      return list;
    } else {
      return scalar<T>(value.type, value.bytes, key);
    }
  }
  template <class T>
  T required(std::string_view key) const {
    auto value = optional<T>(key);
    check(value.has_value(), ErrorKind::format, file_, ": '", printable(key), "' is missing");
    return std::move(*value);
  }

 private:
  static constexpr std::uint64_t most_entries = 65536;

  Gguf(Bytes bytes, std::shared_ptr<const void> owner, std::string file) : file_(std::move(file)), owner_(std::move(owner)) {
    detail::GgufCursor in{bytes, file_};
    check(bytes.size() >= 24 && as_text(in.take(4, "its magic number")) == "GGUF", ErrorKind::format, file_, ": not a GGUF file");
    version_ = in.number<std::uint32_t>("its version");
    check(version_ == 2 || version_ == 3, ErrorKind::format, file_, ": GGUF version ", version_,
          version_ != 0 && version_ % 65536 == 0 ? " (big-endian)" : "", "; 2 and 3, little-endian, are read");
    const auto tensors = in.number<std::uint64_t>("its counts"), entries = in.number<std::uint64_t>("its counts");
    check(tensors <= most_entries && entries <= most_entries, ErrorKind::format, file_, ": ", tensors, " tensors and ", entries,
          " metadata entries; at most ", most_entries, " are read");
    for (std::uint64_t i = 0; i < entries; ++i) read_entry(in);
    const auto alignment = optional<std::uint64_t>("general.alignment").value_or(32);
    check(alignment >= 8 && alignment <= 65536 && std::has_single_bit(alignment), ErrorKind::format, file_, ": 'general.alignment' is ", alignment,
          ", no power of two from 8 to 65536");
    std::vector<std::uint64_t> offsets;
    for (std::uint64_t i = 0; i < tensors; ++i) offsets.push_back(read_tensor(in));
    place(bytes, in.at, alignment, offsets);
  }

  void read_entry(detail::GgufCursor& in) {
    const std::string key(as_text(in.text("a key")));
    check(!key.empty() && key.size() <= 65535 && find_invalid_utf8(key) == std::string_view::npos, ErrorKind::format, file_, ": the key '", printable(key),
          "' is no name");
    GgufValue value;
    value.type = in.type("a metadata entry");
    if (value.type == GgufType::text) {
      value.bytes = in.text("a text");
    } else if (value.type == GgufType::list) {
      value.element = in.type("a list");
      const auto count = in.number<std::uint64_t>("a list");
      check(value.element != GgufType::list, ErrorKind::format, file_, ": '", printable(key), "' is a list of lists");
      const auto size = static_cast<std::uint64_t>(std::max<Index>(detail::gguf_size(value.element), 1));
      check(count <= (in.bytes.size() - in.at) / size, ErrorKind::format, file_, ": '", printable(key), "' lists ", count, " values, more than the file holds");
      value.count = static_cast<Index>(count);
      const std::size_t begin = in.at;
      if (value.element == GgufType::text)
        for (std::uint64_t i = 0; i < count; ++i) in.text("a list of texts");
      else
        in.take(count * size, "a list");
      value.bytes = in.bytes.subspan(begin, in.at - begin);
      if (value.element == GgufType::boolean) check_booleans(key, value.bytes);
    } else {
      value.bytes = in.take(static_cast<std::uint64_t>(detail::gguf_size(value.type)), "a number");
      if (value.type == GgufType::boolean) check_booleans(key, value.bytes);
    }
    check(metadata_.try_emplace(key, value).second, ErrorKind::format, file_, ": the key '", printable(key), "' stands twice");
  }

  void check_booleans(const std::string& key, Bytes bytes) const {
    for (const std::byte b : bytes) check(std::to_integer<unsigned>(b) <= 1, ErrorKind::format, file_, ": '", printable(key), "' holds a bool that is neither 0 nor 1");
  }

  // Name, sizes (the innermost first), type and offset; returns the offset.
  std::uint64_t read_tensor(detail::GgufCursor& in) {
    GgufTensor tensor;
    tensor.name = as_text(in.text("a tensor's name"));
    const std::string shown = printable(tensor.name);
    const std::string_view fault = detail::fault_of_tensor_name(tensor.name);
    check(fault.empty(), ErrorKind::format, file_, ": the tensor name '", shown, "' ", fault);
    const auto rank = in.number<std::uint32_t>("a tensor's rank");
    check(rank >= 1 && rank <= 4, ErrorKind::format, file_, ": tensor '", shown, "' has ", rank, " sizes; 1 to 4 are read");
    std::array<Index, 4> sizes{};
    Index numbers = 1;
    for (std::uint32_t i = 0; i < rank; ++i) {
      const auto n = in.number<std::uint64_t>("a tensor's sizes");
      check(n > 0 && std::in_range<Index>(n) && !__builtin_mul_overflow(numbers, static_cast<Index>(n), &numbers), ErrorKind::format, file_, ": tensor '", shown,
            "' has the size ", n, ", which makes no sense");
      sizes[i] = static_cast<Index>(n);
    }
    for (std::uint32_t i = rank; i > 0; --i) tensor.shape.push_back(sizes[i - 1]);
    const auto id = in.number<std::uint32_t>("a tensor's type");
    tensor.type = block_type(id);
    check(tensor.type != nullptr, ErrorKind::format, file_, ": tensor '", shown, "' has type ", id,
          ", which is not read (F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1 and Q2_K to Q6_K are)");
    check(sizes[0] % tensor.type->numbers == 0, ErrorKind::format, file_, ": rows of tensor '", shown, "' hold ", sizes[0], " numbers, no multiple of the ",
          tensor.type->numbers, " of a ", tensor.type->name, " block");
    check(by_name_.emplace(tensor.name, tensors_.size()).second, ErrorKind::format, file_, ": tensor '", shown, "' stands twice");
    tensors_.push_back(std::move(tensor));
    return in.number<std::uint64_t>("a tensor's offset");
  }

  // The data begins at the next multiple of the alignment; every tensor at the first one behind its predecessor.
  void place(Bytes bytes, std::size_t header, std::uint64_t alignment, const std::vector<std::uint64_t>& offsets) {
    const auto padded = [&](std::uint64_t n) { return (n + alignment - 1) / alignment * alignment; };  // n is a position in the file
    const std::uint64_t begin = padded(header);
    if (tensors_.empty()) return check(bytes.size() <= begin, ErrorKind::format, file_, ": holds bytes behind its header but no tensors");
    check(begin <= bytes.size(), ErrorKind::format, file_, ": ends at byte ", bytes.size(), " before its tensors at ", begin);
    const Bytes data = bytes.subspan(static_cast<std::size_t>(begin));
    std::uint64_t end = 0;
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      GgufTensor& tensor = tensors_[i];
      const Index blocks = tensor.shape.size() / tensor.type->numbers;
      check(offsets[i] == padded(end), ErrorKind::format, file_, ": tensor '", tensor.name, "' lies at ", offsets[i], " where ", padded(end),
            " is the next place");
      check(offsets[i] <= data.size() && std::cmp_less_equal(blocks, (data.size() - offsets[i]) / static_cast<std::uint64_t>(tensor.type->bytes)),
            ErrorKind::format, file_, ": tensor '", tensor.name, "' ", tensor.shape, " ", tensor.type->name, " at ", offsets[i], " does not fit into the ",
            data.size(), " bytes of data");
      const auto size = static_cast<std::size_t>(blocks * tensor.type->bytes);
      tensor.bytes = data.subspan(static_cast<std::size_t>(offsets[i]), size);
      end = offsets[i] + size;
    }
    check(data.size() <= padded(end), ErrorKind::format, file_, ": the tensors end at ", end, " but the file holds ", data.size(), " bytes of data");
  }

  void expect(bool holds, std::string_view key, const char* what) const {
    check(holds, ErrorKind::format, file_, ": '", printable(key), "' must be ", what);
  }

  // Moves `at` from a text's length to its bytes.
  static std::size_t text_length(Bytes bytes, std::size_t& at) {
    std::uint64_t length;
    std::memcpy(&length, bytes.data() + at, sizeof(length));
    at += sizeof(length);
    return static_cast<std::size_t>(length);
  }

  template <class T>
  T scalar(GgufType type, Bytes bytes, std::string_view key) const {
    if constexpr (std::is_same_v<T, std::string>) {
      expect(type == GgufType::text, key, "a text");
      return std::string(as_text(bytes));
    } else {
      const bool real = type == GgufType::f32 || type == GgufType::f64;
      if constexpr (std::is_same_v<T, bool>) expect(type == GgufType::boolean, key, "true or false");
      else if constexpr (std::is_floating_point_v<T>) expect(real, key, "a number with a fraction");
      else expect(!real && type != GgufType::text && type != GgufType::list && type != GgufType::boolean, key, "a whole number");
      return detail::with_gguf_type(type, [&](auto stored) {
        std::memcpy(&stored, bytes.data(), sizeof(stored));
        if constexpr (std::is_integral_v<T> && std::is_integral_v<decltype(stored)> && !std::is_same_v<T, bool>)
          expect(std::in_range<T>(stored), key, "a whole number in range");
        return static_cast<T>(stored);
      });
    }
  }

  std::string file_;
  std::shared_ptr<const void> owner_;
  std::uint32_t version_ = 0;
  std::map<std::string, GgufValue, std::less<>> metadata_;
  std::vector<GgufTensor> tensors_;
  std::map<std::string, std::size_t, std::less<>> by_name_;
};

}  // namespace cmoe
