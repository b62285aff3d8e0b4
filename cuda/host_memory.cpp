// Memory that only kernels may look into: a reserved range of pages that is opened while one runs.
#include "host_execution.hpp"

#include <sys/mman.h>

#include <map>
#include <mutex>

#include "cmoe/core/memory.hpp"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace cmoe::cuda {

namespace {

std::recursive_mutex turn;  // of whoever uses the memory
int depth = 0;

#if defined(__SANITIZE_ADDRESS__)

std::map<void*, std::size_t>& blocks() {
  static auto* all = new std::map<void*, std::size_t>;  // never destroyed: arrays may outlive it
  return *all;
}
void open() {
  for (const auto& [data, bytes] : blocks()) ASAN_UNPOISON_MEMORY_REGION(data, bytes);
}
void close() {
  for (const auto& [data, bytes] : blocks()) ASAN_POISON_MEMORY_REGION(data, bytes);
}
void* take(std::size_t bytes) {
  void* const data = std::malloc(bytes);
  check(data != nullptr, ErrorKind::memory, "memory: ", bytes, " bytes were refused by the host");
  blocks().emplace(data, bytes);
  return data;
}
void give_back(void* data, std::size_t bytes) {
  ASAN_UNPOISON_MEMORY_REGION(data, bytes);
  blocks().erase(data);
  std::free(data);
}

#else

// Blocks of whole size classes, cut from the front of the range and never given back to it, only to the list of their class.
struct Range {
  static constexpr std::size_t bytes = std::size_t{1} << 36, page = 4096;
  std::byte* const begin;
  std::size_t used = 0;
  std::map<std::size_t, std::vector<void*>> free;

  Range() : begin(static_cast<std::byte*>(::mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0))) {
    check(static_cast<void*>(begin) != MAP_FAILED, ErrorKind::memory, "memory: the host refused to reserve ", bytes, " bytes of addresses");
  }
  void protect(int rights) const {
    if (used > 0) ::mprotect(begin, (used + page - 1) / page * page, rights);
  }
};
Range& range() {
  static auto* only = new Range;
  return *only;
}
void open() { range().protect(PROT_READ | PROT_WRITE); }
void close() { range().protect(PROT_NONE); }
void* take(std::size_t bytes) {
  Range& all = range();
  const std::size_t full = cmoe::detail::class_bytes(cmoe::detail::size_class(bytes));
  std::vector<void*>& list = all.free[full];
  if (!list.empty()) {
    void* const data = list.back();
    list.pop_back();
    return data;
  }
  check(full <= Range::bytes - all.used, ErrorKind::memory, "memory: ", bytes, " bytes were refused, ", all.used, " are in use");
  void* const data = all.begin + all.used;
  all.used += full;
  open();  // pages that were just taken into use
  return data;
}
void give_back(void* data, std::size_t bytes) {
  range().free[cmoe::detail::class_bytes(cmoe::detail::size_class(bytes))].push_back(data);
}

#endif

}  // namespace

HostExecution::Access::Access() {
  turn.lock();
  if (depth++ == 0) open();
}
HostExecution::Access::~Access() {
  if (--depth == 0) close();
  turn.unlock();
}

void* HostExecution::allocate(std::size_t bytes) {
  const std::size_t some = std::max<std::size_t>(bytes, 1);
  const Access now;
  void* const data = take(some);
  std::memset(data, 0xff, bytes);
  return data;
}
void HostExecution::release(void* data, std::size_t bytes) noexcept {
  const std::lock_guard<std::recursive_mutex> lock(turn);
  give_back(data, std::max<std::size_t>(bytes, 1));
}

void HostExecution::copy(std::size_t bytes, const void* x, void* y) {
  const Access now;
  if (bytes > 0) std::memmove(y, x, bytes);
}
void HostExecution::upload(std::size_t bytes, const void* x, void* y) { copy(bytes, x, y); }
void HostExecution::download(std::size_t bytes, const void* x, void* y) { copy(bytes, x, y); }

std::vector<Index> HostExecution::shuffled(Index n) {
  static Rng rng(20261126);
  std::vector<Index> places(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < places.size(); ++i) places[i] = static_cast<Index>(i);
  rng.shuffle(places);
  return places;
}

}  // namespace cmoe::cuda
