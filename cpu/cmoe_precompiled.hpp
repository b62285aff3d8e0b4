// The kernels of Cpu<float> and Cpu<double> as a list: compiled once into a library for programs of many files.
#pragma once

#include "cmoe/cpu/kernels.hpp"

// Declares (`extern`) or defines (nothing) every kernel that is worth it for one scalar type. A file that includes cmoe/cpu/cpu.hpp
// with CMOE_PRECOMPILED_KERNELS defined takes them from the library cmoe_kernels instead of compiling its own.
#define CMOE_UNARY_KERNELS(word, Real, F)                                                      \
  word template void map<fn::F, Real>(Index, const Real*, Real*);                              \
  word template void map_back<fn::F, Real>(Index, const Real*, const Real*, const Real*, Real*);
#define CMOE_BINARY_KERNELS(word, Real, F)                                                                     \
  word template void zip<fn::F, Real>(Index, const Real*, const Real*, Real*);                                 \
  word template void zip_broadcast<fn::F, Real>(Index, Index, Index, const Real*, const Real*, Real*);         \
  word template void zip_back<fn::F, Real>(Index, const Real*, const Real*, const Real*, const Real*, Real*, Real*);
#define CMOE_KERNELS(word, Real)                                                                                                         \
  CMOE_UNARY_KERNELS(word, Real, Negate)                                                                                                 \
  CMOE_UNARY_KERNELS(word, Real, Square)                                                                                                 \
  CMOE_UNARY_KERNELS(word, Real, Exp)                                                                                                    \
  CMOE_UNARY_KERNELS(word, Real, Log)                                                                                                    \
  CMOE_UNARY_KERNELS(word, Real, Tanh)                                                                                                   \
  CMOE_UNARY_KERNELS(word, Real, Sigmoid)                                                                                                \
  CMOE_UNARY_KERNELS(word, Real, Softplus)                                                                                               \
  CMOE_UNARY_KERNELS(word, Real, Relu)                                                                                                   \
  CMOE_UNARY_KERNELS(word, Real, Silu)                                                                                                   \
  CMOE_UNARY_KERNELS(word, Real, Gelu)                                                                                                   \
  CMOE_UNARY_KERNELS(word, Real, GeluTanh)                                                                                               \
  CMOE_BINARY_KERNELS(word, Real, Add)                                                                                                   \
  CMOE_BINARY_KERNELS(word, Real, Subtract)                                                                                              \
  CMOE_BINARY_KERNELS(word, Real, Multiply)                                                                                              \
  CMOE_BINARY_KERNELS(word, Real, Divide)                                                                                                \
  CMOE_BINARY_KERNELS(word, Real, SwiGlu)                                                                                                \
  word template void affine<Real>(Index, Real, const Real*, Real, Real*);                                                                \
  word template void axpy<Real>(Index, Real, const Real*, Real*);                                                                        \
  word template void gemm<Real>(Form, Index, Index, Index, Real, const Real*, Index, const Real*, Index, bool, Real*, Index);            \
  word template void gemm_batched<Real>(Form, Index, Index, Index, Index, Real, const Real*, Index, const Real*, Index, bool, Real*,     \
                                        Index);                                                                                          \
  word template void gemm_grouped<Real>(Form, Index, const Index*, Index, Index, Real, const Real*, const Real*, bool, Real*);           \
  word template void stored_product<Real>(const StoredMatrix&, Index, const Real*, Real*);                                               \
  word template void stored_product_back<Real>(const StoredMatrix&, Index, const Real*, Real*);                                          \
  word template void gather_stored<Real>(const StoredMatrix&, Index, const Id*, Real*);                                                  \
  word template void softmax_rows<Real>(Index, Index, const Real*, Real*);                                                               \
  word template void softmax_rows_back<Real>(Index, Index, const Real*, const Real*, Real*);                                             \
  word template void logsumexp_rows<Real>(Index, Index, const Real*, Real*);                                                             \
  word template void logsumexp_rows_back<Real>(Index, Index, const Real*, const Real*, const Real*, Real*);                              \
  word template void layer_norm<Real>(Index, Index, Real, const Real*, const Real*, const Real*, Real*, Real*, Real*);                   \
  word template void layer_norm_back<Real>(Index, Index, const Real*, const Real*, const Real*, const Real*, const Real*, Real*, Real*,  \
                                           Real*);                                                                                       \
  word template void rms_norm<Real>(Index, Index, Real, const Real*, const Real*, Real*, Real*);                                         \
  word template void rms_norm_back<Real>(Index, Index, const Real*, const Real*, const Real*, const Real*, Real*, Real*);                \
  word template void cross_entropy<Real>(Index, Index, const Real*, const Id*, Id, Real*, Real*);                                        \
  word template void cross_entropy_back<Real>(Index, Index, const Real*, const Id*, Id, const Real*, const Real*, Real*);                \
  word template void sum_rows<Real>(Index, Index, const Real*, Real*);                                                                   \
  word template void sum_columns<Real>(Index, Index, const Real*, Real*);                                                                \
  word template void reduce_broadcast<Real>(Index, Index, Index, const Real*, Real*);                                                    \
  word template void causal_attention<Real>(const AttentionShape&, Real, const Real*, const Real*, const Real*, const Id*, const Id*,    \
                                            Real*, Real*);                                                                               \
  word template void causal_attention_back<Real>(const AttentionShape&, Real, const Real*, const Real*, const Real*, const Id*,          \
                                                 const Id*, const Real*, const Real*, const Real*, Real*, Real*, Real*);                 \
  word template void stickbreaking_attention<Real>(const AttentionShape&, Real, bool, const Real*, const Real*, const Real*, const Id*,  \
                                                   const Id*, Real*, Real*);                                                             \
  word template void stickbreaking_attention_back<Real>(const AttentionShape&, Real, bool, const Real*, const Real*, const Real*,        \
                                                        const Id*, const Id*, const Real*, const Real*, const Real*, Real*, Real*,       \
                                                        Real*);                                                                          \
  word template void rotary<Real>(Index, Index, Index, Index, bool, Real, const Real*, const Real*, const Real*, Real*);                 \
  word template void adamw<Real>(Index, Real*, const Real*, Real*, Real*, const AdamWStep<Real>&);                                       \
  word template double sum_squares<Real>(Index, const Real*);

#if defined(CMOE_PRECOMPILED_KERNELS)
namespace cmoe::cpu {
CMOE_KERNELS(extern, float)
CMOE_KERNELS(extern, double)
}  // namespace cmoe::cpu
#endif
