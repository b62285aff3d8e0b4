// A kind of attention says what it does with positions, if only that it leaves them alone.
// says: attention[.]positions
#include "cmoe/attention/stickbreaking.hpp"
#include "cmoe/cpu/cpu.hpp"
#include "cmoe/moe/mixture_of_attention.hpp"

using B = cmoe::Cpu<float>;

struct Placeless {
  struct Config {};
  template <class Backend>
  struct On {
    On() = default;
    On(const Config&, cmoe::Index) {}
    cmoe::Tensor<Backend> operator()(const cmoe::Tensor<Backend>& q, const cmoe::Tensor<Backend>&, const cmoe::Tensor<Backend>&,
                                     const cmoe::Flow<Backend>&) const {
      return q;
    }
  };
};

#ifdef REJECTED
using Kind = Placeless;
#else
using Kind = cmoe::StickBreaking;
#endif

const cmoe::MixtureOfAttention<Kind, cmoe::TopK>::On<B> mixture;
