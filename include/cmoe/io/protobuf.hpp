// Protocol buffers: the fields of one message in turn, strictly.
#pragma once

#include <bit>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cmoe/core/error.hpp"

namespace cmoe {

// Only what files of today hold: no groups. The reader keeps views of the bytes.
class ProtobufMessage {
 public:
  ProtobufMessage(std::string_view bytes, std::string name) : rest_(bytes), name_(std::move(name)) {}

  struct Field {
    std::uint32_t number = 0, wire = 0;
    std::uint64_t value = 0;  // wire types 0, 1, 5
    std::string_view bytes;   // wire type 2
  };

  // The next field; nothing at the end.
  // throws Error format on a length beyond the message, a number of more than 64 bits, field number 0 or an unknown wire type
  std::optional<Field> next() {
    if (rest_.empty()) return std::nullopt;
    const std::uint64_t tag = varint();
    check(tag >> 3 >= 1 && tag >> 3 < std::uint64_t{1} << 29, ErrorKind::format, name_, ": protobuf field number ", tag >> 3);
    Field field;
    field.number = static_cast<std::uint32_t>(tag >> 3);
    field.wire = static_cast<std::uint32_t>(tag & 7);
    switch (field.wire) {
      case 0:
        field.value = varint();
        break;
      case 1:
        field.value = fixed(8);
        break;
      case 2: {
        const std::uint64_t length = varint();
        check(length <= rest_.size(), ErrorKind::format, name_, ": protobuf field ", field.number, " of ", length, " bytes, ",
              rest_.size(), " are left");
        field.bytes = take(static_cast<std::size_t>(length));
        break;
      }
      case 5:
        field.value = fixed(4);
        break;
      default:
        fail(ErrorKind::format, name_, ": protobuf field ", field.number, " has the wire type ", field.wire);
    }
    return field;
  }

  // The field as what it must be.
  std::string_view bytes(const Field& field) const { return expect(field, 2), field.bytes; }
  float real(const Field& field) const { return expect(field, 5), std::bit_cast<float>(static_cast<std::uint32_t>(field.value)); }
  bool flag(const Field& field) const { return expect(field, 0), field.value != 0; }
  std::int32_t whole(const Field& field) const {  // int32 and enum: a negative one is written as 64 bits
    expect(field, 0);
    const auto value = static_cast<std::int64_t>(field.value);
    check(value >= INT32_MIN && value <= INT32_MAX, ErrorKind::format, name_, ": protobuf field ", field.number,
          " is out of range");
    return static_cast<std::int32_t>(value);
  }

 private:
  void expect(const Field& field, std::uint32_t wire) const {
    check(field.wire == wire, ErrorKind::format, name_, ": protobuf field ", field.number, " has the wire type ", field.wire,
          ", not ", wire);
  }

  std::string_view take(std::size_t count) {
    check(count <= rest_.size(), ErrorKind::format, name_, ": the protobuf message ends within a field");
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }

  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1).front());
      check(shift < 63 || byte <= 1, ErrorKind::format, name_, ": a protobuf number of more than 64 bits");
      value |= std::uint64_t{byte & 0x7Fu} << shift;
      if (byte < 0x80) break;
    }
    return value;
  }

  std::uint64_t fixed(std::size_t count) {
    std::uint64_t value = 0;
    const std::string_view taken = take(count);
    for (std::size_t i = 0; i < count; ++i) value |= std::uint64_t{static_cast<unsigned char>(taken[i])} << (8 * i);
    return value;
  }

  std::string_view rest_;
  std::string name_;
};

}  // namespace cmoe
