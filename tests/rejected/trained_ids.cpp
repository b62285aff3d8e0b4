// Ids are not numbers to compute with: an embedding takes ids, a linear map takes a tensor.
// says: (no match for call|no matching function for call)
#include "cmoe/cpu/cpu.hpp"
#include "cmoe/nn/embedding.hpp"
#include "cmoe/nn/linear.hpp"

using B = cmoe::Cpu<float>;

#ifdef REJECTED
using Layer = cmoe::Linear<B>;
#else
using Layer = cmoe::Embedding<B>;
#endif

cmoe::Tensor<B> apply(const Layer& layer, const cmoe::Ids<B>& ids) { return layer(ids); }
