// The backend: the complete list of what a device must be able to do.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

#include "cmoe/core/functors.hpp"
#include "cmoe/core/product.hpp"
#include "cmoe/core/shape.hpp"
#include "cmoe/core/stored_matrix.hpp"

namespace cmoe {

// A backend is a type with static functions on raw pointers into its own memory: a device and a scalar in one, Cpu<float> for
// example. Arrays are contiguous and row-major; n, rows, cols count elements; x, y, g are values, results, gradients. Pointers
// may be null only where a comment says so. No function checks ids or shapes: the ops do. All functions give the same bits for
// any number of threads. Decorators inherit: struct Counting : Cpu<float> { static void gemm(...) }.
template <class B>
concept Backend = requires(Index n, Index rows, Index cols, Index k, bool flag, double number, std::uint64_t key, Id id, Form form,
                           typename B::Scalar s, const typename B::Scalar* x, typename B::Scalar* y, const Id* ids, Id* ids_out,
                           const Index* offsets, Index* offsets_out, const AttentionShape& attention,
                           const AdamWStep<typename B::Scalar>& step, const StoredMatrix& stored) {
  // memory
  requires std::constructible_from<typename B::Buffer, std::size_t>;  // a shared handle on bytes of the device
  B::fill(n, s, y);
  B::copy(n, x, y);      // device to device
  B::upload(n, x, y);    // host to device
  B::download(n, x, y);  // device to host

  // elementwise, for every formula of fn::Unary and fn::Binary
  B::template map<fn::Exp>(n, x, y);
  B::template map_back<fn::Exp>(n, x, x, x, y);                      // g_x = g_y · df(x, y)
  B::template zip<fn::Multiply>(n, x, x, y);
  B::template zip_broadcast<fn::Multiply>(rows, cols, k, x, x, y);   // a (rows,cols,k), b (cols)
  B::template zip_back<fn::Multiply>(n, x, x, x, x, y, y);           // either result may be null
  B::affine(n, s, x, s, y);                                          // y = s x + s
  B::axpy(n, s, x, y);                                               // y += s x
  B::dropout(n, number, key, x, y);

  // products: y = s · op(a) op(b), added to y if the flag is set
  B::gemm(form, rows, cols, k, s, x, n, x, n, flag, y, n);
  B::gemm_batched(form, n, rows, cols, k, s, x, n, x, n, flag, y, n);
  B::gemm_grouped(form, n, offsets, rows, cols, s, x, x, flag, y);   // one weight for each group of rows; offsets lie on the host

  // a matrix w (rows,cols) as it lies in a file
  B::stored_product(stored, n, x, y);                                // y (n,rows) = x wᵀ
  B::stored_product_back(stored, n, x, y);                           // y (n,cols) = x w
  B::gather_stored(stored, n, ids, y);                               // rows of w

  // rows: (rows,cols) matrices, one result or one normalisation a row
  B::softmax_rows(rows, cols, x, y);
  B::softmax_rows_back(rows, cols, x, x, y);
  B::logsumexp_rows(rows, cols, x, y);
  B::logsumexp_rows_back(rows, cols, x, x, x, y);
  B::layer_norm(rows, cols, s, x, x, x, y, y, y);
  B::layer_norm_back(rows, cols, x, x, x, x, x, y, y, y);            // the last two may be null
  B::rms_norm(rows, cols, s, x, x, y, y);                            // the gain may be null
  B::rms_norm_back(rows, cols, x, x, x, x, y, y);                    // the last may be null
  B::cross_entropy(rows, cols, x, ids, id, y, y);
  B::cross_entropy_back(rows, cols, x, ids, id, x, x, y);
  B::sum_rows(rows, cols, x, y);
  B::sum_columns(rows, cols, x, y);
  B::reduce_broadcast(rows, cols, k, x, y);                          // (rows,cols,k) -> (cols)
  B::argmax_rows(rows, cols, x, ids_out);
  B::topk_rows(rows, cols, k, x, y, ids_out);

  // ids
  { B::ids_within(n, ids, rows, id) } -> std::same_as<bool>;
  B::gather_rows(n, cols, ids, x, y);
  B::scatter_add_rows(n, cols, ids, x, y);
  B::take_columns(rows, cols, k, ids, x, y);
  B::take_columns_back(rows, cols, k, ids, x, y);                    // adds
  B::sort_by_group(n, rows, ids, ids_out, offsets_out);              // the offsets go to the host
  B::combine_rows(rows, cols, k, ids, x, x, y);                      // weights may be null
  B::combine_rows_back(rows, cols, k, ids, x, x, x, y, y);           // either result may be null

  // layout
  B::copy_block(rows, cols, x, n, flag, y, n);
  B::swap_axes(n, rows, cols, k, x, y);
  B::mean_of_range(n, rows, cols, ids, ids, x, y);
  B::mean_of_range_back(n, rows, cols, ids, ids, x, y);
  B::max_of_range(n, rows, cols, ids, ids, x, y, ids_out);           // and the row of each maximum, -1 for an empty range
  B::max_of_range_back(n, rows, cols, ids, x, y);                    // adds
  B::scale_blocks(n, rows, cols, k, x, x, y);                        // y[n,t,e,r] = g[n,e] x[n,t,e,r]
  B::dot_blocks(n, rows, cols, k, x, x, y);                          // g[n,e] = sum over t, r of x y
  B::rotary(n, rows, cols, k, flag, s, x, x, x, y);

  // attention: (N,T,H,D) layouts, the ranges of valid keys may be null
  B::causal_attention(attention, s, x, x, x, ids, ids, y, y);
  B::causal_attention_back(attention, s, x, x, x, ids, ids, x, x, x, y, y, y);
  B::stickbreaking_attention(attention, s, flag, x, x, x, ids, ids, y, y);
  B::stickbreaking_attention_back(attention, s, flag, x, x, x, ids, ids, x, x, x, y, y, y);  // the gradient of the rest may be null

  // optimiser
  B::adamw(n, y, x, y, y, step);
  { B::sum_squares(n, x) } -> std::same_as<double>;
  { B::all_finite(n, x) } -> std::same_as<bool>;
};

}  // namespace cmoe
