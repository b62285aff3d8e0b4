// A learner must be able to say how it would route, even if only that it does not.
// says: fixed[.]gates
#include "cmoe/continual/stream_run.hpp"
#include "cmoe/continual/sequential.hpp"
#include "cmoe/cpu/cpu.hpp"

using B = cmoe::Cpu<float>;

struct Silent : cmoe::SeqFt<B> {
  using cmoe::SeqFt<B>::SeqFt;
#ifdef REJECTED
  void gates() const {}  // hides the real one
#endif
};

template <cmoe::Learner<B> L>
void learn(L&) {}
void run(Silent& learner) { learn(learner); }
