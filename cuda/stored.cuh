// Products with stored matrices: a band of rows is decoded into scratch memory and multiplied, so that the whole matrix never
// exists as numbers of the device.
#pragma once

#include <map>
#include <mutex>

#include "decode.cuh"
#include "product.cuh"

namespace cmoe::cuda {

// A stored matrix as a kernel sees it: its bytes on the device.
struct StoredView {
  std::uint32_t type;
  Index cols, numbers, bytes;  // of a row, of a block, of a block
  const std::uint8_t* data;
  constexpr float operator()(Index row, Index col) const {
    const std::uint8_t* const block = data + (row * (cols / numbers) + col / numbers) * bytes;
    return decoded(type, block, static_cast<int>(col % numbers));
  }
};

// y (n,cols): row i is row ids[i], or first + i without ids.
template <class Real>
struct DecodeBody {
  StoredView w;
  Index first;
  const Id* ids;
  Real* y;
  constexpr void operator()(Index i) const {
    const Index row = i / w.cols;
    y[i] = static_cast<Real>(w(ids ? ids[row] : first + row, i % w.cols));
  }
};

// Bytes of stored matrices that lie on the device, until their owners are gone.
template <class Machine>
class StoredBytes {
 public:
  // throws Error if no kernel decodes the type
  static StoredView view(const StoredMatrix& w, Buffer<Machine>& held) {
    check(decodes(w.type().id), ErrorKind::config, "stored product: no kernel decodes ", std::string(w.type().name));
    held = bytes_of(w);
    return {w.type().id, w.cols(), w.type().numbers, w.type().bytes, static_cast<const std::uint8_t*>(held.data())};
  }

 private:
  struct Entry {
    std::weak_ptr<const void> owner;
    std::size_t size;
    Buffer<Machine> bytes;
  };
  struct Cache {
    std::mutex lock;
    std::map<const std::byte*, Entry> entries;
  };

  static Buffer<Machine> bytes_of(const StoredMatrix& w) {
    static auto* const cache = new Cache;  // never destroyed: matrices may be read until the very end
    const std::lock_guard<std::mutex> guard(cache->lock);
    for (auto at = cache->entries.begin(); at != cache->entries.end();)
      at = at->second.owner.expired() ? cache->entries.erase(at) : std::next(at);
    const auto found = cache->entries.find(w.bytes().data());
    if (found != cache->entries.end() && found->second.size == w.bytes().size()) return found->second.bytes;
    Buffer<Machine> bytes(w.bytes().size());
    Machine::upload(w.bytes().size(), w.bytes().data(), bytes.data());
    if (w.owner()) cache->entries.insert_or_assign(w.bytes().data(), Entry{w.owner(), w.bytes().size(), bytes});
    return bytes;
  }
};

// Rows of a band: enough of them for a product of many tiles, few enough that the numbers of a band stay below 64 MiB or so.
inline Index band_rows(Index cols) { return std::clamp<Index>((Index{1} << 24) / std::max<Index>(cols, 1), 64, 8192); }

// body(first, count, numbers (count,cols)) for one band of rows after another
template <class Real, class Machine, class Body>
void for_bands(const StoredMatrix& w, const Body& body) {
  Buffer<Machine> held;
  const StoredView view = StoredBytes<Machine>::view(w, held);
  const Index band = std::min(w.rows(), band_rows(w.cols()));
  const Scratch<Real, Machine> numbers(band * w.cols());
  for (Index first = 0; first < w.rows(); first += band) {
    const Index count = std::min(band, w.rows() - first);
    const Id* const in_order = nullptr;
    Execute<Machine>::each(count * w.cols(), DecodeBody<Real>{view, first, in_order, numbers.data()});
    body(first, count, numbers.data());
  }
}

template <class Real, class Machine>
void StoredProducts<Real, Machine>::stored_product(const StoredMatrix& w, Index m, const Real* x, Real* y) {
  if (m == 0) return;
  for_bands<Real, Machine>(w, [&](Index first, Index count, const Real* numbers) {
    Machine::multiply(Form::nt, 1, m, count, w.cols(), Real(1), x, w.cols(), 0, numbers, w.cols(), 0, false, y + first, w.rows(), 0);
  });
}
template <class Real, class Machine>
void StoredProducts<Real, Machine>::stored_product_back(const StoredMatrix& w, Index m, const Real* dy, Real* dx) {
  if (m == 0) return;
  if (w.rows() == 0) return Memory<Machine>::fill(m * w.cols(), Real(0), dx);
  for_bands<Real, Machine>(w, [&](Index first, Index count, const Real* numbers) {
    Machine::multiply(Form::nn, 1, m, w.cols(), count, Real(1), dy + first, w.rows(), 0, numbers, w.cols(), 0, first > 0, dx, w.cols(), 0);
  });
}
template <class Real, class Machine>
void StoredProducts<Real, Machine>::gather_stored(const StoredMatrix& w, Index n, const Id* ids, Real* y) {
  Buffer<Machine> held;
  const StoredView view = StoredBytes<Machine>::view(w, held);
  Execute<Machine>::each(n * w.cols(), DecodeBody<Real>{view, 0, ids, y});
}

}  // namespace cmoe::cuda
