// bench_loading: gigabytes a second from the page cache. `tensors` copies every tensor of a file of F32 into memory of its own, as
// safetensors' load_file does; `model` makes a decoder of it, whose matrices lie turned. With --python the Python package safetensors
// reads the same file, in turn with ours.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "cmoe/cpu/cpu.hpp"
#include "cmoe/io/hf_folder.hpp"
#include "measure.hpp"

namespace {

using namespace cmoe;
using B = Cpu<float>;
namespace fs = std::filesystem;

// 360 MB.
void write_model(const fs::path& folder) {
  Llama::Config c;
  c.vocabulary = 32000, c.width = 768, c.layers = 9, c.heads = c.kv_heads = 12, c.hidden = 2048;
  write_hf_llama(folder, Llama::On<B>(c, Rng(1)));
}

float copy_tensors(const fs::path& file) {
  const SafeTensors tensors = SafeTensors::open(file);
  float last = 0;
  for (const StoredTensor& tensor : tensors.tensors()) {
    const Array<B> copy(tensor.shape);
    B::upload(copy.size(), reinterpret_cast<const float*>(tensor.bytes.data()), const_cast<float*>(copy.data()));
    last += copy.data()[copy.size() - 1];
  }
  return last;
}

// Seconds that the package takes for one load_file, after one that does not count.
double python_seconds(const std::string& python, const fs::path& file) {
  const std::string code = "import time; from safetensors.numpy import load_file; f = '" + file.string() +
                           "'; load_file(f); t = time.perf_counter(); load_file(f); print(time.perf_counter() - t)";
  std::FILE* pipe = ::popen((python + " -c \"" + code + "\"").c_str(), "r");
  check(pipe != nullptr, ErrorKind::file, "bench_loading: cannot run ", python);
  double seconds = 0;
  const int read = std::fscanf(pipe, "%lf", &seconds);
  check(::pclose(pipe) == 0 && read == 1, ErrorKind::file, "bench_loading: ", python, " has no package safetensors with numpy");
  return seconds;
}

}  // namespace

int main(int argc, char** argv) {
  std::string python;
  int repeat = 5;
  bool json = false;
  CLI::App app("GB/s of reading weights from the page cache");
  app.add_option("--python", python, "an interpreter with the packages safetensors and numpy: the peer");
  app.add_option("--repeat", repeat)->check(CLI::PositiveNumber);
  app.add_flag("--json", json);
  CLI11_PARSE(app, argc, argv);
  std::string folder = (fs::temp_directory_path() / "cmoe_loading_XXXXXX").string();
  folder = ::mkdtemp(folder.data());
  int status = 0;
  try {
    write_model(fs::path(folder) / "model");
    const fs::path file = fs::path(folder) / "model" / "model.safetensors";
    const double gigabytes = static_cast<double>(fs::file_size(file)) * 1e-9;
    std::vector<double> ours, model, peer;
    for (int i = 0; i < repeat; ++i) {
      ours.push_back(bench::measure(1, i == 0 ? 1 : 0, [&] { static_cast<void>(copy_tensors(file)); }).median);
      model.push_back(bench::measure(1, i == 0 ? 1 : 0, [&] { static_cast<void>(read_hf_llama<B>(file.parent_path())); }).median);
      if (!python.empty()) peer.push_back(python_seconds(python, file));
    }
    const auto rate = [&](std::vector<double> seconds) {
      if (seconds.empty()) return 0.0;
      std::sort(seconds.begin(), seconds.end());
      return gigabytes / seconds[seconds.size() / 2];
    };
    const char* form = json ? "{\"gigabytes\": %.3f, \"tensors\": %.2f, \"model\": %.2f, \"python\": %.2f, \"ratio\": %.2f}\n"
                            : "%.3f GB: tensors %.2f GB/s, model %.2f GB/s, python %.2f GB/s, tensors over python %.2f\n";
    std::printf(form, gigabytes, rate(ours), rate(model), rate(peer), peer.empty() ? 0.0 : rate(ours) / rate(peer));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_loading: %s\n", error.what());
    status = 1;
  }
  fs::remove_all(folder);
  return status;
}
