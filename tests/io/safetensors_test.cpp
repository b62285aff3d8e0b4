#include "cmoe/io/safetensors.hpp"

#include <doctest/doctest.h>

#include <limits>

#include "io/samples.hpp"

namespace cmoe::safetensors_test {

using samples::container;
using samples::refusal;

namespace {

std::string entry(const std::string& name, const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}";
}
std::string one(const std::string& shape, const std::string& offsets, const std::string& dtype = "F32") {
  return "{" + entry("x", dtype, shape, offsets) + "}";
}
std::string repeated(const std::string& text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

// Every such file must be refused as a bad format, in one line that begins with its name.
void check_refused(const std::string& what, const std::string& bytes) {
  CAPTURE(what);
  const auto refused = refusal([&] { SafeTensors::parse(bytes, "bad.safetensors"); });
  CHECK(refused.thrown);
  CHECK(refused.kind == ErrorKind::format);
  CHECK(refused.text.starts_with("bad.safetensors: "));
  CHECK(refused.text.size() < 500);
  CHECK(refused.text.find('\n') == std::string::npos);
}

std::string with_length(std::uint64_t length, const std::string& rest) {
  std::string out;
  samples::put(out, length);
  return out + rest;
}

}  // namespace

TEST_CASE("what is written is read back, and the same tensors give the same bytes in any order") {
  const SafeTensors file = SafeTensors::parse(samples::safetensors(), "a");
  CHECK(file.metadata().at("made by") == "tests");
  CHECK(file.tensors().size() == 4);
  CHECK(file.at("layer.0.weight").shape == Shape{2, 3});
  CHECK(file.at("layer.0.weight").values<double>() == std::vector<double>{1, -2, 3.5, 0, 5, 6});
  CHECK(file.at("half").values<float>() == std::vector<float>{1, -2, 3.5f, 0, 5, 6});
  CHECK(file.at("ids").values<Id>() == std::vector<Id>{7, -8});
  CHECK(file.at("empty").values<float>().empty());
  CHECK(file.find("absent") == nullptr);
  SafeTensorsWriter again;
  for (auto tensor = file.tensors().rbegin(); tensor != file.tensors().rend(); ++tensor)
    again.add(tensor->name, tensor->dtype, tensor->shape, tensor->bytes);
  again.metadata = file.metadata();
  CHECK(again.bytes() == samples::safetensors());
  samples::Folder folder;
  again.save(folder.path() / "a.safetensors");
  CHECK(SafeTensors::open(folder.path() / "a.safetensors").at("ids").values<Index>() == std::vector<Index>{7, -8});
}

TEST_CASE("a missing tensor is told with its nearest names") {
  const SafeTensors file = SafeTensors::parse(samples::safetensors(), "a.safetensors");
  CHECK(refusal([&] {
          file.at("layer.0.weigth");
        }).text.starts_with("a.safetensors: no tensor 'layer.0.weigth'; the nearest are 'layer.0.weight'"));
}

TEST_CASE("numbers without an equal in the type they are read as are refused, not bent") {
  SafeTensorsWriter writer;
  const std::vector<double> numbers = {0.5, 1e300};
  const std::vector<std::int64_t> large = {(std::int64_t{1} << 53) + 1, std::int64_t{1} << 40};
  writer.add<double>("numbers", {2}, numbers);
  writer.add<std::int64_t>("large", {2}, large);
  const SafeTensors file = SafeTensors::parse(writer.bytes(), "a");
  CHECK(refusal([&] { file.at("numbers").values<float>(); }).kind == ErrorKind::numeric);
  CHECK(refusal([&] { file.at("numbers").values<Index>(); }).kind == ErrorKind::numeric);
  CHECK(refusal([&] { file.at("large").values<double>(); }).kind == ErrorKind::numeric);
  CHECK(refusal([&] { file.at("large").values<Id>(); }).kind == ErrorKind::numeric);
  CHECK(file.at("large").values<Index>() == large);
  CHECK(detail::exactly<float>(std::int64_t{1} << 40) == 1099511627776.0f);
  CHECK(!detail::exactly<float>((1 << 24) + 1));
  CHECK(!detail::exactly<double>(std::numeric_limits<std::uint64_t>::max()));
  CHECK(!detail::exactly<Index>(9223372036854775808.0));
  CHECK(detail::exactly<Index>(-9223372036854775808.0) == std::numeric_limits<Index>::min());
  CHECK(!detail::exactly<Id>(std::numeric_limits<float>::quiet_NaN()));
  std::vector<float> wrong(3);
  CHECK(refusal([&] { file.at("numbers").read<float>(wrong); }).kind == ErrorKind::shape);
}

TEST_CASE("bfloat16 rounds to nearest, ties to even, and keeps infinities and NaN") {
  CHECK(to_bfloat16(1.0f) == 0x3F80);
  CHECK(to_bfloat16(1.00390625f) == 0x3F80);                        // halfway, down to even
  CHECK(to_bfloat16(1.01171875f) == 0x3F82);                        // halfway, up to even
  CHECK(to_bfloat16(std::numeric_limits<float>::max()) == 0x7F80);  // rounds to infinity
  CHECK(to_bfloat16(-std::numeric_limits<float>::infinity()) == 0xFF80);
  CHECK(std::isnan(from_bfloat16(to_bfloat16(std::numeric_limits<float>::quiet_NaN()))));
  CHECK(std::isnan(from_bfloat16(to_bfloat16(std::bit_cast<float>(0x7F800001u)))));
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto stored = static_cast<std::uint16_t>(bits);
    const bool nan = (bits & 0x7F80u) == 0x7F80u && (bits & 0x7Fu) != 0;
    if (!nan && to_bfloat16(from_bfloat16(stored)) != stored) FAIL_CHECK("bfloat16 " << bits);
    const bool half_nan = (bits & 0x7C00u) == 0x7C00u && (bits & 0x3FFu) != 0;
    if (!half_nan && to_half(from_half(stored)) != stored) FAIL_CHECK("half " << bits);
  }
  CHECK(to_half(2049.0f) == to_half(2048.0f));  // halfway, down to even
  CHECK(to_half(2051.0f) == to_half(2052.0f));  // halfway, up to even
}

