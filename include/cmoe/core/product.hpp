// Shapes of products: the three forms of a matrix product and the sizes of an attention, shared by every backend.
#pragma once

#include "cmoe/core/shape.hpp"

namespace cmoe {

// Which operand is stored transposed; the result is always (m,n).
enum class Form {
  nn,  // a (m,k), b (k,n)
  nt,  // a (m,k), b (n,k)
  tn   // a (k,m), b (k,n)
};

// q and out are (N,T,H,D), k and v (N,S,Hkv,D). Query head h reads key head h / (H / Hkv); query i stands at position
// i + (S − T), so that the last query is beside the last key.
struct AttentionShape {
  Index sequences;  // N
  Index queries;    // T
  Index keys;       // S
  Index heads;      // H
  Index kv_heads;   // Hkv, divides H
  Index head_size;  // D
};

// The scalars of one AdamW step; correction1 = 1 − β1^t, correction2 = 1 − β2^t. Gradients are multiplied by gradient_scale first.
template <class Real>
struct AdamWStep {
  Real lr, beta1, beta2, eps, weight_decay, correction1, correction2, gradient_scale;
};

}  // namespace cmoe
