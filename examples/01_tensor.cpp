// Tensors.
//
// A tensor is a value: a shape and numbers that lie one after another in memory, the last axis fastest. Copies share the numbers.
// Its one template parameter says where it lives and what its numbers are: Cpu<float> or Cpu<double>. This essay computes the
// heart of a transformer by hand, one head of causal attention, and compares it with the fused operation that models use.
//
// run:      bin/example_01_tensor
// ends with "the fused operation differs by less than 1e-5: yes"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "cmoe/attention/causal.hpp"
#include "cmoe/cpu/cpu.hpp"
#include "cmoe/ops/arithmetic.hpp"
#include "cmoe/ops/layout.hpp"
#include "cmoe/ops/matmul.hpp"
#include "cmoe/ops/softmax.hpp"

using namespace cmoe;
using B = Cpu<float>;

void print(const char* name, const Tensor<B>& x) {
  const std::vector<float> values = x.values();
  std::printf("%s %s\n", name, x.shape().text().c_str());
  for (Index row = 0; row < x.shape().rows(); ++row) {
    for (Index col = 0; col < x.shape().cols(); ++col)
      std::printf(" %6.3f", static_cast<double>(values[static_cast<std::size_t>(row * x.shape().cols() + col)]));
    std::printf("\n");
  }
}

int main() {
  // Data: three tokens of four numbers each, and what each token asks for (queries), offers (keys) and says (values).
  const Tensor<B> q({3, 4}, {1, 0, 1, 0, 0, 2, 0, 2, 1, 1, 1, 1});   // (T,D)
  const Tensor<B> k({3, 4}, {0, 1, 1, 0, 4, 4, 0, 0, 2, 3, 1, 0});   // (T,D)
  const Tensor<B> v({3, 4}, {1, 2, 3, 0, 2, 8, 0, 4, 2, 6, 3, 1});   // (T,D)

  // A query and a key agree as much as their product says; the root keeps the numbers in the range where softmax is alive.
  const float scale = 1 / std::sqrt(4.0f);
  const Tensor<B> agreement = matmul_transposed(q, k) * scale;       // (T,T)

  // A token may look back, not ahead: what lies ahead gets a number that softmax turns to nothing.
  const Tensor<B> ahead({3, 3}, {0, -1e9f, -1e9f, 0, 0, -1e9f, 0, 0, 0});
  const Tensor<B> weights = softmax(agreement + ahead);              // (T,T), every row sums to 1
  const Tensor<B> by_hand = matmul(weights, v);                      // (T,D)
  print("weights", weights);
  print("by hand", by_hand);

  // The same as one operation. It never holds the (T,T) matrix, so T may be long; N sequences and H heads go in at once.
  const auto heads = [](const Tensor<B>& x) { return reshape(x, {1, 3, 1, 4}); };                      // (N,T,H,D)
  const Tensor<B> fused = causal_attention(heads(q), heads(k), heads(v), static_cast<double>(scale));  // (N,T,H,D)

  float largest = 0;
  const std::vector<float> a = by_hand.values(), b = fused.values();
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));

  // What does not fit is refused by name: an error says which operation, which shapes and why.
  try {
    matmul(q, v);
  } catch (const Error& error) {
    std::printf("%s\n", error.what());
  }
  std::printf("the fused operation differs by less than 1e-5: %s\n", largest < 1e-5f ? "yes" : "no");
}
