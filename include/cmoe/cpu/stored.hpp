// Products with stored matrices: a band of rows is decoded and multiplied while it is in the cache, so that the whole matrix never
// exists as floats.
#pragma once

#include <type_traits>

#include "cmoe/core/parallel.hpp"
#include "cmoe/cpu/decode.hpp"
#include "cmoe/cpu/gemm.hpp"
#include "cmoe/cpu/scratch.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"

namespace cmoe::cpu {

namespace detail {

struct DecodedBand;
struct DecodedRow;

// Rows of a band: enough of them that packing the other operand once a band costs little, few enough for the second cache.
inline Index band_rows(Index cols) { return std::clamp<Index>((Index{1} << 18) / std::max<Index>(cols, 1) / 32 * 32, 32, 512); }

// Rows first..last-1 in the calling thread's scratch memory, decoded by all threads.
template <class Real>
const Real* decoded_band(const StoredMatrix& stored, Index first, Index last) {
  const Index cols = stored.cols();
  Real* const band = scratch<DecodedBand, Real>((last - first) * cols);
  parallel_for(last - first, 16, [&](Index begin, Index end) {
    if constexpr (std::is_same_v<Real, float>) {
      decode_rows(stored, first + begin, first + end, band + begin * cols);
    } else {
      float* const narrow = scratch<DecodedRow, float>((end - begin) * cols);
      decode_rows(stored, first + begin, first + end, narrow);
      std::copy_n(narrow, (end - begin) * cols, band + begin * cols);
    }
  });
  return band;
}

}  // namespace detail

// One row after another, decoded into the innermost cache and multiplied with the few rows of x: generation.
struct FewStoredRowsKernel {
  static constexpr Index most_rows = 3;

  template <int Bytes>
  [[gnu::always_inline]] static void run(const StoredMatrix* stored, Index begin, Index end, Index m, const float* x, float* decoded, float* y) {
    using P = Pack<float, Bytes>;
    const Index cols = stored->cols();
    for (Index r = begin; r < end; ++r) {
      DecodeKernel::run<Bytes>(&stored->type(), cols / stored->type().numbers, stored->row(r), decoded);
      for (Index i = 0; i < m; ++i) {
        const float* const row = x + i * cols;
        P a, b, c, d;
        Index k = 0;
        for (; k + 4 * P::width <= cols; k += 4 * P::width) {
          a = fma(P::load(row + k), P::load(decoded + k), a);
          b = fma(P::load(row + k + P::width), P::load(decoded + k + P::width), b);
          c = fma(P::load(row + k + 2 * P::width), P::load(decoded + k + 2 * P::width), c);
          d = fma(P::load(row + k + 3 * P::width), P::load(decoded + k + 3 * P::width), d);
        }
        for (; k < cols; k += P::width) a = fma(P::load(row + k, cols - k), P::load(decoded + k, cols - k), a);
        y[i * stored->rows() + r] = sum((a + b) + (c + d));
      }
    }
  }
};

// y (m,rows) = x (m,cols) · storedᵀ
template <class Real>
void stored_product(const StoredMatrix& stored, Index m, const Real* x, Real* y) {
  const Index rows = stored.rows(), cols = stored.cols();
  if constexpr (std::is_same_v<Real, float>)
    if (m <= FewStoredRowsKernel::most_rows)
      return parallel_for(rows, std::max<Index>(1, 65536 / cols), [&](Index begin, Index end) {
        dispatch<FewStoredRowsKernel>(&stored, begin, end, m, x, scratch<detail::DecodedRow, float>(cols), y);
      });
  const Index band = detail::band_rows(cols);
  for (Index first = 0; first < rows; first += band) {
    const Index last = std::min(rows, first + band);
    const Real* const decoded = detail::decoded_band<Real>(stored, first, last);
    gemm(Form::nt, m, last - first, cols, Real(1), x, cols, decoded, cols, false, y + first, rows);
  }
}

// dx (m,cols) = dy (m,rows) · stored
template <class Real>
void stored_product_back(const StoredMatrix& stored, Index m, const Real* dy, Real* dx) {
  const Index rows = stored.rows(), cols = stored.cols(), band = detail::band_rows(cols);
  if (rows == 0) return std::fill_n(dx, m * cols, Real(0)), void();
  for (Index first = 0; first < rows; first += band) {
    const Index last = std::min(rows, first + band);
    const Real* const decoded = detail::decoded_band<Real>(stored, first, last);
    gemm(Form::nn, m, cols, last - first, Real(1), dy + first, rows, decoded, cols, first > 0, dx, cols);
  }
}

// y (n,cols): row i is row ids[i] of the matrix.
template <class Real>
void gather_stored(const StoredMatrix& stored, Index n, const Id* ids, Real* y) {
  const Index cols = stored.cols();
  parallel_for(n, std::max<Index>(1, 16384 / cols), [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      float* const row = scratch<detail::DecodedRow, float>(cols);
      decode_rows(stored, ids[i], ids[i] + 1, row);
      std::copy_n(row, cols, y + i * cols);
    }
  });
}

}  // namespace cmoe::cpu
#pragma GCC diagnostic pop
