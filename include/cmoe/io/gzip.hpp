// Gzip: compressed files read whole, and the CRC-32 that guards a file's contents.
#pragma once

#include <zlib.h>

#include <array>
#include <memory>

#include "cmoe/io/file.hpp"

namespace cmoe {

// CRC-32 (polynomial 0xEDB88320) of the bytes, continued from `before`.
inline std::uint32_t crc32_of(Bytes bytes, std::uint32_t before = 0) {
  return static_cast<std::uint32_t>(::crc32_z(before, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

// What a gzip stream (one member or several) expands to. At most `limit` bytes come out, however small the input is.
inline std::string gunzip(std::string_view compressed, const std::string& name, std::size_t limit = text_file_limit) {
  z_stream stream{};
  check(::inflateInit2(&stream, 15 + 16) == Z_OK, ErrorKind::memory, name, ": no memory to decompress");
  const auto end = [](z_stream* z) { ::inflateEnd(z); };
  const std::unique_ptr<z_stream, decltype(end)> guard(&stream, end);
  constexpr std::size_t largest_piece = std::size_t{1} << 30;  // zlib counts in 32 bits
  std::array<char, 1 << 16> piece;
  std::string out;
  while (true) {
    if (stream.avail_in == 0) {
      check(!compressed.empty(), ErrorKind::format, name, ": the compressed data ends early; fetch the file again");
      const std::size_t taken = std::min(compressed.size(), largest_piece);
      stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(compressed.data()));
      stream.avail_in = static_cast<uInt>(taken);
      compressed.remove_prefix(taken);
    }
    stream.next_out = reinterpret_cast<Bytef*>(piece.data());
    stream.avail_out = static_cast<uInt>(piece.size());
    const int state = ::inflate(&stream, Z_NO_FLUSH);
    check(state != Z_MEM_ERROR, ErrorKind::memory, name, ": no memory to decompress");
    check(state == Z_OK || state == Z_STREAM_END || state == Z_BUF_ERROR, ErrorKind::format, name,
          ": not valid gzip data: ", stream.msg != nullptr ? stream.msg : "damaged");
    out.append(piece.data(), piece.size() - stream.avail_out);
    check(out.size() <= limit, ErrorKind::format, name, ": expands to more than the ", limit, " bytes that are read at most");
    if (state != Z_STREAM_END) continue;
    if (stream.avail_in == 0 && compressed.empty()) return out;
    ::inflateReset(&stream);
  }
}

// A file, unpacked. throws Error (file) if it cannot be read, (format) if it is damaged or unpacks to more than the limit
inline std::string read_gz(const Path& path, std::size_t limit = text_file_limit) {
  return gunzip(read_file(path, limit), path.string(), limit);
}

}  // namespace cmoe
