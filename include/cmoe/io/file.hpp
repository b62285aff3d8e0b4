// Files: read whole, mapped, or written so that a reader sees the old contents or the new ones and never a part.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "cmoe/core/stored_matrix.hpp"

namespace cmoe {

// A file or a folder.
using Path = std::filesystem::path;

// A text as bytes, and bytes as a text; neither is copied.
inline Bytes as_bytes(std::string_view text) { return std::as_bytes(std::span(text.data(), text.size())); }
inline std::string_view as_text(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

// What a text file may hold at most, unless the caller says otherwise.
inline constexpr std::size_t text_file_limit = std::size_t{100} << 20;

namespace detail {

[[noreturn]] inline void fail_file(const Path& path, const char* what, int error) {
  fail(ErrorKind::file, path.string(), ": ", what, ": ", std::generic_category().message(error));
}

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) {
      close();
      number_ = std::exchange(other.number_, -1);
    }
    return *this;
  }
  ~Descriptor() { close(); }

  int number() const { return number_; }
  bool open() const { return number_ >= 0; }
  // 0, or the error of close(2): a delayed write may fail only here.
  int close() { return open() && ::close(std::exchange(number_, -1)) != 0 ? errno : 0; }

 private:
  int number_ = -1;
};

inline Descriptor open_for_reading(const Path& path, struct stat& status) {
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.open() || ::fstat(file.number(), &status) != 0) fail_file(path, "cannot read", errno);
  if (S_ISDIR(status.st_mode)) fail_file(path, "cannot read", EISDIR);
  return file;
}

}  // namespace detail

// The whole file; more than `limit` bytes are refused before they are read.
inline std::string read_file(const Path& path, std::size_t limit = text_file_limit) {
  struct stat status {};
  const detail::Descriptor file = detail::open_for_reading(path, status);
  const auto expected = static_cast<std::size_t>(status.st_size > 0 ? status.st_size : 0);
  std::string contents;
  for (std::size_t room = expected + 1;; room = contents.size() + (std::size_t{1} << 16)) {  // pipes have size 0
    check(room - 1 <= limit && contents.size() <= limit, ErrorKind::format, path.string(), ": holds more than the ", limit,
          " bytes that are read at most");
    std::size_t filled = contents.size();
    contents.resize(std::min(room, limit + 1));
    while (filled < contents.size()) {
      const ssize_t got = ::read(file.number(), contents.data() + filled, contents.size() - filled);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) detail::fail_file(path, "cannot read", errno);
      if (got == 0) {
        contents.resize(filled);
        return contents;
      }
      filled += static_cast<std::size_t>(got);
    }
  }
}

// A regular file seen as bytes, read-only. Another program that shortens the file meanwhile ends this one by SIGBUS, as with any
// mapping; writers that replace the file by renaming, like ours, are harmless.
class MappedFile {
 public:
  explicit MappedFile(const Path& path) {
    struct stat status {};
    const detail::Descriptor file = detail::open_for_reading(path, status);
    check(S_ISREG(status.st_mode), ErrorKind::file, path.string(), ": cannot map: not a regular file");
    const auto size = static_cast<std::size_t>(status.st_size);
    if (size == 0) return;
    void* begin = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.number(), 0);
    if (begin == MAP_FAILED) detail::fail_file(path, "cannot map", errno);
    bytes_ = {static_cast<const std::byte*>(begin), size};
  }
  MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  MappedFile& operator=(MappedFile&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~MappedFile() {
    if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
  }

  Bytes bytes() const { return bytes_; }

 private:
  Bytes bytes_;
};

