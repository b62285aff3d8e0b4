#include "cmoe/io/file.hpp"

#include <doctest/doctest.h>
#include <sys/resource.h>

#include <csignal>

#include "cmoe/io/gzip.hpp"
#include "io/samples.hpp"

namespace cmoe::file_test {

using samples::refusal;

TEST_CASE("a written file is read back, whole or mapped") {
  samples::Folder folder;
  std::string text(200'000, 'x');
  text[100'000] = '\0';
  write_file_atomically(folder.path() / "a", text);
  CHECK(read_file(folder.path() / "a") == text);
  CHECK(as_text(MappedFile(folder.path() / "a").bytes()) == text);
  write_file_atomically(folder.path() / "a", std::string_view());
  CHECK(read_file(folder.path() / "a").empty());
  CHECK(MappedFile(folder.path() / "a").bytes().empty());
  CHECK(folder.entries() == 1);
}

TEST_CASE("an absent file, a folder and a file above the limit are refused with their names") {
  samples::Folder folder;
  const auto absent = refusal([&] { read_file(folder.path() / "absent"); });
  CHECK(absent.kind == ErrorKind::file);
  CHECK(absent.text == (folder.path() / "absent").string() + ": cannot read: No such file or directory");
  CHECK(refusal([&] { read_file(folder.path()); }).kind == ErrorKind::file);
  CHECK(refusal([&] { MappedFile{folder.path()}; }).kind == ErrorKind::file);
  CHECK(refusal([&] { write_file_atomically(folder.path(), "text"); }).kind == ErrorKind::file);
  CHECK(refusal([&] { write_file_atomically(folder.path() / "no" / "folder", "text"); }).kind == ErrorKind::file);
  folder.write("ten", "0123456789");
  CHECK(read_file(folder.path() / "ten", 10).size() == 10);
  CHECK(refusal([&] { read_file(folder.path() / "ten", 9); }).kind == ErrorKind::format);
}

TEST_CASE("without commit, and when filling fails, the old file stays and the temporary one goes") {
  samples::Folder folder;
  folder.write("a", "old");
  {
    FileWriter writer(folder.path() / "a");
    writer.write(std::string(300'000, 'n'));
    CHECK(folder.entries() == 2);
  }
  CHECK(refusal([&] {
          write_file_atomically(folder.path() / "a", [](FileWriter& file) {
            file.write("new");
            fail(ErrorKind::numeric, "diverged");
          });
        }).kind == ErrorKind::numeric);
  CHECK(read_file(folder.path() / "a") == "old");
  CHECK(folder.entries() == 1);
  FileWriter writer(folder.path() / "a");
  writer.write("new");
  writer.commit();
  CHECK(read_file(folder.path() / "a") == "new");
  CHECK(refusal([&] { writer.write("more"); }).kind == ErrorKind::misuse);
}

TEST_CASE("the temporary file that a dead process left is replaced") {
  samples::Folder folder;
  folder.write("a.tmp." + std::to_string(::getpid()), "left over");
  folder.write("a", "new");
  CHECK(read_file(folder.path() / "a") == "new");
  CHECK(folder.entries() == 1);
}

TEST_CASE("writing through a symbolic link replaces the file it names") {
  samples::Folder folder;
  folder.write("real", "old");
  std::filesystem::create_symlink(folder.path() / "real", folder.path() / "link");
  write_file_atomically(folder.path() / "link", "new");
  CHECK(std::filesystem::is_symlink(folder.path() / "link"));
  CHECK(read_file(folder.path() / "real") == "new");
}

TEST_CASE("when the disk takes no more, the old file stays and the temporary one goes") {
  samples::Folder folder;
  folder.write("model.safetensors", samples::safetensors());
  SafeTensorsWriter large;
  large.add<float>("x", {50'000}, std::vector<float>(50'000, 1.0f));
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit small = before;
  small.rlim_cur = 100'000;
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  const auto refused = refusal([&] { large.save(folder.path() / "model.safetensors"); });
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  CHECK(refused.thrown);
  CHECK(refused.kind == ErrorKind::file);
  CHECK(refused.text == (folder.path() / "model.safetensors").string() + ": cannot write: File too large");
  CHECK(read_file(folder.path() / "model.safetensors") == samples::safetensors());
  CHECK(folder.entries() == 1);
}

TEST_CASE("a full device is an error of the file") {
  if (!std::filesystem::exists("/dev/full")) return;
  FileWriter* writer = nullptr;
  const auto refused =
      refusal([&] {  // ENOSPC from write(2): the protocol needs a folder, so the descriptor is pointed at /dev/full
        samples::Folder folder;
        FileWriter here(folder.path() / "a");
        writer = &here;
        const int full = ::open("/dev/full", O_WRONLY);
        int newest = -1;
        for (int number = 3; number < full; ++number) {
          struct stat status {};
          if (::fstat(number, &status) == 0 && S_ISREG(status.st_mode) && status.st_size == 0) newest = number;
        }
        REQUIRE(newest >= 0);
        ::dup2(full, newest);
        ::close(full);
        here.write("text");
        here.commit();
      });
  CHECK(writer != nullptr);
  CHECK(refused.kind == ErrorKind::file);
  CHECK(refused.text.ends_with("cannot write: No space left on device"));
}

TEST_CASE("compressed files are expanded, several members too, and damage is told") {
  samples::Folder folder;
  const std::string text = samples::table();
  const std::string packed = samples::gzip(text);
  CHECK(read_gz(folder.write("a.gz", packed)) == text);
  CHECK(gunzip(packed + packed, "two") == text + text);
  for (std::size_t length = 0; length < packed.size(); ++length)
    CHECK(refusal([&] { gunzip(packed.substr(0, length), "cut"); }).kind == ErrorKind::format);
  CHECK(refusal([&] { gunzip(packed + "x", "tail"); }).kind == ErrorKind::format);
  CHECK(refusal([&] { gunzip("plain text", "plain"); }).kind == ErrorKind::format);
  CHECK(refusal([&] { gunzip(samples::gzip(std::string(1'000'000, 'x')), "bomb", 1000); }).kind == ErrorKind::format);
  std::string wrong = packed;
  wrong[wrong.size() - 6] = static_cast<char>(wrong[wrong.size() - 6] ^ 1);
  CHECK(refusal([&] { gunzip(wrong, "sum"); }).kind == ErrorKind::format);
}

TEST_CASE("the CRC-32 is the standard one and can be continued") {
  CHECK(crc32_of(as_bytes("123456789")) == 0xCBF43926u);
  CHECK(crc32_of(as_bytes("6789"), crc32_of(as_bytes("12345"))) == 0xCBF43926u);
}

}  // namespace cmoe::file_test
