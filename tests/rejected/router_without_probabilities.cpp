// A router returns its whole decision: balance losses need the probabilities of all experts, not the chosen ones alone.
// says: Router<
#include "cmoe/cpu/cpu.hpp"
#include "cmoe/moe/mixture.hpp"

using B = cmoe::Cpu<float>;

struct OnlyChosen {
  struct Config {
    cmoe::Index experts = 2;
  };
  template <class Backend>
  struct On {
    On() = default;
    On(cmoe::Index, const Config&, const cmoe::Rng&) {}
    cmoe::Ids<Backend> operator()(const cmoe::Tensor<Backend>& x) const { return cmoe::argmax(x); }
  };
};

#ifdef REJECTED
using Recipe = OnlyChosen;
#else
using Recipe = cmoe::TopK;
#endif

const cmoe::MixtureOfExperts<Recipe>::On<B> mixture;
