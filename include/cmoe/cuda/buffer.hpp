// Buffers of a device: shared handles on bytes that the host may hand around but never look into.
#pragma once

#include <cstddef>
#include <utility>

#include "cmoe/core/owners.hpp"

namespace cmoe::cuda {

// A shared handle on bytes of Machine, which has allocate(bytes) and release(data, bytes). Copies share, the last one releases.
// The count is kept on the host.
template <class Machine>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t bytes) : header_(new Header{bytes}) {
    try {
      header_->data = Machine::allocate(bytes);
    } catch (...) {
      delete header_;
      throw;
    }
  }
  Buffer(const Buffer& other) noexcept : header_(other.header_) {
    if (header_) header_->owners.add();
  }
  Buffer(Buffer&& other) noexcept : header_(std::exchange(other.header_, nullptr)) {}
  Buffer& operator=(Buffer other) noexcept {
    std::swap(header_, other.header_);
    return *this;
  }
  ~Buffer() {
    if (!header_ || !header_->owners.leave()) return;
    Machine::release(header_->data, header_->bytes);
    delete header_;
  }

  void* data() const { return header_ ? header_->data : nullptr; }
  bool sole_owner() const { return header_ && header_->owners.sole(); }
  explicit operator bool() const { return header_ != nullptr; }

 private:
  struct Header {
    std::size_t bytes;
    void* data = nullptr;
    cmoe::detail::Owners owners{1};
  };
  Header* header_ = nullptr;
};

}  // namespace cmoe::cuda
