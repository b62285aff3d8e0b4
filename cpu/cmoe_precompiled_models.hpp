// The architectures and their learners on Cpu<float> as a list: compiled once into a library, for projects of many files.
#pragma once

#include "cmoe/cmoe.hpp"

// Declares (`extern`) or defines (nothing) what a file that uses a model would compile again: the members of these types.
#define CMOE_MODELS(word)                                          \
  word template class Tape<Cpu<float>>;                            \
  word template class AdamW<Cpu<float>>;                           \
  word template struct Llama::On<Cpu<float>>;                      \
  word template struct LoraLlama::On<Cpu<float>>;                  \
  word template struct PMoE::On<Cpu<float>>;                       \
  word template struct DaptMean::On<Cpu<float>>;                   \
  word template struct SetaAnalytic::On<Cpu<float>>;               \
  word template struct ModuleFormer::On<Cpu<float>>;               \
  word template struct TopK::On<Cpu<float>>;                       \
  word template struct MixtureOfExperts<TopK>::On<Cpu<float>>;     \
  word template struct MixtureOfAttention<StickBreaking, TopK>::On<Cpu<float>>; \
  word template class PMoELearner<Cpu<float>>;                     \
  word template class Sequential<Cpu<float>, Llama::On<Cpu<float>>>; \
  word template class Sequential<Cpu<float>, LoraLlama::On<Cpu<float>>>; \
  word template class AnyLearner<Cpu<float>>;                      \
  word template bool run_stream<Cpu<float>, AnyLearner<Cpu<float>>>(AnyLearner<Cpu<float>>&, const std::vector<EncodedTask>&, const RunConfig&, const Rng&, RunState&, const RunHooks<Cpu<float>>&, Id, const ToText&, const std::vector<EncodedTask>&);

#if defined(CMOE_PRECOMPILED_MODELS)
namespace cmoe {
CMOE_MODELS(extern)
}  // namespace cmoe
#endif
