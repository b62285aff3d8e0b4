// A carrier of sparse deltas must say how much each unit matters.
// says: carrier[.]scores
#include "cmoe/cpu/cpu.hpp"
#include "cmoe/models/seta.hpp"

using B = cmoe::Cpu<float>;

struct Blind {
  static cmoe::Index count(cmoe::Index in, cmoe::Index out) { return in * out; }
  static cmoe::Index width(cmoe::Index, cmoe::Index) { return 1; }
  template <class Backend>
  static cmoe::Tensor<Backend> apply(const cmoe::Tensor<Backend>& x, const cmoe::Tensor<Backend>&, const cmoe::Ids<Backend>&, cmoe::Index, cmoe::Index) {
    return x;
  }
};

#ifdef REJECTED
using Units = Blind;
#else
using Units = cmoe::SparseEntries;
#endif

const cmoe::LatticeDelta<Units>::On<B> delta;
