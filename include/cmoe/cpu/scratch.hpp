// Scratch memory: a buffer of each thread that grows to the largest request and is used again by the next call.
#pragma once

#include <cstddef>
#include <new>

#include "cmoe/core/shape.hpp"

namespace cmoe::cpu {

// Room for n numbers, aligned to 64 bytes. Every Tag is a buffer of its own; a second call with the same Tag and Real takes
// the first one's room.
template <class Tag, class Real>
Real* scratch(Index n) {
  struct Buffer {
    Real* data = nullptr;
    Index room = 0;
    ~Buffer() { release(); }
    void release() { ::operator delete(data, std::align_val_t{64}); }
    void grow(Index wanted) {
      release();
      data = nullptr;
      room = 0;
      data = static_cast<Real*>(::operator new(static_cast<std::size_t>(wanted) * sizeof(Real), std::align_val_t{64}));
      room = wanted;
    }
  };
  static thread_local Buffer buffer;
  if (n > buffer.room) buffer.grow(n);
  return buffer.data;
}

}  // namespace cmoe::cpu
