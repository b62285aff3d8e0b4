// The primitives of a device as declarations, in the groups of core/backend.hpp. Kernels written in phases define them in the
// folder cuda, for a GPU and for their execution on the host.
#pragma once

#include <bit>
#include <cstdint>
#include <string>

#include "cmoe/core/backend.hpp"
#include "cmoe/cuda/buffer.hpp"

namespace cmoe::cuda {

// Which of a list's formulas F is: the list is what the kernels are compiled for.
template <class List, class F>
constexpr int place_of() {
  static_assert(xtl::mpl::contains<List, F>::value, "this formula has no kernel: put it into fn::Unary or fn::Binary");
  return static_cast<int>(xtl::mpl::index_of<List, F>::value);
}
using Pairwise = xtl::mpl::push_back_t<fn::Binary, fn::Second>;  // what zip takes; Second has no derivative

template <class Machine>
struct Memory {
  template <class T>
  static void fill(Index n, T value, T* y) {
    static_assert(sizeof(T) == 4 || sizeof(T) == 8, "fill: numbers of 4 or 8 bytes");
    if constexpr (sizeof(T) == 4) fill_words(n, std::bit_cast<std::uint32_t>(value), y);
    else fill_words(n, std::bit_cast<std::uint64_t>(value), y);
  }
  template <class T>
  static void copy(Index n, const T* x, T* y) {
    Machine::copy(static_cast<std::size_t>(n) * sizeof(T), x, y);
  }
  template <class T>
  static void upload(Index n, const T* x, T* y) {
    Machine::upload(static_cast<std::size_t>(n) * sizeof(T), x, y);
  }
  template <class T>
  static void download(Index n, const T* x, T* y) {
    Machine::download(static_cast<std::size_t>(n) * sizeof(T), x, y);
  }

 private:
  static void fill_words(Index n, std::uint32_t bits, void* y);
  static void fill_words(Index n, std::uint64_t bits, void* y);
};

template <class Real, class Machine>
struct Elementwise {
  template <class F>
  static void map(Index n, const Real* x, Real* y) {
    unary(place_of<fn::Unary, F>(), n, x, y);
  }
  template <class F>
  static void map_back(Index n, const Real* x, const Real* y, const Real* dy, Real* dx) {
    unary_back(place_of<fn::Unary, F>(), n, x, y, dy, dx);
  }
  template <class F>
  static void zip(Index n, const Real* a, const Real* b, Real* y) {
    binary(place_of<Pairwise, F>(), n, a, b, y);
  }
  template <class F>
  static void zip_broadcast(Index outer, Index mid, Index inner, const Real* a, const Real* b, Real* y) {
    binary_broadcast(place_of<Pairwise, F>(), outer, mid, inner, a, b, y);
  }
  template <class F>
  static void zip_back(Index n, const Real* a, const Real* b, const Real* y, const Real* dy, Real* da, Real* db) {
    binary_back(place_of<fn::Binary, F>(), n, a, b, y, dy, da, db);
  }
  static void affine(Index n, Real alpha, const Real* x, Real beta, Real* y);
  static void axpy(Index n, Real alpha, const Real* x, Real* y);
  static void dropout(Index n, double p, std::uint64_t key, const Real* x, Real* y);

