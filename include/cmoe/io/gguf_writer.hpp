// Writing GGUF files, version 3: metadata in the order of adding, tensors as F32, F16 or Q8_0.
#pragma once

#include <functional>
#include <set>

#include "cmoe/io/gguf.hpp"

namespace cmoe {

// The number types that are written; the numbers are GGUF's.
enum class GgufStorage : std::uint32_t { f32 = 0, f16 = 1, q8_0 = 8 };

namespace detail {

// Numbers of whole blocks as they lie in a file. Q8_0 as the reference quantises it: 32 numbers share the scale d = max|x| / 127, which
// is stored in half precision; q = x / d, the unrounded one, to the nearest whole number, halves away from zero.
inline std::string gguf_bytes(GgufStorage type, std::span<const float> values) {
  std::string out;
  const auto put = [&](const auto& x) { out.append(reinterpret_cast<const char*>(&x), sizeof(x)); };
  if (type == GgufStorage::f32) return std::string(reinterpret_cast<const char*>(values.data()), values.size_bytes());
  if (type == GgufStorage::f16) {
    for (const float x : values) put(to_half(x));
    return out;
  }
  for (std::size_t at = 0; at < values.size(); at += 32) {
    const std::span<const float> block = values.subspan(at, 32);
    float largest = 0;
    for (const float x : block) largest = std::max(largest, std::abs(x));
    const float scale = largest / 127, inverse = scale == 0 ? 0 : 1 / scale;
    put(to_half(scale));
    for (const float x : block) put(static_cast<std::int8_t>(std::round(x * inverse)));
  }
  return out;
}

}  // namespace detail

// One file. Tensors are asked for when they are written, one at a time.
class GgufWriter {
 public:
  // T: bool, std::uint32_t, float, std::string, or a std::vector of std::string, float, std::int32_t or std::uint8_t.
  // throws Error (config) for a key that stands twice
  template <class T>
  void set(const std::string& key, const T& value) {
    begin(key);
    if constexpr (std::is_same_v<T, std::vector<std::string>>) {
      number(GgufType::list), number(GgufType::text), number(static_cast<std::uint64_t>(value.size()));
      for (const std::string& each : value) text(entries_, each);
    } else if constexpr (requires { typename T::value_type; } && !std::is_same_v<T, std::string>) {
      number(GgufType::list), number(type_of<typename T::value_type>()), number(static_cast<std::uint64_t>(value.size()));
      entries_.append(reinterpret_cast<const char*>(value.data()), value.size() * sizeof(value[0]));
    } else if constexpr (std::is_same_v<T, std::string>) {
      number(GgufType::text);
      text(entries_, value);
    } else {
      number(type_of<T>()), number(value);
    }
  }
  // As it lies in another file.
  void set(const std::string& key, const GgufValue& value) {
    begin(key);
    number(value.type);
    if (value.type == GgufType::text) number(static_cast<std::uint64_t>(value.bytes.size()));
    if (value.type == GgufType::list) number(value.element), number(static_cast<std::uint64_t>(value.count));
    entries_ += as_text(value.bytes);
  }

  // `values` gives the tensor's numbers when the file is written.
  // throws Error (config) for a name that stands twice or that readers refuse, rows that are no whole blocks, more than 4 sizes
  void add(const std::string& name, GgufStorage type, const Shape& shape, std::function<std::vector<float>()> values) {
    const std::string_view fault = detail::fault_of_tensor_name(name);
    check(fault.empty(), ErrorKind::config, "gguf: the tensor name '", printable(name), "' ", fault);
    check(shape.rank() >= 1 && shape.rank() <= 4 && shape.size() > 0, ErrorKind::config, "gguf: tensor '", name, "' ", shape,
          ": 1 to 4 sizes are written");
    const BlockType& block = *block_type(static_cast<std::uint32_t>(type));
    check(shape[-1] % block.numbers == 0, ErrorKind::config, "gguf: rows of tensor '", name, "' hold ", shape[-1], " numbers, no multiple of the ",
          block.numbers, " of a ", std::string(block.name), " block");
    check(names_.insert(name).second, ErrorKind::config, "gguf: tensor '", name, "' was added twice");
    const Index bytes = checked_product(shape.size() / block.numbers, block.bytes);
    tensors_.push_back({name, type, shape, static_cast<std::uint64_t>(bytes), std::move(values)});
  }