TEST_CASE("the writer refuses what the reader would refuse") {
  SafeTensorsWriter writer;
  writer.add("x", DType::u8, {1}, as_bytes("a"));
  for (const char* name : {"x", "", "../x", "/x", "a\nb", "\xFF", "__metadata__"})
    CHECK(refusal([&] { writer.add(name, DType::u8, {1}, as_bytes("a")); }).kind == ErrorKind::config);
  CHECK(refusal([&] { writer.add("y", DType::f32, {2}, as_bytes("abcd")); }).kind == ErrorKind::shape);
  CHECK(refusal([&] { writer.add("y", DType::f4, {1}, as_bytes("a")); }).kind == ErrorKind::shape);
  writer.metadata["bad"] = "\xFF";
  CHECK(refusal([&] { writer.bytes(); }).kind == ErrorKind::format);
}

TEST_CASE("files that are no container are refused") {  // classes 1 to 20 of reliability.md
  const std::string good = samples::safetensors();
  check_refused("1 empty", "");
  for (std::size_t n = 1; n < 8; ++n) check_refused("2 short", good.substr(0, n));
  for (std::uint64_t length : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1} << 63, ~std::uint64_t{0},
                               ~std::uint64_t{0} - 7, std::uint64_t{1000}, std::uint64_t{3}})
    check_refused("3 header length", with_length(length, "{}"));
  check_refused("3 header length == file - 8", with_length(good.size() - 8, good.substr(8)));
  check_refused("4 all spaces", container("        "));
  check_refused("5 leading space", container(" {}"));
  for (const char* start : {"[]", "\"a\"", "7 ", "nul", "\xEF\xBB\xBF{}"}) check_refused("6 first byte", container(start));
  for (const char* name : {"\xFF", "\xC0\xAF", "\xED\xA0\x80", "\\ud800", "\\udc00x"})
    check_refused("7 name is not UTF-8", container("{" + entry(name, "F32", "[0]", "[0,0]") + "}"));
  check_refused("8 escaped NUL", container("{" + entry("a\\u0000b", "F32", "[0]", "[0,0]") + "}"));
  check_refused("8 raw NUL", container("{" + entry(std::string("a\0b", 3), "F32", "[0]", "[0,0]") + "}"));
  check_refused("9 duplicate tensor",
                container("{" + entry("x", "F32", "[0]", "[0,0]") + "," + entry("x", "F32", "[0]", "[0,0]") + "}"));
  check_refused("9 duplicate by escape",
                container("{" + entry("x", "F32", "[0]", "[0,0]") + "," + entry("\\u0078", "F32", "[0]", "[0,0]") + "}"));
  check_refused("9 duplicate metadata", container(R"({"__metadata__":{"a":"b"},"__metadata__":{"c":"d"}})"));
  check_refused("10 duplicate field", container(R"({"x":{"dtype":"F32","dtype":"F32","shape":[0],"data_offsets":[0,0]}})"));
  check_refused("10 duplicate field", container(R"({"x":{"dtype":"F32","shape":[0],"shape":[0],"data_offsets":[0,0]}})"));
  check_refused("11 duplicate in metadata", container(R"({"__metadata__":{"a":"b","a":"c"}})"));
  check_refused("12 unknown field", container(R"({"x":{"dtype":"F32","shape":[0],"data_offsets":[0,0],"more":1}})"));
  check_refused("12 missing field", container(R"({"x":{"dtype":"F32","shape":[0]}})"));
  check_refused("13 deep objects", container(repeated("{\"a\":", 1'000'000)));
  check_refused("14 deep lists", container("{\"x\":{\"shape\":" + std::string(1'000'000, '[')));
  for (const char* number : {"-1", "-0", "1e3", "1.0", "01", "18446744073709551616", "9223372036854775808", "0x1", "+1", "true",
                             "null", "\"1\"", "[1]", "{}"})
    check_refused("15 number " + std::string(number), container(one("[" + std::string(number) + "]", "[0,4]"), "abcd"));
  check_refused("15 400 digits", container(one("[" + std::string(400, '1') + "]", "[0,4]"), "abcd"));
  check_refused("16 unterminated", container("{\"x"));
  check_refused("16 escape", container("{\"x\\"));
  check_refused("16 bad escape", container("{\"x\\q\":{}}"));
  check_refused("17 trailing bytes", container("{}x"));
  check_refused("17 trailing NUL", container(std::string("{}\0", 3)));
  check_refused("18 second JSON", container("{}      {}"));
  for (const char* value : {"1", "null", "true", "[]", "{}", "1.5", "-1"})
    check_refused("19 metadata", container("{\"__metadata__\":{\"a\":" + std::string(value) + "}}"));
  check_refused("19 metadata", container("{\"__metadata__\":\"a\"}"));
  check_refused("19 metadata", container("{\"__metadata__\":[]}"));
  std::string many = "{";
  for (int i = 0; i < 100'000; ++i) many += (i > 0 ? "," : "") + entry("t" + std::to_string(i), "F32", "[0]", "[0,0]");
  check_refused("20 too many tensors", container(many + "}"));
  check_refused("20 a header of 600 MB", with_length(600'000'000, "{}"));
}

