// Cpu<float> and Cpu<double>: the backend of the host, every primitive of the list in core/backend.hpp.
#pragma once

#include <algorithm>
#include <cstring>

#include "cmoe/core/backend.hpp"
#include "cmoe/core/memory.hpp"
#include "cmoe/cpu/index.hpp"
#include "cmoe/cpu/layout.hpp"
#include "cmoe/cpu/kernels.hpp"
#if defined(CMOE_PRECOMPILED_KERNELS)
#include "cmoe_precompiled.hpp"  // comes with the library cmoe_kernels: these kernels are compiled there and not here
#endif

namespace cmoe {

// The backend of the host with numbers of type Real, float or double: what core/backend.hpp asks for.
template <class Real>
struct Cpu {
  using Scalar = Real;
  using Buffer = HostBuffer;

  template <class T>
  static void fill(Index n, T value, T* y) {
    std::fill_n(y, n, value);
  }
  template <class T>
  static void copy(Index n, const T* x, T* y) {
    std::copy_n(x, n, y);
  }
  template <class T>
  static void upload(Index n, const T* x, T* y) {
    std::copy_n(x, n, y);
  }
  template <class T>
  static void download(Index n, const T* x, T* y) {
    std::copy_n(x, n, y);
  }

  template <class F>
  static void map(Index n, const Real* x, Real* y) {
    cpu::kernels::map<F>(n, x, y);
  }
  template <class F>
  static void map_back(Index n, const Real* x, const Real* y, const Real* dy, Real* dx) {
    cpu::kernels::map_back<F>(n, x, y, dy, dx);
  }
  template <class F>
  static void zip(Index n, const Real* a, const Real* b, Real* y) {
    cpu::kernels::zip<F>(n, a, b, y);
  }
  template <class F>
  static void zip_broadcast(Index outer, Index mid, Index inner, const Real* a, const Real* b, Real* y) {
    cpu::kernels::zip_broadcast<F>(outer, mid, inner, a, b, y);
  }
  template <class F>
  static void zip_back(Index n, const Real* a, const Real* b, const Real* y, const Real* dy, Real* da, Real* db) {
    cpu::kernels::zip_back<F>(n, a, b, y, dy, da, db);
  }
  static void affine(Index n, Real alpha, const Real* x, Real beta, Real* y) { cpu::affine(n, alpha, x, beta, y); }
  static void axpy(Index n, Real alpha, const Real* x, Real* y) { cpu::kernels::axpy(n, alpha, x, y); }
  static void dropout(Index n, double p, std::uint64_t key, const Real* x, Real* y) { cpu::dropout(n, p, key, x, y); }

  static void gemm(Form form, Index m, Index n, Index k, Real alpha, const Real* a, Index lda, const Real* b, Index ldb, bool accumulate,
                   Real* c, Index ldc) {
    cpu::kernels::gemm(form, m, n, k, alpha, a, lda, b, ldb, accumulate, c, ldc);
  }
  static void gemm_batched(Form form, Index batch, Index m, Index n, Index k, Real alpha, const Real* a, Index stride_a, const Real* b,
                           Index stride_b, bool accumulate, Real* c, Index stride_c) {
    cpu::kernels::gemm_batched(form, batch, m, n, k, alpha, a, stride_a, b, stride_b, accumulate, c, stride_c);
  }
  static void gemm_grouped(Form form, Index groups, const Index* offsets, Index n, Index k, Real alpha, const Real* a, const Real* b,
                           bool accumulate, Real* c) {
    cpu::kernels::gemm_grouped(form, groups, offsets, n, k, alpha, a, b, accumulate, c);
  }

  static void stored_product(const StoredMatrix& w, Index m, const Real* x, Real* y) { cpu::kernels::stored_product(w, m, x, y); }
  static void stored_product_back(const StoredMatrix& w, Index m, const Real* dy, Real* dx) { cpu::kernels::stored_product_back(w, m, dy, dx); }
  static void gather_stored(const StoredMatrix& w, Index n, const Id* ids, Real* y) { cpu::kernels::gather_stored(w, n, ids, y); }

