// --device: which of the two programs runs.
#include "device.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <vector>

#include "cmoe/core/error.hpp"
#if !defined(CMOE_PROGRAM_CUDA)
#include "cmoe/cpu/isa.hpp"
#endif

namespace program {

namespace {

std::filesystem::path beside(const char* name) { return std::filesystem::read_symlink("/proc/self/exe").parent_path() / name; }

// This process becomes the other program, asked for `device` after all else.
[[noreturn]] void become(const std::filesystem::path& other, char** arguments, const char* device) {
  std::vector<std::string> words;
  for (; *arguments; ++arguments) words.emplace_back(*arguments);
  words.insert(words.end(), {"--device", device});
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  ::execv(other.c_str(), pointers.data());
  cmoe::fail(cmoe::ErrorKind::file, other.string(), ": ", std::strerror(errno));
}

}  // namespace

#if defined(CMOE_PROGRAM_CUDA)

void compute_on(const std::string& device, char** arguments) {
  if (device == "cpu") become(beside("cmoe"), arguments, "cpu");
  if (cmoe::cuda::Gpu::available()) return;
  if (device == "auto") become(beside("cmoe"), arguments, "cpu");
  cmoe::fail(cmoe::ErrorKind::device, "--device cuda: no GPU can be used: ", cmoe::cuda::Gpu::description());
}

std::string device_name() { return cmoe::cuda::Gpu::description(); }

#else

void compute_on(const std::string& device, char** arguments) {
  if (device == "cpu") return;
  const std::filesystem::path other = beside("cmoe-cuda");
  if (std::filesystem::exists(other)) become(other, arguments, device == "auto" ? "auto" : "cuda");
  cmoe::check(device == "auto", cmoe::ErrorKind::device, "--device cuda: there is no ", other.string(),
              "; it is built with -DCMOE_CUDA=ON, which needs the CUDA toolkit 12.4 or newer");
}

std::string device_name() { return std::string(cmoe::cpu::isa_name(cmoe::cpu::isa())); }

#endif

}  // namespace program
