// The header of a safetensors file, checked word by word: nothing is stored that the strict profile refuses.
#pragma once

#include <algorithm>
#include <map>

#include "cmoe/io/dtype.hpp"
#include "cmoe/io/json.hpp"

namespace cmoe::detail {

struct SafeTensorsLimits {
  static constexpr std::uint64_t header_bytes = std::uint64_t{16} << 20;
  static constexpr std::size_t tensors = 65536;
  static constexpr std::size_t name_bytes = 1024;
};

struct SafeTensorsEntry {
  DType dtype = DType::f32;
  std::vector<Index> sizes;
  Index begin = 0, end = 0;
  int seen_dtype = 0, seen_shape = 0, seen_offsets = 0;
};

// Names come from files and end up in messages and paths. Empty when the name is good.
inline std::string_view fault_of_tensor_name(std::string_view name) {
  if (name.empty()) return "is empty";
  if (name.size() > SafeTensorsLimits::name_bytes) return "is longer than 1024 bytes";
  if (find_invalid_utf8(name) != std::string_view::npos) return "is not UTF-8";
  if (name.find("..") != std::string_view::npos) return "contains '..'";
  if (name.front() == '/' || name.front() == '\\') return "begins like an absolute path";
  for (char c : name)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) return "contains a control character";
  return {};
}

// A SAX handler: {"name": {"dtype": "F32", "shape": [2,3], "data_offsets": [0,24]}, "__metadata__": {"key": "text"}}.
class SafeTensorsHeader {
 public:
  SafeTensorsHeader(std::string_view text, std::string file) : file_(std::move(file)) { scan_json(text, file_, *this); }

  std::map<std::string, SafeTensorsEntry, std::less<>> entries;
  std::map<std::string, std::string> metadata;

  bool null() { return refuse("null"); }
  bool boolean(bool) { return refuse("true or false"); }
  bool number_integer(Json::number_integer_t) { return refuse("a negative number"); }
  bool number_float(Json::number_float_t, const std::string&) {
    return refuse("a number that is not a plain integer below 2^63");
  }
  bool binary(Json::binary_t&) { return refuse("binary data"); }

  bool number_unsigned(Json::number_unsigned_t value) {
    if (!in_list_) return refuse("a number");
    check(std::in_range<Index>(value), ErrorKind::format, where(), "the number ", value, " is above 2^63 - 1");
    const auto number = static_cast<Index>(value);
    if (field_ == "shape") {
      check(entry_->sizes.size() < Shape::max_rank, ErrorKind::format, where(), "has more than ", Shape::max_rank, " sizes");
      entry_->sizes.push_back(number);
    } else {
      check(offsets_ < 2, ErrorKind::format, where(), "data_offsets holds more than two numbers");
      (offsets_++ == 0 ? entry_->begin : entry_->end) = number;
    }
    return true;
  }

  bool string(std::string& value) {
    if (in_metadata_ && depth_ == 2) {
      metadata[field_] = value;
      return true;
    }
    if (depth_ != 2 || in_list_ || field_ != "dtype") return refuse("a text");
    const auto dtype = dtype_named(value);
    check(dtype.has_value(), ErrorKind::format, where(), "unknown dtype '", printable(value), "'");
    entry_->dtype = *dtype;
    return true;
  }

  bool start_object(std::size_t) {
    if (in_list_ || depth_ >= 2 || (depth_ == 2 && in_metadata_)) return refuse("an object");
    ++depth_;
    return true;
  }

  bool start_array(std::size_t) {
    if (depth_ != 2 || in_metadata_ || in_list_ || (field_ != "shape" && field_ != "data_offsets")) return refuse("a list");
    in_list_ = true;
    offsets_ = 0;
    return true;
  }

  bool end_array() {
    in_list_ = false;
    check(field_ == "shape" || offsets_ == 2, ErrorKind::format, where(), "data_offsets needs two numbers");
    return true;
  }

  bool end_object() {
    if (--depth_ == 1 && !in_metadata_)
      check(entry_->seen_dtype + entry_->seen_shape + entry_->seen_offsets == 3, ErrorKind::format, where(),
            "dtype, shape and data_offsets are all needed");
    in_metadata_ = false;
    return true;
  }

  bool key(std::string& text) {
    if (depth_ == 1) {
      start_entry(text);
    } else if (in_metadata_) {
      check(metadata.try_emplace(text).second, ErrorKind::format, where(), "the key '", printable(text), "' stands twice");
      field_ = text;
    } else {
      int* seen = text == "dtype"          ? &entry_->seen_dtype
                  : text == "shape"        ? &entry_->seen_shape
                  : text == "data_offsets" ? &entry_->seen_offsets
                                           : nullptr;
      check(seen != nullptr, ErrorKind::format, where(), "unknown field '", printable(text), "'");
      check(++*seen == 1, ErrorKind::format, where(), "the key '", text, "' stands twice");
      field_ = text;
    }
    return true;
  }

  template <class Exception>
  bool parse_error(std::size_t, const std::string&, const Exception& exception) {
    fail_json(file_, exception.what());
  }

 private:
  void start_entry(const std::string& name) {
    tensor_ = name;
    field_.clear();
    if (name == "__metadata__") {
      check(!std::exchange(seen_metadata_, true), ErrorKind::format, file_, ": the key '__metadata__' stands twice");
      in_metadata_ = true;
      return;
    }
    const std::string_view fault = fault_of_tensor_name(name);
    check(fault.empty(), ErrorKind::format, file_, ": the tensor name '", printable(name), "' ", fault);
    check(entries.size() < SafeTensorsLimits::tensors, ErrorKind::format, file_, ": more than ", SafeTensorsLimits::tensors,
          " tensors");
    const auto [place, added] = entries.try_emplace(name);
    check(added, ErrorKind::format, file_, ": the tensor '", printable(name), "' stands twice");
    entry_ = &place->second;
  }

  std::string where() const { return file_ + ": tensor '" + printable(tensor_) + "': "; }

  bool refuse(const char* what) const {
    if (depth_ == 0) fail(ErrorKind::format, file_, ": the header must be a JSON object");
    fail(ErrorKind::format, where(), in_metadata_ ? "metadata must be texts" : "the header has", in_metadata_ ? ", found " : " ",
         what, in_metadata_ ? "" : " where it does not belong");
  }

  std::string file_, tensor_, field_;
  SafeTensorsEntry* entry_ = nullptr;
  int depth_ = 0, offsets_ = 0;
  bool in_list_ = false, in_metadata_ = false, seen_metadata_ = false;
};

}  // namespace cmoe::detail