  std::string bytes() const {
    std::string out;
    write([&](std::string_view part) { out += part; });
    return out;
  }
  void save(const Path& path) const {
    write_file_atomically(path, [&](FileWriter& file) { write([&](std::string_view part) { file.write(part); }); });
  }

 private:
  static constexpr std::uint64_t alignment = 32;  // the default of the format: no key says it

  struct Tensor {
    std::string name;
    GgufStorage type;
    Shape shape;
    std::uint64_t bytes;
    std::function<std::vector<float>()> values;
  };

  template <class T>
  static constexpr GgufType type_of() {
    if constexpr (std::is_same_v<T, bool>) return GgufType::boolean;
    else if constexpr (std::is_same_v<T, std::uint32_t>) return GgufType::u32;
    else if constexpr (std::is_same_v<T, std::int32_t>) return GgufType::i32;
    else if constexpr (std::is_same_v<T, std::uint8_t>) return GgufType::u8;
    else {
      static_assert(std::is_same_v<T, float>, "metadata are bools, whole numbers of 32 bits, floats and texts");
      return GgufType::f32;
    }
  }
  template <class T>
  static void number(std::string& out, T value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  template <class T>
  void number(T value) {
    number(entries_, value);
  }
  static void text(std::string& out, const std::string& value) {
    number(out, static_cast<std::uint64_t>(value.size()));
    out += value;
  }
  void begin(const std::string& key) {
    check(keys_.insert(key).second, ErrorKind::config, "gguf: the key '", printable(key), "' was set twice");
    text(entries_, key);
  }
  static std::uint64_t padded(std::uint64_t n) { return (n + alignment - 1) / alignment * alignment; }

  void write(const auto& put) const {
    std::string head = "GGUF";
    number(head, std::uint32_t{3});
    number(head, static_cast<std::uint64_t>(tensors_.size()));
    number(head, static_cast<std::uint64_t>(keys_.size()));
    head += entries_;
    std::uint64_t offset = 0;
    for (const Tensor& tensor : tensors_) {
      text(head, tensor.name);
      number(head, static_cast<std::uint32_t>(tensor.shape.rank()));
      for (int i = tensor.shape.rank(); i-- > 0;) number(head, static_cast<std::uint64_t>(tensor.shape[i]));  // the innermost first
      number(head, static_cast<std::uint32_t>(tensor.type));
      number(head, offset);
      offset = padded(offset + tensor.bytes);
    }
    if (!tensors_.empty()) head.resize(static_cast<std::size_t>(padded(head.size())));
    put(std::string_view(head));
    for (const Tensor& tensor : tensors_) {
      const std::vector<float> values = tensor.values();
      check(std::cmp_equal(values.size(), tensor.shape.size()), "gguf: tensor '", tensor.name, "' ", tensor.shape, " got ", values.size(),
            " numbers");
      const float most = tensor.type == GgufStorage::f32   ? std::numeric_limits<float>::max()
                         : tensor.type == GgufStorage::f16 ? 65504.0F
                                                           : 127 * 65504.0F;
      for (const float x : values)
        check(std::abs(x) <= most, ErrorKind::numeric, "gguf: tensor '", tensor.name, "' holds ", x, ", which is not finite as ",
              std::string(block_type(static_cast<std::uint32_t>(tensor.type))->name));
      std::string data = detail::gguf_bytes(tensor.type, values);
      data.resize(static_cast<std::size_t>(padded(data.size())));
      put(std::string_view(data));
    }
  }

  std::string entries_;
  std::set<std::string> keys_, names_;
  std::vector<Tensor> tensors_;
};

}  // namespace cmoe
