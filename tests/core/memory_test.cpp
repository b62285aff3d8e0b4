#include <doctest/doctest.h>

#include <cstdint>
#include <thread>

#include "cmoe/core/memory.hpp"

namespace cmoe::memory_test {

TEST_CASE("a block is never smaller than asked for and at most a ninth of it is unused, of a round size with its header nothing") {
  for (std::size_t bytes = 0; bytes < 5000; ++bytes) {
    const std::size_t full = detail::class_bytes(detail::size_class(bytes));
    REQUIRE(full >= bytes);
    REQUIRE(full % 64 == 0);
    if (bytes > 576) REQUIRE((full - bytes) * 9 <= full);
  }
  for (std::size_t shift = 13; shift < 48; ++shift)
    for (std::size_t bytes :
         {(std::size_t{1} << shift) - 1, std::size_t{1} << shift, (std::size_t{1} << shift) + 1, std::size_t{5} << shift}) {
      CAPTURE(bytes);
      const std::size_t full = detail::class_bytes(detail::size_class(bytes));
      CHECK(full >= bytes);
      CHECK((full - bytes) * 9 <= full);
      if (bytes % 2 == 0) CHECK(detail::class_bytes(detail::size_class(bytes + 64)) == bytes + 64);
      CHECK(detail::size_class(bytes) < detail::BlockCache::classes);
    }
}

TEST_CASE("size classes grow one by one, and the largest size of a class is its own") {
  for (std::size_t c = 0; c < 150; ++c) {
    CAPTURE(c);
    CHECK(detail::class_bytes(c) < detail::class_bytes(c + 1));
    CHECK(detail::size_class(detail::class_bytes(c)) == c);
    CHECK(detail::size_class(detail::class_bytes(c) + 1) == c + 1);
  }
}

TEST_CASE("copies share a buffer and the last one releases it") {
  const std::size_t before = memory_in_use();
  {
    HostBuffer a(1000);
    CHECK(reinterpret_cast<std::uintptr_t>(a.data()) % 64 == 0);
    CHECK(memory_in_use() >= before + 1000);
    const std::size_t one = memory_in_use();
    CHECK(a.sole_owner());
    {
      const HostBuffer b = a;
      CHECK(b.data() == a.data());
      CHECK_FALSE(a.sole_owner());
      CHECK(memory_in_use() == one);
    }
    CHECK(a.sole_owner());
    const HostBuffer c = std::move(a);
    CHECK(c.sole_owner());
    CHECK(memory_in_use() == one);
  }
  CHECK(memory_in_use() == before);
}

TEST_CASE("an empty handle holds nothing, a handle on no bytes holds a block") {
  CHECK_FALSE(static_cast<bool>(HostBuffer()));
  CHECK_FALSE(HostBuffer().sole_owner());
  CHECK(static_cast<bool>(HostBuffer(0)));
}

TEST_CASE("peak memory is the most that was held at once since the reset") {
  reset_peak_memory();
  const std::size_t before = memory_in_use();
  CHECK(peak_memory() == before);
  for (int i = 0; i < 10; ++i) HostBuffer one(100000);
  CHECK(peak_memory() >= before + 100000);
  CHECK(peak_memory() < before + 200000);
  { const HostBuffer one(100000), two(100000); }
  CHECK(peak_memory() >= before + 200000);
  reset_peak_memory();
  CHECK(peak_memory() == before);
}

TEST_CASE("a released block is given again") {
  if (!detail::cache_blocks) return;
  void* first = HostBuffer(3000).data();
  CHECK(HostBuffer(3000).data() == first);
  release_cached_memory();
  CHECK(detail::block_cache.held == 0);
}

TEST_CASE("a buffer may be released by another thread") {
  auto buffer = std::make_unique<HostBuffer>(500);
  std::thread([&] { buffer.reset(); }).join();
  const HostBuffer next(500);
  CHECK(next.sole_owner());
}

TEST_CASE("handles that several threads copy and drop at once are all counted") {
  HostBuffer buffer(500);
  const auto copy_and_drop = [&] {
    for (int i = 0; i < 20000; ++i) {
      const HostBuffer one = buffer;
      const HostBuffer two = one;
    }
  };
  std::thread other(copy_and_drop);
  copy_and_drop();
  other.join();
  CHECK(buffer.sole_owner());
}

TEST_CASE("a count that began in a process of one thread goes on in one of two") {
  detail::Owners owners(2);
  owners.add();
  std::thread([&] { CHECK_FALSE(owners.leave()); }).join();
  CHECK_FALSE(owners.sole());
  CHECK_FALSE(owners.leave());
  CHECK(owners.sole());
  CHECK(owners.leave());
}

TEST_CASE("memory that the system refuses is an error that says how much was asked for") {
  if (!detail::cache_blocks) return;  // the address sanitizer ends the program instead
  reset_peak_memory();
  const std::size_t before = memory_in_use();
  try {
    const HostBuffer impossible(std::size_t{1} << 60);
    FAIL("an exabyte was granted");
  } catch (const Error& e) {
    CHECK(e.kind() == ErrorKind::memory);
    CHECK(std::string(e.what()).find("bytes were refused") != std::string::npos);
  }
  CHECK_THROWS_AS(HostBuffer(std::size_t{1} << 61), Error);
  CHECK(memory_in_use() == before);
  CHECK(peak_memory() == before);
}

TEST_CASE("a thread that asks for ever new sizes gives the old ones back") {
  std::size_t most = 0, again = 0;
  std::thread([&] {
    for (const std::size_t megabytes : {33, 41, 49, 57, 65, 81, 97, 113, 129, 161}) {
      const HostBuffer buffer(megabytes << 20);
      most = std::max(most, detail::block_cache.held);
    }
    for (int turn = 0; turn < 20; ++turn) {  // sizes that come again stay
      const HostBuffer one(1 << 20), two(3 << 20);
    }
    const void* first = HostBuffer(5 << 20).data();
    again = HostBuffer(5 << 20).data() == first;
  }).join();
  CHECK(most <= (std::size_t{32 + 161} << 20));
  if (detail::cache_blocks) CHECK(again == 1);
}

}  // namespace cmoe::memory_test
