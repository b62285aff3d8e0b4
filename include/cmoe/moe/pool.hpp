// Pools: what a sequence gate reads. A gate reads the prompt and never an answer token.
#pragma once

#include <concepts>

#include "cmoe/nn/flow.hpp"
#include "cmoe/ops/index.hpp"
#include "cmoe/ops/layout.hpp"
#include "cmoe/ops/norm.hpp"
#include "cmoe/ops/reduce.hpp"

namespace cmoe {

// Where a gate reads: (N,T,C) states and the prompt range -> (N,C) queries, or (N,T,C) for a decision at every token.
template <class P, class B>
concept Pool = requires(const Tensor<B>& states, const Flow<B>& flow) {
  { P::pool(states, flow) } -> std::same_as<Tensor<B>>;
};

namespace detail {
template <class B>
void check_prompt(const Flow<B>& flow) {
  check(flow.prompt_first && flow.prompt_last, ErrorKind::misuse, "gate: the prompt's range is not set, a gate may read nothing else");
}
}  // namespace detail

// The mean over the prompt's tokens, normalised to root mean square 1.             PMoE, spec: ours (the paper says "deep feature")
struct PromptMean {
  template <class B>
  static Tensor<B> pool(const Tensor<B>& states, const Flow<B>& flow) {
    detail::check_prompt(flow);
    return rms_norm(mean_of_range(states, flow.prompt_first, flow.prompt_last));
  }
};

// The largest value of each feature over the prompt's tokens; padding takes no part.    DAPT; the public code lets padding take part
struct PromptMax {
  template <class B>
  static Tensor<B> pool(const Tensor<B>& states, const Flow<B>& flow) {
    detail::check_prompt(flow);
    return max_of_range(states, flow.prompt_first, flow.prompt_last);
  }
};

// The state of the prompt's last token, normalised to root mean square 1.
struct LastPromptToken {
  template <class B>
  static Tensor<B> pool(const Tensor<B>& states, const Flow<B>& flow) {
    detail::check_prompt(flow);
    std::vector<Id> last = flow.prompt_last.values(), before = last;
    for (Id& t : before) t = t > 0 ? t - 1 : 0;
    return rms_norm(mean_of_range(states, Ids<B>(flow.prompt_last.shape(), before), flow.prompt_last));
  }
};

// Every token decides for itself from its own state, normalised to root mean square 1: causal, so answers may be read too.
struct PerToken {
  static constexpr bool per_token = true;
  template <class B>
  static Tensor<B> pool(const Tensor<B>& states, const Flow<B>&) {
    return rms_norm(states);
  }
};

}  // namespace cmoe
