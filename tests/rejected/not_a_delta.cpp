// A recipe that neither adds to a linear map nor replaces it is no delta.
// says: AddsToMap
#include "cmoe/cpu/cpu.hpp"
#include "cmoe/models/adapted.hpp"

using B = cmoe::Cpu<float>;

struct NotADelta {
  struct Config {};
  template <class>
  struct On {
    void grow(cmoe::Index, cmoe::Index, const auto&, const cmoe::Rng&) {}  // but there is no add() and no apply()
    static void visit(auto&, auto&&) {}
  };
};

#ifdef REJECTED
using Recipe = NotADelta;
#else
using Recipe = cmoe::NoDelta;
#endif

using Model = cmoe::Adapted<cmoe::Shallow<cmoe::NoDelta>, cmoe::Deep<Recipe>>;
cmoe::Index size(const Model::On<B>& model) { return model.layers(); }
