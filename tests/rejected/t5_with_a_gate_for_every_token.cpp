// An encoder and a decoder have other tokens: a gate for T5 decides once a sequence.
// says: a gate that decides for every token
#include "cmoe/cpu/cpu.hpp"
#include "cmoe/models/t5.hpp"

using B = cmoe::Cpu<float>;

#ifdef REJECTED
using Where = cmoe::PerToken;
#else
using Where = cmoe::PromptMean;
#endif

using Recipe = cmoe::AdaptedT5<cmoe::Shallow<cmoe::NoDelta>, cmoe::Deep<cmoe::Mixture<cmoe::LoRA>>, cmoe::Gate<Where, cmoe::LinearSoftmax>>;
static_assert(sizeof(Recipe::On<B>) > 0);
