// A plain decoder with one adapter of each kind: what adapter files hold.
#pragma once

#include "cmoe/models/llama.hpp"
#include "cmoe/pet/dora.hpp"
#include "cmoe/pet/ia3.hpp"
#include "cmoe/pet/prompt_tuning.hpp"

namespace cmoe {

// LoraLlama, in llama.hpp, is the fourth.
using DoraLlama = Adapted<Shallow<DoRA>, Deep<DoRA>>;
using Ia3Llama = Adapted<Shallow<IA3>, Deep<IA3>>;
using PromptTunedLlama = Adapted<Shallow<NoDelta>, Deep<NoDelta>, NoGate, Causal, PromptTuning>;

}  // namespace cmoe
