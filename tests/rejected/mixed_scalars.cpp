// Float and double do not meet in one operation: which of them was meant is for the caller to say.
// says: conflicting types
#include "cmoe/cpu/cpu.hpp"
#include "cmoe/ops/arithmetic.hpp"

#ifdef REJECTED
using Other = cmoe::Cpu<double>;
#else
using Other = cmoe::Cpu<float>;
#endif

auto sum(const cmoe::Tensor<cmoe::Cpu<float>>& a, const cmoe::Tensor<Other>& b) { return a + b; }
