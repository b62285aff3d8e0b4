// Memory that only kernels may look into: a reserved range of pages that is opened while one runs.
#include "host_execution.hpp"

#include <sys/mman.h>

#include <cstdlib>
#include <map>
#include <mutex>

#include "cmoe/core/memory.hpp"

// There if the program runs under the address sanitizer.
extern "C" [[gnu::weak]] void __asan_poison_memory_region(const volatile void* data, std::size_t bytes);
extern "C" [[gnu::weak]] void __asan_unpoison_memory_region(const volatile void* data, std::size_t bytes);

namespace cmoe::cuda {

namespace {

std::recursive_mutex turn;  // of whoever uses the memory
int depth = 0;

// Blocks of whole size classes, cut from the front of the range and never given back to it, only to the list of their class.
class Pages {
 public:
  Pages() : begin_(static_cast<std::byte*>(::mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0))) {
    check(static_cast<void*>(begin_) != MAP_FAILED, ErrorKind::memory, "memory: the host refused to reserve ", bytes, " bytes of addresses");
  }
  void open() { protect(PROT_READ | PROT_WRITE); }
  void close() { protect(PROT_NONE); }
  void* take(std::size_t wanted) {
    const std::size_t full = full_size(wanted);
    std::vector<void*>& list = free_[full];
    check(!list.empty() || full <= bytes - used_, ErrorKind::memory, "memory: ", wanted, " bytes were refused, ", used_, " are in use");
    if (list.empty()) {
      list.push_back(begin_ + used_);
      used_ += full;
      open();  // the pages just taken into use too
    }
    void* const data = list.back();
    list.pop_back();
    return std::memset(data, 0xff, full);
  }
  void give_back(void* data, std::size_t size) { free_[full_size(size)].push_back(data); }

 private:
  static constexpr std::size_t bytes = std::size_t{1} << 36, page = 4096;

  static std::size_t full_size(std::size_t size) { return cmoe::detail::class_bytes(cmoe::detail::size_class(size)); }
  void protect(int rights) {
    if (used_ > 0) ::mprotect(begin_, (used_ + page - 1) / page * page, rights);
  }

  std::byte* const begin_;
  std::size_t used_ = 0;
  std::map<std::size_t, std::vector<void*>> free_;
};

// The same under the address sanitizer, which knows where each block ends.
class WatchedBlocks {
 public:
  void open() {
    for (const auto& [data, size] : blocks_) __asan_unpoison_memory_region(data, size);
  }
  void close() {
    for (const auto& [data, size] : blocks_) __asan_poison_memory_region(data, size);
  }
  void* take(std::size_t wanted) {
    void* const data = std::malloc(wanted);
    check(data != nullptr, ErrorKind::memory, "memory: ", wanted, " bytes were refused by the host");
    blocks_.emplace(data, wanted);
    return std::memset(data, 0xff, wanted);
  }
  void give_back(void* data, std::size_t size) {
    __asan_unpoison_memory_region(data, size);
    blocks_.erase(data);
    std::free(data);
  }

 private:
  std::map<void*, std::size_t> blocks_;
};

bool watched() { return __asan_poison_memory_region != nullptr; }

// Never destroyed: arrays may outlive them.
Pages& pages() {
  static auto* const only = new Pages;
  return *only;
}
WatchedBlocks& blocks() {
  static auto* const only = new WatchedBlocks;
  return *only;
}

// body(memory) on whichever is in use
template <class Body>
auto with_memory(const Body& body) {
  return watched() ? body(blocks()) : body(pages());
}

}  // namespace

HostExecution::Access::Access() {
  turn.lock();
  if (depth++ == 0) with_memory([](auto& memory) { memory.open(); });
}
HostExecution::Access::~Access() {
  if (--depth == 0) with_memory([](auto& memory) { memory.close(); });
  turn.unlock();
}

void* HostExecution::allocate(std::size_t bytes) {
  const std::size_t some = std::max<std::size_t>(bytes, 1);
  const Access now;
  return with_memory([=](auto& memory) { return memory.take(some); });
}
void HostExecution::release(void* data, std::size_t bytes) noexcept {
  const std::lock_guard<std::recursive_mutex> lock(turn);
  with_memory([=](auto& memory) { memory.give_back(data, std::max<std::size_t>(bytes, 1)); });
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
