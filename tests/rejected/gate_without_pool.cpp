// A gate must say where it reads.
// says: P::pool
#include "cmoe/cpu/cpu.hpp"
#include "cmoe/moe/gate.hpp"

using B = cmoe::Cpu<float>;

struct Nowhere {};

#ifdef REJECTED
using Where = Nowhere;
#else
using Where = cmoe::LastPromptToken;
#endif

const cmoe::Gate<Where, cmoe::LinearSoftmax>::On<B> gate;