  static void softmax_rows(Index rows, Index cols, const Real* x, Real* y) { cpu::kernels::softmax_rows(rows, cols, x, y); }
  static void softmax_rows_back(Index rows, Index cols, const Real* y, const Real* dy, Real* dx) {
    cpu::kernels::softmax_rows_back(rows, cols, y, dy, dx);
  }
  static void logsumexp_rows(Index rows, Index cols, const Real* x, Real* y) { cpu::kernels::logsumexp_rows(rows, cols, x, y); }
  static void logsumexp_rows_back(Index rows, Index cols, const Real* x, const Real* y, const Real* dy, Real* dx) {
    cpu::kernels::logsumexp_rows_back(rows, cols, x, y, dy, dx);
  }
  static void layer_norm(Index rows, Index cols, Real epsilon, const Real* x, const Real* gain, const Real* bias, Real* y, Real* mean,
                         Real* scale) {
    cpu::kernels::layer_norm(rows, cols, epsilon, x, gain, bias, y, mean, scale);
  }
  static void layer_norm_back(Index rows, Index cols, const Real* x, const Real* gain, const Real* mean, const Real* scale,
                              const Real* dy, Real* dx, Real* dgain, Real* dbias) {
    cpu::kernels::layer_norm_back(rows, cols, x, gain, mean, scale, dy, dx, dgain, dbias);
  }
  static void rms_norm(Index rows, Index cols, Real epsilon, const Real* x, const Real* gain, Real* y, Real* scale) {
    cpu::kernels::rms_norm(rows, cols, epsilon, x, gain, y, scale);
  }
  static void rms_norm_back(Index rows, Index cols, const Real* x, const Real* gain, const Real* scale, const Real* dy, Real* dx,
                            Real* dgain) {
    cpu::kernels::rms_norm_back(rows, cols, x, gain, scale, dy, dx, dgain);
  }
  static void cross_entropy(Index rows, Index cols, const Real* logits, const Id* labels, Id ignored, Real* loss, Real* log_sum) {
    cpu::kernels::cross_entropy(rows, cols, logits, labels, ignored, loss, log_sum);
  }
  static void cross_entropy_back(Index rows, Index cols, const Real* logits, const Id* labels, Id ignored, const Real* log_sum,
                                 const Real* dloss, Real* dlogits) {
    cpu::kernels::cross_entropy_back(rows, cols, logits, labels, ignored, log_sum, dloss, dlogits);
  }
  static void sum_rows(Index rows, Index cols, const Real* x, Real* y) { cpu::kernels::sum_rows(rows, cols, x, y); }
  static void sum_columns(Index rows, Index cols, const Real* x, Real* y) { cpu::kernels::sum_columns(rows, cols, x, y); }
  static void reduce_broadcast(Index outer, Index mid, Index inner, const Real* x, Real* y) {
    cpu::kernels::reduce_broadcast(outer, mid, inner, x, y);
  }
  static void argmax_rows(Index rows, Index cols, const Real* x, Id* y) { cpu::kernels::argmax_rows(rows, cols, x, y); }
  static void topk_rows(Index rows, Index cols, Index k, const Real* x, Real* values, Id* ids) {
    cpu::kernels::topk_rows(rows, cols, k, x, values, ids);
  }

  static bool ids_within(Index n, const Id* ids, Index limit, Id allowed) { return cpu::ids_within(n, ids, limit, allowed); }
  static void gather_rows(Index n, Index cols, const Id* ids, const Real* x, Real* y) { cpu::gather_rows(n, cols, ids, x, y); }
  static void scatter_add_rows(Index n, Index cols, const Id* ids, const Real* x, Real* y) { cpu::scatter_add_rows(n, cols, ids, x, y); }
  static void take_columns(Index rows, Index cols, Index k, const Id* ids, const Real* x, Real* y) {
    cpu::take_columns(rows, cols, k, ids, x, y);
  }
  static void take_columns_back(Index rows, Index cols, Index k, const Id* ids, const Real* dy, Real* dx) {
    cpu::take_columns_back(rows, cols, k, ids, dy, dx);
  }
  static void sort_by_group(Index n, Index groups, const Id* ids, Id* order, Index* offsets) {
    cpu::sort_by_group(n, groups, ids, order, offsets);
  }
  static void combine_rows(Index rows, Index cols, Index k, const Id* place, const Real* weight, const Real* x, Real* y) {
    cpu::combine_rows(rows, cols, k, place, weight, x, y);
  }
  static void combine_rows_back(Index rows, Index cols, Index k, const Id* place, const Real* weight, const Real* x, const Real* dy,
                                Real* dx, Real* dweight) {
    cpu::combine_rows_back(rows, cols, k, place, weight, x, dy, dx, dweight);
  }

