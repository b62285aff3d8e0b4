// The plain decoder of the Llama family: every linear map without a delta.
#pragma once

#include "cmoe/models/adapted.hpp"

namespace cmoe {

// Pre-norm RMSNorm, rotary positions, grouped heads, SwiGLU.                                     arXiv 2302.13971
using Llama = Adapted<Shallow<NoDelta>, Deep<NoDelta>>;

// One LoRA block on every map, trained by all tasks in turn: what sequential and multitask learning use.
using LoraLlama = Adapted<Shallow<Single<LoRA>>, Deep<Single<LoRA>>>;

}  // namespace cmoe
