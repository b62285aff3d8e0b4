// Host memory: 64-byte aligned, reference-counted buffers from a cache that every thread keeps for itself.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdlib>
#include <new>
#include <utility>
#include <vector>

#include "cmoe/core/owners.hpp"
#include "cmoe/core/shape.hpp"

namespace cmoe {

namespace detail {

// Under the address sanitizer a cache would hide uses after release, so there every block goes back at once.
#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool cache_blocks = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
inline constexpr bool cache_blocks = false;
#else
inline constexpr bool cache_blocks = true;
#endif
#else
inline constexpr bool cache_blocks = true;
#endif

// Size classes in steps of an eighth of a power of two beside the line of 64 bytes for the header, so that an array of a round size fills
// its block: at most a ninth of a block is unused.
inline std::size_t size_class(std::size_t bytes) {
  bytes = bytes <= 64 ? 0 : bytes - 64;
  if (bytes <= 512) return bytes == 0 ? 0 : (bytes - 1) / 64;
  const auto shift = static_cast<std::size_t>(std::bit_width(bytes - 1)) - 4;
  return (shift - 6) * 8 + ((bytes - 1) >> shift);
}
inline std::size_t class_bytes(std::size_t size_class) {
  if (size_class < 8) return 64 + (size_class + 1) * 64;
  const std::size_t shift = (size_class - 8) / 8 + 6;
  return 64 + (((size_class - 8) % 8 + 9) << shift);
}

// What one thread has released and may be given again. Trivially destructible on purpose: buffers may outlive thread-locals.
struct BlockCache {
  static constexpr std::size_t classes = 456;  // up to 2^63 bytes
  std::array<void*, classes> free{};  // singly linked through the first word of each block
  std::size_t held = 0;               // bytes in the lists
  std::size_t used = 0;               // bytes given out by this thread minus bytes released by it
  std::size_t peak = 0;               // the largest `used` since reset_peak_memory()
};
inline thread_local BlockCache block_cache;

inline void trim_blocks(BlockCache& cache) {
  for (void*& list : cache.free)
    while (list) {
      void* next = *static_cast<void**>(list);
      std::free(list);
      list = next;
    }
  cache.held = 0;
}
struct TrimAtThreadEnd {
  ~TrimAtThreadEnd() { trim_blocks(block_cache); }
};

// Whether a thread holds so much that is not asked for that it should go back to the system: where lengths change from batch to batch,
// each leaves blocks of sizes that the next has no use for.
inline bool holds_too_much(const BlockCache& cache) {
  constexpr std::size_t always_kept = std::size_t{32} << 20;
  return cache.held > always_kept + cache.used / 16 && cache.used < (std::size_t{1} << 62);
}

inline void* allocate_block(std::size_t bytes) {
  const std::size_t c = size_class(bytes), full = class_bytes(c);
  BlockCache& cache = block_cache;
  void* block = cache_blocks ? cache.free[c] : nullptr;
  if (block) {
    cache.free[c] = *static_cast<void**>(block);
    cache.held -= full;
  } else {
    static thread_local TrimAtThreadEnd trim;
    (void)trim;
    if (holds_too_much(cache)) trim_blocks(cache);
    block = std::aligned_alloc(64, full);
    if (!block && cache.held > 0) {
      trim_blocks(cache);
      block = std::aligned_alloc(64, full);
    }
    check(block != nullptr, ErrorKind::memory, "memory: ", bytes, " bytes were refused, ", cache.used, " are in use");
  }
  cache.used += full;
  if (cache.used > cache.peak && cache.used < (std::size_t{1} << 62)) cache.peak = cache.used;
  return block;
}

inline void release_block(void* block, std::size_t bytes) noexcept {
  const std::size_t c = size_class(bytes), full = class_bytes(c);
  BlockCache& cache = block_cache;
  cache.used -= full;
  if (!cache_blocks) return std::free(block);
  *static_cast<void**>(block) = cache.free[c];
  cache.free[c] = block;
  cache.held += full;
}

}  // namespace detail

// Bytes of buffers that this thread holds now, and the most it held since the last reset: exact counts, not the process size.
inline std::size_t memory_in_use() { return detail::block_cache.used; }
inline std::size_t peak_memory() { return detail::block_cache.peak; }
inline void reset_peak_memory() { detail::block_cache.peak = detail::block_cache.used; }

// Gives the calling thread's unused blocks back to the system.
inline void release_cached_memory() { detail::trim_blocks(detail::block_cache); }

// A shared handle on bytes in host memory. Copies share, the last one releases. The count stands in front of the data.
class HostBuffer {
 public:
  HostBuffer() = default;
  explicit HostBuffer(std::size_t bytes)
      : header_(new (detail::allocate_block(bytes + sizeof(Header))) Header{bytes + sizeof(Header), detail::Owners(1)}) {}
  HostBuffer(const HostBuffer& other) noexcept : header_(other.header_) {
    if (header_) header_->owners.add();
  }
  HostBuffer(HostBuffer&& other) noexcept : header_(std::exchange(other.header_, nullptr)) {}
  HostBuffer& operator=(HostBuffer other) noexcept {
    std::swap(header_, other.header_);
    return *this;
  }
  ~HostBuffer() {
    if (header_ && header_->owners.leave()) detail::release_block(header_, header_->bytes);
  }

  void* data() const { return header_ + 1; }
  bool sole_owner() const { return header_ && header_->owners.sole(); }
  explicit operator bool() const { return header_ != nullptr; }

 private:
  struct alignas(64) Header {
    std::size_t bytes;
    detail::Owners owners;
  };
  Header* header_ = nullptr;
};

}  // namespace cmoe