  static void copy_block(Index rows, Index cols, const Real* x, Index x_stride, bool accumulate, Real* y, Index y_stride) {
    cpu::copy_block(rows, cols, x, x_stride, accumulate, y, y_stride);
  }
  static void swap_axes(Index a, Index b, Index c, Index d, const Real* x, Real* y) { cpu::swap_axes(a, b, c, d, x, y); }
  static void mean_of_range(Index n, Index rows, Index cols, const Id* first, const Id* last, const Real* x, Real* y) {
    cpu::mean_of_range(n, rows, cols, first, last, x, y);
  }
  static void mean_of_range_back(Index n, Index rows, Index cols, const Id* first, const Id* last, const Real* dy, Real* dx) {
    cpu::mean_of_range_back(n, rows, cols, first, last, dy, dx);
  }
  static void max_of_range(Index n, Index rows, Index cols, const Id* first, const Id* last, const Real* x, Real* y, Id* place) {
    cpu::max_of_range(n, rows, cols, first, last, x, y, place);
  }
  static void max_of_range_back(Index n, Index rows, Index cols, const Id* place, const Real* dy, Real* dx) {
    cpu::max_of_range_back(n, rows, cols, place, dy, dx);
  }
  static void scale_blocks(Index n, Index t, Index e, Index r, const Real* x, const Real* g, Real* y) {
    cpu::scale_blocks(n, t, e, r, x, g, y);
  }
  static void dot_blocks(Index n, Index t, Index e, Index r, const Real* x, const Real* y, Real* g) {
    cpu::dot_blocks(n, t, e, r, x, y, g);
  }
  static void rotary(Index n, Index t, Index h, Index d, bool adjacent, Real direction, const Real* cosine, const Real* sine,
                     const Real* x, Real* y) {
    cpu::rotary(n, t, h, d, adjacent, direction, cosine, sine, x, y);
  }

  static void causal_attention(const AttentionShape& shape, Real scale, const Real* q, const Real* k, const Real* v, const Id* first,
                               const Id* last, Real* out, Real* log_sum) {
    cpu::kernels::causal_attention(shape, scale, q, k, v, first, last, out, log_sum);
  }
  static void causal_attention_back(const AttentionShape& shape, Real scale, const Real* q, const Real* k, const Real* v,
                                    const Id* first, const Id* last, const Real* out, const Real* log_sum, const Real* dout, Real* dq,
                                    Real* dk, Real* dv) {
    cpu::kernels::causal_attention_back(shape, scale, q, k, v, first, last, out, log_sum, dout, dq, dk, dv);
  }
  static void stickbreaking_attention(const AttentionShape& shape, Real scale, bool attend_current, const Real* q, const Real* k,
                                      const Real* v, const Id* first, const Id* last, Real* out, Real* log_rest) {
    cpu::kernels::stickbreaking_attention(shape, scale, attend_current, q, k, v, first, last, out, log_rest);
  }
  static void stickbreaking_attention_back(const AttentionShape& shape, Real scale, bool attend_current, const Real* q, const Real* k,
                                           const Real* v, const Id* first, const Id* last, const Real* log_rest, const Real* dout,
                                           const Real* drest, Real* dq, Real* dk, Real* dv) {
    cpu::kernels::stickbreaking_attention_back(shape, scale, attend_current, q, k, v, first, last, log_rest, dout, drest, dq, dk, dv);
  }

  static void adamw(Index n, Real* p, const Real* g, Real* m, Real* v, const AdamWStep<Real>& step) {
    cpu::kernels::adamw(n, p, g, m, v, step);
  }
  static double sum_squares(Index n, const Real* x) { return cpu::kernels::sum_squares(n, x); }
  static bool all_finite(Index n, const Real* x) { return cpu::kernels::all_finite(n, x); }
};

}  // namespace cmoe
