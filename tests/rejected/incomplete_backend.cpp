// A backend must have every primitive of the list; the compiler names the one that is missing.
// says: B::gemm[^_]
#include "cmoe/core/backend.hpp"
#include "cmoe/cpu/cpu.hpp"

// A decorator: counts on everything else being inherited.
struct Decorated : cmoe::Cpu<float> {
#ifdef REJECTED
  static void gemm() {}  // hides the real one
#endif
};

static_assert(cmoe::Backend<Decorated>);
