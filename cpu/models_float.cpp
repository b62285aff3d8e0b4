// The architectures on Cpu<float>, compiled once for all files that link cmoe::precompiled.
#include "cmoe_precompiled_models.hpp"

namespace cmoe {
CMOE_MODELS()
}  // namespace cmoe
