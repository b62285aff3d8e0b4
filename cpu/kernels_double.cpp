// The kernels of Cpu<double>, compiled once for all files that link cmoe_kernels.
#include "cmoe/cpu/cpu.hpp"
#include "cmoe_precompiled.hpp"

namespace cmoe::cpu {
CMOE_KERNELS(, double)
}  // namespace cmoe::cpu
