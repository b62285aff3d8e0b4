// A regulariser must say what it does after a task, even if only nothing.
// says: regularizer[.]consolidate
#include "cmoe/continual/regularized.hpp"
#include "cmoe/cpu/cpu.hpp"

using B = cmoe::Cpu<float>;

struct Forgetful : cmoe::Unprotected {
#ifdef REJECTED
  void consolidate() const {}  // hides the real one
#endif
};

void run(cmoe::LoraLlama::On<B>& model) { cmoe::Regularized<B, cmoe::LoraLlama::On<B>, Forgetful> learner(std::move(model), {}, cmoe::Rng(1)); }
