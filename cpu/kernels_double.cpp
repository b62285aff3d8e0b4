// The kernels of Cpu<double>, compiled once for all files that link cmoe_kernels.
#define CMOE_DEFINING_KERNELS
#include "cmoe/cpu/cpu.hpp"
#include "cmoe/cpu/precompiled.hpp"

namespace cmoe::cpu {
CMOE_KERNELS(, double)
}  // namespace cmoe::cpu
