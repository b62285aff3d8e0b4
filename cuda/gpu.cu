// The GPU itself: its stream, its memory from a cache, and its errors in words.
#include "gpu.cuh"

#include <array>
#include <mutex>

#include "cmoe/core/memory.hpp"

namespace cmoe::cuda {

namespace {

std::string text_of(cudaError_t code) { return std::string(cudaGetErrorString(code)) + " (" + cudaGetErrorName(code) + ")"; }

// Why this build's kernels cannot run here; empty if they can.
std::string obstacle() {
  int devices = 0;
  if (const cudaError_t code = cudaGetDeviceCount(&devices); code != cudaSuccess) {
    cudaGetLastError();
    return text_of(code);
  }
  if (devices == 0) return "no device was found";
  cudaFuncAttributes attributes{};
  if (const cudaError_t code = cudaFuncGetAttributes(&attributes, run_each<FindDevice>); code != cudaSuccess) {
    cudaGetLastError();
    return "its kernels are not compiled for this device: " + text_of(code);
  }
  return {};
}

// Classes of block sizes as the host's, without the line that a header takes there.
std::size_t class_of(std::size_t bytes) { return cmoe::detail::size_class(bytes + 64); }
std::size_t bytes_of(std::size_t size_class) { return cmoe::detail::class_bytes(size_class) - 64; }

// Blocks that were released and may be given again. There is one stream, so whoever gets a block again uses it after its last user.
struct Cache {
  std::mutex lock;
  std::array<std::vector<void*>, cmoe::detail::BlockCache::classes> free;
  std::size_t held = 0;

  void trim() {
    for (std::vector<void*>& list : free) {
      for (void* block : list) cudaFree(block);
      list.clear();
    }
    held = 0;
  }
};
Cache& cache() {
  static auto* const only = new Cache;  // never destroyed: arrays may outlive it
  return *only;
}

}  // namespace

void check_cuda(cudaError_t code, const char* what) {
  if (code == cudaSuccess) return;
  cudaGetLastError();  // an error that can be survived is not reported twice
  fail(code == cudaErrorMemoryAllocation ? ErrorKind::memory : ErrorKind::device, "cuda: ", what, ": ", text_of(code));
}

cudaStream_t stream() {
  struct Used {
    int device = 0;
    cudaStream_t stream = nullptr;
    Used() {
      const std::string reason = obstacle();
      check(reason.empty(), ErrorKind::device, "cuda: no GPU can be used: ", reason);
      check_cuda(cudaGetDevice(&device), "the current device");
      check_cuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "a stream");
    }
  };
  static const Used used;
  static thread_local bool here = false;  // a thread begins with device 0, whatever the others use
  if (!here) check_cuda(cudaSetDevice(used.device), "the device in another thread");
  here = true;
  return used.stream;
}

bool Gpu::available() noexcept {
  try {
    return obstacle().empty();
  } catch (...) {
    return false;
  }
}

std::string Gpu::description() {
  if (const std::string reason = obstacle(); !reason.empty()) return reason;
  int device = 0, driver = 0, runtime = 0;
  cudaDeviceProp properties{};
  check_cuda(cudaGetDevice(&device), "the current device");
  check_cuda(cudaGetDeviceProperties(&properties, device), "its properties");
  check_cuda(cudaDriverGetVersion(&driver), "the driver's version");
  check_cuda(cudaRuntimeGetVersion(&runtime), "the runtime's version");
  const auto version = [](int number) { return std::to_string(number / 1000) + '.' + std::to_string(number % 1000 / 10); };
  return std::string(properties.name) + ", " + std::to_string(properties.totalGlobalMem >> 20) + " MiB, compute capability " +
         std::to_string(properties.major) + '.' + std::to_string(properties.minor) + ", driver " + version(driver) + ", runtime " + version(runtime);
}

void* Gpu::allocate(std::size_t bytes) {
  stream();
  const std::size_t kind = class_of(bytes), full = bytes_of(kind);
  Cache& all = cache();
  const std::lock_guard<std::mutex> guard(all.lock);
  if (!all.free[kind].empty()) {
    void* const block = all.free[kind].back();
    all.free[kind].pop_back();
    all.held -= full;
    return block;
  }
  void* block = nullptr;
  cudaError_t code = cudaMalloc(&block, full);
  if (code == cudaErrorMemoryAllocation && all.held > 0) {
    cudaGetLastError();
    all.trim();  // cudaFree waits for the device
    code = cudaMalloc(&block, full);
  }
  if (code == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    std::size_t free = 0, total = 0;
    cudaMemGetInfo(&free, &total);
    fail(ErrorKind::memory, "memory: ", bytes, " bytes were refused by the GPU, ", free, " of ", total, " are free: ", text_of(code));
  }
  check_cuda(code, "memory");
  return block;
}

void Gpu::release(void* data, std::size_t bytes) noexcept {
  const std::size_t kind = class_of(bytes);
  Cache& all = cache();
  const std::lock_guard<std::mutex> guard(all.lock);
  try {
    all.free[kind].push_back(data);
    all.held += bytes_of(kind);
  } catch (...) {
    cudaFree(data);
  }
}

void Gpu::release_cached_memory() {
  Cache& all = cache();
  const std::lock_guard<std::mutex> guard(all.lock);
  all.trim();
}

void Gpu::copy(std::size_t bytes, const void* x, void* y) {
  if (bytes > 0) check_cuda(cudaMemcpyAsync(y, x, bytes, cudaMemcpyDeviceToDevice, stream()), "copy");
}
// From pageable memory the call returns once the bytes are taken. Memory that the program has pinned would be read later, so that
// is waited for.
void Gpu::upload(std::size_t bytes, const void* x, void* y) {
  if (bytes == 0) return;
  check_cuda(cudaMemcpyAsync(y, x, bytes, cudaMemcpyHostToDevice, stream()), "upload");
  cudaPointerAttributes source{};
  check_cuda(cudaPointerGetAttributes(&source, x), "upload");
  if (source.type != cudaMemoryTypeUnregistered) check_cuda(cudaStreamSynchronize(stream()), "upload");
}
void Gpu::download(std::size_t bytes, const void* x, void* y) {
  if (bytes == 0) return;
  check_cuda(cudaMemcpyAsync(y, x, bytes, cudaMemcpyDeviceToHost, stream()), "download");
  check_cuda(cudaStreamSynchronize(stream()), "download");
}
void Gpu::wait() { check_cuda(cudaStreamSynchronize(stream()), "wait"); }

}  // namespace cmoe::cuda