// Writes a file piece by piece into `name.tmp.<pid>` beside it; commit() makes it the file. Without commit nothing has happened.
class FileWriter {
 public:
  explicit FileWriter(const Path& path) : path_(target(path)), temporary_(path_) {
    temporary_ += ".tmp." + std::to_string(::getpid());
    pending_.reserve(buffer_size);
    std::error_code ignored;
    if (std::filesystem::is_directory(path_, ignored)) detail::fail_file(path_, "cannot write", EISDIR);
    for (int attempt = 0; attempt < 2 && !file_.open(); ++attempt) {  // a dead process with our number may have left one
      if (attempt > 0 && errno == EEXIST) ::unlink(temporary_.c_str());
      file_ = detail::Descriptor(::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666));
    }
    if (!file_.open()) detail::fail_file(path_, "cannot write", errno);
  }
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;
  ~FileWriter() {
    if (committed_) return;
    file_.close();
    ::unlink(temporary_.c_str());
  }

  void write(std::string_view text) {
    check(file_.open(), ErrorKind::misuse, path_.string(), ": write after commit");
    if (pending_.size() + text.size() > buffer_size) flush();
    if (text.size() > buffer_size)
      put(text);
    else
      pending_ += text;
  }
  void write(Bytes bytes) { write(as_text(bytes)); }

  void commit() {
    check(file_.open(), ErrorKind::misuse, path_.string(), ": committed twice");
    flush();
    if (::fsync(file_.number()) != 0) detail::fail_file(path_, "cannot write", errno);
    if (const int error = file_.close(); error != 0) detail::fail_file(path_, "cannot write", error);
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) detail::fail_file(path_, "cannot replace", errno);
    committed_ = true;
    const Path folder = path_.has_parent_path() ? path_.parent_path() : Path(".");
    const detail::Descriptor entry(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!entry.open()) detail::fail_file(folder, "cannot open the folder after writing into it", errno);
    if (::fsync(entry.number()) != 0 && errno != EINVAL)  // EINVAL: a file system without it
      detail::fail_file(folder, "cannot write the folder to disk", errno);
  }

 private:
  static constexpr std::size_t buffer_size = std::size_t{1} << 16;

  // Through a symbolic link the file it names is replaced, not the link.
  static Path target(const Path& path) {
    std::error_code error;
    if (!std::filesystem::is_symlink(path, error)) return path;
    const Path real = std::filesystem::weakly_canonical(path, error);
    if (error) detail::fail_file(path, "cannot follow the link", error.value());
    return real;
  }

  void flush() {
    put(pending_);
    pending_.clear();
  }

  void put(std::string_view text) {
    while (!text.empty()) {
      const ssize_t done = ::write(file_.number(), text.data(), text.size());
      if (done < 0 && errno == EINTR) continue;
      if (done <= 0) detail::fail_file(path_, "cannot write", done == 0 ? ENOSPC : errno);
      text.remove_prefix(static_cast<std::size_t>(done));
    }
  }

  Path path_, temporary_;
  detail::Descriptor file_;
  std::string pending_;
  bool committed_ = false;
};

// The same in one call: all the bytes, or whatever `fill(FileWriter&)` writes.
inline void write_file_atomically(const Path& path, std::string_view text) {
  FileWriter writer(path);
  writer.write(text);
  writer.commit();
}
inline void write_file_atomically(const Path& path, Bytes bytes) { write_file_atomically(path, as_text(bytes)); }
template <std::invocable<FileWriter&> Fill>
void write_file_atomically(const Path& path, Fill&& fill) {
  FileWriter writer(path);
  fill(writer);
  writer.commit();
}

// Makes the folder and those above it, where they are missing. throws Error (file)
inline void make_folder(const Path& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) detail::fail_file(path, "cannot make the folder", error.value());
}

// A folder that appears under its name with all that fill(draft) wrote into it, or not at all.
// throws Error (file) if the name is taken by a folder that is not empty, and what fill throws
template <std::invocable<const Path&> Fill>
void write_folder_atomically(const Path& folder, Fill&& fill) {
  Path draft = folder;
  draft += ".tmp." + std::to_string(::getpid());
  std::error_code error;
  try {
    make_folder(draft);
    fill(std::as_const(draft));
    std::filesystem::rename(draft, folder, error);
    if (error) detail::fail_file(folder, "cannot write", error.value());
  } catch (...) {
    std::filesystem::remove_all(draft, error);
    throw;
  }
}

}  // namespace cmoe