TEST_CASE("tensors that do not lie as they should are refused") {  // classes 21 to 36
  const std::string data(8, 'd');
  check_refused("21 dtype", container(one("[1]", "[0,4]", "F33"), "abcd"));
  check_refused("22 shape overflow", container(one("[4294967296,4294967296]", "[0,8]"), data));
  check_refused("23 bits overflow", container(one("[576460752303423488]", "[0,8]"), data));
  check_refused("24 zero with huge", container(one("[0,4294967296,4294967296]", "[0,0]")));
  check_refused("24 huge with zero", container(one("[4294967296,4294967296,0]", "[0,0]")));
  check_refused("25 rank 9", container(one("[1,1,1,1,1,1,1,1,1]", "[0,4]"), "abcd"));
  check_refused("25 rank 10^6", container(one("[1" + repeated(",1", 1'000'000) + "]", "[0,4]"), "abcd"));
  check_refused("26 begin > end", container(one("[1]", "[4,0]"), "abcd"));
  check_refused("27 past the end", container(one("[3]", "[0,12]"), data));
  check_refused("27 far past the end", container(one("[2]", "[0,9223372036854775807]"), data));
  check_refused("28 overlap",
                container("{" + entry("a", "U8", "[6]", "[0,6]") + "," + entry("b", "U8", "[4]", "[4,8]") + "}", data));
  check_refused("29 aliases",
                container("{" + entry("a", "U8", "[8]", "[0,8]") + "," + entry("b", "U8", "[8]", "[0,8]") + "}", data));
  check_refused("30 hole",
                container("{" + entry("a", "U8", "[2]", "[0,2]") + "," + entry("b", "U8", "[4]", "[4,8]") + "}", data));
  check_refused("30 hole in front", container(one("[1]", "[4,8]"), data));
  check_refused("30 bytes behind", container(one("[1]", "[0,4]"), data));
  check_refused("32 half a byte", container(one("[3]", "[0,2]", "F4"), "ab"));
  for (const char* offsets : {"[]", "[0]", "[0,4,8]"}) check_refused("offsets", container(one("[1]", offsets), "abcd"));
  const std::string good = samples::safetensors();
  for (std::size_t n = 0; n < good.size(); ++n) check_refused("34 truncated at " + std::to_string(n), good.substr(0, n));
  check_refused("34 one byte more", good + "x");
  for (const std::string& name : {std::string("../x"), std::string("a/../../x"), std::string("/etc/x"), std::string("\\\\x"),
                                  std::string(65536, 'n'), std::string()})
    check_refused("36 name", container("{" + entry(name, "F32", "[0]", "[0,0]") + "}"));
}