 private:
  static void unary(int formula, Index n, const Real* x, Real* y);
  static void unary_back(int formula, Index n, const Real* x, const Real* y, const Real* dy, Real* dx);
  static void binary(int formula, Index n, const Real* a, const Real* b, Real* y);
  static void binary_broadcast(int formula, Index outer, Index mid, Index inner, const Real* a, const Real* b, Real* y);
  static void binary_back(int formula, Index n, const Real* a, const Real* b, const Real* y, const Real* dy, Real* da, Real* db);
};

template <class Real, class Machine>
struct Products {
  static void gemm(Form form, Index m, Index n, Index k, Real alpha, const Real* a, Index lda, const Real* b, Index ldb, bool accumulate,
                   Real* c, Index ldc);
  static void gemm_batched(Form form, Index batch, Index m, Index n, Index k, Real alpha, const Real* a, Index stride_a, const Real* b,
                           Index stride_b, bool accumulate, Real* c, Index stride_c);
  static void gemm_grouped(Form form, Index groups, const Index* offsets, Index n, Index k, Real alpha, const Real* a, const Real* b,
                           bool accumulate, Real* c);
};

// The bytes of a stored matrix are copied to the device when a product first reads them, and stay there as long as the matrix's
// owner lives.
template <class Real, class Machine>
struct StoredProducts {
  static void stored_product(const StoredMatrix& w, Index m, const Real* x, Real* y);
  static void stored_product_back(const StoredMatrix& w, Index m, const Real* dy, Real* dx);
  static void gather_stored(const StoredMatrix& w, Index n, const Id* ids, Real* y);
};

template <class Real, class Machine>
struct Rows {
  static void softmax_rows(Index rows, Index cols, const Real* x, Real* y);
  static void softmax_rows_back(Index rows, Index cols, const Real* y, const Real* dy, Real* dx);
  static void logsumexp_rows(Index rows, Index cols, const Real* x, Real* y);
  static void logsumexp_rows_back(Index rows, Index cols, const Real* x, const Real* y, const Real* dy, Real* dx);
  static void cross_entropy(Index rows, Index cols, const Real* logits, const Id* labels, Id ignored, Real* loss, Real* log_sum);
  static void cross_entropy_back(Index rows, Index cols, const Real* logits, const Id* labels, Id ignored, const Real* log_sum,
                                 const Real* dloss, Real* dlogits);
  static void argmax_rows(Index rows, Index cols, const Real* x, Id* y);
  static void topk_rows(Index rows, Index cols, Index k, const Real* x, Real* values, Id* ids);
};

template <class Real, class Machine>
struct Norms {
  static void layer_norm(Index rows, Index cols, Real epsilon, const Real* x, const Real* gain, const Real* bias, Real* y, Real* mean,
                         Real* scale);
  static void layer_norm_back(Index rows, Index cols, const Real* x, const Real* gain, const Real* mean, const Real* scale,
                              const Real* dy, Real* dx, Real* dgain, Real* dbias);
  static void rms_norm(Index rows, Index cols, Real epsilon, const Real* x, const Real* gain, Real* y, Real* scale);
  static void rms_norm_back(Index rows, Index cols, const Real* x, const Real* gain, const Real* scale, const Real* dy, Real* dx,
                            Real* dgain);
};

template <class Real, class Machine>
struct Sums {
  static void sum_rows(Index rows, Index cols, const Real* x, Real* y);
  static void sum_columns(Index rows, Index cols, const Real* x, Real* y);
  static void reduce_broadcast(Index outer, Index mid, Index inner, const Real* x, Real* y);
  static double sum_squares(Index n, const Real* x);
  static bool all_finite(Index n, const Real* x);
};

template <class Real, class Machine>
struct Indexing {
  static void gather_rows(Index n, Index cols, const Id* ids, const Real* x, Real* y);
  static void scatter_add_rows(Index n, Index cols, const Id* ids, const Real* x, Real* y);
  static void take_columns(Index rows, Index cols, Index k, const Id* ids, const Real* x, Real* y);
  static void take_columns_back(Index rows, Index cols, Index k, const Id* ids, const Real* dy, Real* dx);
  static void combine_rows(Index rows, Index cols, Index k, const Id* place, const Real* weight, const Real* x, Real* y);
  static void combine_rows_back(Index rows, Index cols, Index k, const Id* place, const Real* weight, const Real* x, const Real* dy,
                                Real* dx, Real* dweight);
};

// What knows ids alone: one definition for every scalar.
template <class Machine>
struct Sorting {
  static bool ids_within(Index n, const Id* ids, Index limit, Id allowed);
  static void sort_by_group(Index n, Index groups, const Id* ids, Id* order, Index* offsets);
};

template <class Real, class Machine>
struct Layout {
  static void copy_block(Index rows, Index cols, const Real* x, Index x_stride, bool accumulate, Real* y, Index y_stride);
  static void swap_axes(Index a, Index b, Index c, Index d, const Real* x, Real* y);
  static void mean_of_range(Index n, Index rows, Index cols, const Id* first, const Id* last, const Real* x, Real* y);
  static void mean_of_range_back(Index n, Index rows, Index cols, const Id* first, const Id* last, const Real* dy, Real* dx);
  static void max_of_range(Index n, Index rows, Index cols, const Id* first, const Id* last, const Real* x, Real* y, Id* place);
  static void max_of_range_back(Index n, Index rows, Index cols, const Id* place, const Real* dy, Real* dx);
  static void scale_blocks(Index n, Index t, Index e, Index r, const Real* x, const Real* g, Real* y);
  static void dot_blocks(Index n, Index t, Index e, Index r, const Real* x, const Real* y, Real* g);
  static void rotary(Index n, Index t, Index h, Index d, bool adjacent, Real direction, const Real* cosine, const Real* sine,
                     const Real* x, Real* y);
};

template <class Real, class Machine>
struct Causal {
  static void causal_attention(const AttentionShape& shape, Real scale, const Real* q, const Real* k, const Real* v, const Id* first,
                               const Id* last, Real* out, Real* log_sum);
  static void causal_attention_back(const AttentionShape& shape, Real scale, const Real* q, const Real* k, const Real* v,
                                    const Id* first, const Id* last, const Real* out, const Real* log_sum, const Real* dout, Real* dq,
                                    Real* dk, Real* dv);
};

template <class Real, class Machine>
struct StickWalk {
  static void stickbreaking_attention(const AttentionShape& shape, Real scale, bool attend_current, const Real* q, const Real* k,
                                      const Real* v, const Id* first, const Id* last, Real* out, Real* log_rest);
  static void stickbreaking_attention_back(const AttentionShape& shape, Real scale, bool attend_current, const Real* q, const Real* k,
                                           const Real* v, const Id* first, const Id* last, const Real* log_rest, const Real* dout,
                                           const Real* drest, Real* dq, Real* dk, Real* dv);
};

template <class Real, class Machine>
struct Updates {
  static void adamw(Index n, Real* p, const Real* g, Real* m, Real* v, const AdamWStep<Real>& step);
};

// A backend that computes in Real on Machine. Each group has its own file of kernels, compiled once for each of the two.
template <class Real, class Machine>
struct Primitives : Memory<Machine>,
                    Elementwise<Real, Machine>,
                    Products<Real, Machine>,
                    StoredProducts<Real, Machine>,
                    Rows<Real, Machine>,
                    Norms<Real, Machine>,
                    Sums<Real, Machine>,
                    Indexing<Real, Machine>,
                    Sorting<Machine>,
                    Layout<Real, Machine>,
                    Causal<Real, Machine>,
                    StickWalk<Real, Machine>,
                    Updates<Real, Machine> {
  using Scalar = Real;
  using Buffer = cuda::Buffer<Machine>;
};

}  // namespace cmoe::cuda
