// A gate needs scores and weights: without weights it decides nothing.
// says: scorer[.]weights
#include "cmoe/cpu/cpu.hpp"
#include "cmoe/moe/gate.hpp"

using B = cmoe::Cpu<float>;

struct OnlyScores {
  struct Config {};
  template <class Backend>
  struct On {
    cmoe::Tensor<Backend> scores(const cmoe::Tensor<Backend>& query) const { return query; }
    void grow(const cmoe::Rng&) {}
  };
};

#ifdef REJECTED
using How = OnlyScores;
#else
using How = cmoe::LinearSoftmax;
#endif

const cmoe::Gate<cmoe::PromptMean, How>::On<B> gate;
