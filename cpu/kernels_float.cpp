// The kernels of Cpu<float>, compiled once for all files that link cmoe_kernels.
#include "cmoe/cpu/cpu.hpp"
#include "cmoe_precompiled.hpp"

namespace cmoe::cpu {
CMOE_KERNELS(, float)
}  // namespace cmoe::cpu