TEST_CASE("unusual files that mean one thing only are read") {
  CHECK(SafeTensors::parse(container("{}"), "x").tensors().empty());
  CHECK(SafeTensors::parse(container("{}      "), "x").tensors().empty());
  const std::string data = "abcdefgh";
  const SafeTensors unsorted = SafeTensors::parse(  // class 31
      container("{" + entry("z", "U8", "[6]", "[2,8]") + "," + entry("e", "U8", "[0,3]", "[2,2]") + "," +
                    entry("a", "U8", "[2]", "[0,2]") + "}",
                data),
      "x");
  CHECK(as_text(unsorted.at("z").bytes) == "cdefgh");
  CHECK(as_text(unsorted.at("a").bytes) == "ab");
  CHECK(unsorted.tensors().front().name == "a");
  std::string misaligned = "b";  // class 33
  samples::put(misaligned, 2.5);
  samples::put(misaligned, -1.25);
  const SafeTensors odd = SafeTensors::parse(
      container("{" + entry("byte", "U8", "[1]", "[0,1]") + "," + entry("x", "F64", "[2]", "[1,17]") + "}", misaligned), "x");
  CHECK(odd.at("x").values<double>() == std::vector<double>{2.5, -1.25});
  const SafeTensors narrow = SafeTensors::parse(container(one("[4]", "[0,2]", "F4"), "ab"), "x");
  CHECK(refusal([&] { narrow.at("x").values<float>(); }).kind == ErrorKind::config);
  CHECK(SafeTensors::parse(container(one("[]", "[0,4]"), "abcd"), "x").at("x").shape.rank() == 0);
}

TEST_CASE("weights that are not finite are found when asked") {  // class 35
  SafeTensorsWriter writer;
  const std::vector<float> values = {1, std::numeric_limits<float>::infinity()};
  writer.add<float>("x", {2}, values);
  const SafeTensors file = SafeTensors::parse(writer.bytes(), "a");
  CHECK(std::isinf(file.at("x").values<double>()[1]));
  CHECK(refusal([&] { file.check_finite(); }).kind == ErrorKind::numeric);
  CHECK_NOTHROW(SafeTensors::parse(samples::safetensors(), "a").check_finite());
}

}  // namespace cmoe::safetensors_test
