// Number types as files store them, and the way from and to the types we compute with.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <optional>
#include <span>
#include <utility>
#include <xtl/xhalf_float.hpp>

#include "cmoe/core/shape.hpp"

namespace cmoe {

// In the order in which safetensors files hold them: wide ones first, so that each begins at a multiple of its size.
enum class DType {
  u64,
  i64,
  f64,
  c64,
  f32,
  u32,
  i32,
  bf16,
  f16,
  u16,
  i16,
  f8_e8m0,
  f8_e4m3,
  f8_e5m2,
  i8,
  u8,
  boolean,
  f6_e3m2,
  f6_e2m3,
  f4
};

// A number type, its name and its size.
struct DTypeInfo {
  DType dtype;
  std::string_view name;  // as safetensors spells it
  int bits;
};

// All of them, in the order of DType.
inline constexpr std::array<DTypeInfo, 20> dtypes{{
    {DType::u64, "U64", 64},        {DType::i64, "I64", 64},        {DType::f64, "F64", 64},
    {DType::c64, "C64", 64},        {DType::f32, "F32", 32},        {DType::u32, "U32", 32},
    {DType::i32, "I32", 32},        {DType::bf16, "BF16", 16},      {DType::f16, "F16", 16},
    {DType::u16, "U16", 16},        {DType::i16, "I16", 16},        {DType::f8_e8m0, "F8_E8M0", 8},
    {DType::f8_e4m3, "F8_E4M3", 8}, {DType::f8_e5m2, "F8_E5M2", 8}, {DType::i8, "I8", 8},
    {DType::u8, "U8", 8},           {DType::boolean, "BOOL", 8},    {DType::f6_e3m2, "F6_E3M2", 6},
    {DType::f6_e2m3, "F6_E2M3", 6}, {DType::f4, "F4", 4},
}};

// Of one number type; by its name there is none if nobody knows it.
constexpr int bits_of(DType dtype) { return dtypes[static_cast<std::size_t>(dtype)].bits; }
constexpr std::string_view name_of(DType dtype) { return dtypes[static_cast<std::size_t>(dtype)].name; }

// The number type of that name, if there is one.
inline std::optional<DType> dtype_named(std::string_view name) {
  for (const DTypeInfo& info : dtypes)
    if (info.name == name) return info.dtype;
  return std::nullopt;
}

// The dtype that stores a C++ type as it is.
template <class T>
constexpr DType dtype_of() {
  if constexpr (std::is_same_v<T, double>)
    return DType::f64;
  else if constexpr (std::is_same_v<T, float>)
    return DType::f32;
  else if constexpr (std::is_same_v<T, bool>)
    return DType::boolean;
  else if constexpr (std::is_same_v<T, std::uint8_t>)
    return DType::u8;
  else if constexpr (std::is_same_v<T, std::int8_t>)
    return DType::i8;
  else if constexpr (std::is_same_v<T, std::int16_t>)
    return DType::i16;
  else if constexpr (std::is_same_v<T, std::int32_t>)
    return DType::i32;
  else if constexpr (std::is_same_v<T, std::int64_t>)
    return DType::i64;
  else
    static_assert(!sizeof(T), "no safetensors dtype holds this C++ type as it is");
}

// bfloat16 is the upper half of a float; rounding is to nearest, ties to even, and a NaN stays one.
inline float from_bfloat16(std::uint16_t bits) { return std::bit_cast<float>(std::uint32_t{bits} << 16); }
inline std::uint16_t to_bfloat16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if (std::isnan(value)) return static_cast<std::uint16_t>((bits >> 16) | 0x40u);
  return static_cast<std::uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}

// IEEE half precision, rounded to the nearest on the way there.
inline float from_half(std::uint16_t bits) { return half_float::half_cast<float>(std::bit_cast<xtl::half_float>(bits)); }
inline std::uint16_t to_half(float value) {
  return std::bit_cast<std::uint16_t>(half_float::half_cast<xtl::half_float, std::round_to_nearest>(value));
}

