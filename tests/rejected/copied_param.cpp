// A parameter cannot be copied: it would be trained twice under two names.
// says: deleted
#include "cmoe/cpu/cpu.hpp"
#include "cmoe/nn/param.hpp"

using B = cmoe::Cpu<float>;

#ifdef REJECTED
cmoe::Param<B> second(const cmoe::Param<B>& p) { return p; }
#else
cmoe::Param<B> second(cmoe::Param<B>& p) { return std::move(p); }
#endif
