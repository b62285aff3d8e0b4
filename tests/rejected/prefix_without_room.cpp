// Prompts must say how many positions they need.
// says: R::room
#include "cmoe/cpu/cpu.hpp"
#include "cmoe/models/dapt.hpp"

using B = cmoe::Cpu<float>;

struct Endless {
  struct Config {};
  template <class Backend>
  struct On {
    cmoe::Tensor<Backend> prompts(const cmoe::Flow<Backend>&, cmoe::Index) const { return {}; }
    void grow(cmoe::Index, const Config&, const cmoe::Rng&) {}
    static void visit(auto&, auto&&) {}
  };
};

#ifdef REJECTED
using Prompts = Endless;
#else
using Prompts = cmoe::MixedPrompts;
#endif

using Prompted = cmoe::Adapted<cmoe::Shallow<cmoe::NoDelta>, cmoe::Deep<cmoe::NoDelta>, cmoe::Gate<cmoe::PromptMean, cmoe::KeyAttention>, cmoe::Causal, Prompts>;
const Prompted::On<B>* model = nullptr;
cmoe::Index layers() { return model->layers(); }