namespace detail {

// Nothing when `value` has no equal in To; from one floating-point type to a narrower one it is rounded to the nearest.
template <class To, class From>
std::optional<To> exactly(From value) {
  if constexpr (std::is_same_v<To, From>) {
    return value;
  } else if constexpr (std::is_floating_point_v<To> && std::is_floating_point_v<From>) {
    const To converted = static_cast<To>(value);
    return std::isinf(converted) && !std::isinf(value) ? std::nullopt : std::optional<To>(converted);
  } else if constexpr (std::is_floating_point_v<To>) {
    const To converted = static_cast<To>(value);
    return exactly<From>(converted) == value ? std::optional<To>(converted) : std::nullopt;
  } else if constexpr (std::is_floating_point_v<From>) {
    constexpr From limit = static_cast<From>(std::uint64_t{1} << (std::numeric_limits<To>::digits - 1)) * 2;
    if (!(value >= (std::is_signed_v<To> ? -limit : From{0}) && value < limit) || value != std::floor(value)) return std::nullopt;
    return static_cast<To>(value);
  } else {
    return std::in_range<To>(value) ? std::optional<To>(static_cast<To>(value)) : std::nullopt;
  }
}

// Calls use(Stored{}, decode) with the type that lies in the bytes and the function to a number.
// False, and no call, for complex numbers and for floats below 16 bits: those are read as bytes only.
template <class Use>
bool with_stored_type(DType dtype, Use&& use) {
  const auto same = [](auto stored) { return stored; };
  switch (dtype) {
    case DType::f64:
      return use(double{}, same), true;
    case DType::f32:
      return use(float{}, same), true;
    case DType::f16:
      return use(std::uint16_t{}, from_half), true;
    case DType::bf16:
      return use(std::uint16_t{}, from_bfloat16), true;
    case DType::i64:
      return use(std::int64_t{}, same), true;
    case DType::i32:
      return use(std::int32_t{}, same), true;
    case DType::i16:
      return use(std::int16_t{}, same), true;
    case DType::i8:
      return use(std::int8_t{}, same), true;
    case DType::u64:
      return use(std::uint64_t{}, same), true;
    case DType::u32:
      return use(std::uint32_t{}, same), true;
    case DType::u16:
      return use(std::uint16_t{}, same), true;
    case DType::u8:
      return use(std::uint8_t{}, same), true;
    case DType::boolean:
      use(std::uint8_t{}, [](std::uint8_t stored) { return static_cast<std::uint8_t>(stored != 0); });
      return true;
    default:
      return false;
  }
}

}  // namespace detail

// Converts little-endian stored numbers, at any alignment, to out[0..]. The caller has checked that the sizes fit.
// throws Error numeric when a value has no equal in T (300 as int8, 0.5 as an integer, 2^53 + 1 as double); between
// floating-point types values are rounded. `name` is the tensor's, for the message.
template <class T>
void convert(DType dtype, std::span<const std::byte> bytes, std::span<T> out, std::string_view name) {
  static_assert(std::endian::native == std::endian::little, "stored numbers are little-endian");
  const bool known = detail::with_stored_type(dtype, [&](auto stored, auto decode) {
    if constexpr (std::is_same_v<decltype(stored), T> && std::is_floating_point_v<T>) {
      if (!out.empty()) std::memcpy(out.data(), bytes.data(), bytes.size());
    } else {
      for (std::size_t i = 0; i < out.size(); ++i) {
        std::memcpy(&stored, bytes.data() + i * sizeof(stored), sizeof(stored));
        const auto value = detail::exactly<T>(decode(stored));
        check(value.has_value(), ErrorKind::numeric, "tensor '", name, "': value ", i, " does not fit the type it is read as");
        out[i] = *value;
      }
    }
  });
  check(known, ErrorKind::config, "tensor '", name, "': ", name_of(dtype), " cannot be read as numbers");
}

}  // namespace cmoe
