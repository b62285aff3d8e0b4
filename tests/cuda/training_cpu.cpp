// The CPU's side of the training tests.
#include "cuda/training.hpp"

namespace training {
template Outcome pmoe<Cpu<float>>(Index);
template Outcome dapt<Cpu<float>>(Index);
template Outcome seta<Cpu<float>>(Index);
template Outcome moduleformer<Cpu<float>>(Index);
}  // namespace training
