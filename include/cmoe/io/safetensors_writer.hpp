// Writing safetensors: the same tensors give the same bytes, in whatever order they were added.
#pragma once

#include "cmoe/io/json_text.hpp"
#include "cmoe/io/safetensors_header.hpp"

namespace cmoe {

// Collects arrays and writes them as one file.
class SafeTensorsWriter {
 public:
  std::map<std::string, std::string> metadata;

  // The bytes are copied. throws Error on a name that stands twice or that the reader would refuse, and on sizes that do not fit.
  void add(const std::string& name, DType dtype, const Shape& shape, Bytes bytes) {
    const std::string_view fault = detail::fault_of_tensor_name(name);
    check(fault.empty() && name != "__metadata__", ErrorKind::config, "safetensors: the tensor name '", printable(name), "' ",
          fault.empty() ? "is reserved" : fault);
    check(tensors_.size() < detail::SafeTensorsLimits::tensors, ErrorKind::config, "safetensors: more than ",
          detail::SafeTensorsLimits::tensors, " tensors");
    const Index bits = checked_product(shape.size(), bits_of(dtype));
    check(bits % 8 == 0 && std::cmp_equal(bits / 8, bytes.size()), "safetensors: tensor '", name, "' of shape ", shape,
          " and dtype ", name_of(dtype), " needs ", bits / 8, " bytes, given ", bytes.size());
    const bool added = tensors_.try_emplace(name, Entry{dtype, shape, std::string(as_text(bytes))}).second;
    check(added, ErrorKind::config, "safetensors: tensor '", name, "' was added twice");
  }

  // Numbers as they are: F32, F64, I64, ...
  template <class Number>
  void add(const std::string& name, const Shape& shape, std::span<const Number> values) {
    add(name, dtype_of<Number>(), shape, std::as_bytes(values));
  }

  // Numbers rounded to F16 or BF16.
  void add_rounded(const std::string& name, DType dtype, const Shape& shape, std::span<const float> values) {
    check(dtype == DType::f16 || dtype == DType::bf16, ErrorKind::config, "safetensors: tensor '", name, "': rounding to ",
          name_of(dtype), "; F16 and BF16 are possible");
    std::vector<std::uint16_t> rounded;
    for (float value : values) rounded.push_back(dtype == DType::f16 ? to_half(value) : to_bfloat16(value));
    add(name, dtype, shape, std::as_bytes(std::span(rounded)));
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
  struct Entry {
    DType dtype;
    Shape shape;
    std::string bytes;
  };
  using Tensors = std::map<std::string, Entry>;

  // By dtype, then by name, as the reference writer orders them.
  void write(const auto& put) const {
    std::vector<Tensors::const_iterator> order;
    for (auto place = tensors_.begin(); place != tensors_.end(); ++place) order.push_back(place);
    std::stable_sort(order.begin(), order.end(), [](auto a, auto b) { return a->second.dtype < b->second.dtype; });
    std::string text = "{";
    for (const auto& [key, value] : metadata) {
      check_utf8(key, "safetensors metadata");
      check_utf8(value, "safetensors metadata '" + printable(key) + "'");
      text += (text.size() > 1 ? "," : "\"__metadata__\":{") + json::string(key) + ":" + json::string(value);
    }
    if (!metadata.empty()) text += "}";
    std::size_t offset = 0;
    for (const auto& place : order) {
      const auto& [name, entry] = *place;
      std::string sizes;
      for (Index n : entry.shape) sizes += (sizes.empty() ? "" : ",") + std::to_string(n);
      text += (text.size() > 1 ? "," : "") + json::string(name) + ":{\"dtype\":\"" + std::string(name_of(entry.dtype)) +
              "\",\"shape\":[" + sizes + "],\"data_offsets\":[" + std::to_string(offset) + "," +
              std::to_string(offset + entry.bytes.size()) + "]}";
      offset += entry.bytes.size();
    }
    text += "}";
    text.resize((text.size() + 7) / 8 * 8, ' ');  // the data begins at a multiple of 8
    check(text.size() <= detail::SafeTensorsLimits::header_bytes, ErrorKind::config, "safetensors: a header of ", text.size(),
          " bytes is more than readers accept");
    const std::uint64_t length = text.size();
    put(as_text(std::as_bytes(std::span(&length, 1))));
    put(std::string_view(text));
    for (const auto& place : order) put(std::string_view(place->second.bytes));
  }

  Tensors tensors_;
};

}  // namespace cmoe
